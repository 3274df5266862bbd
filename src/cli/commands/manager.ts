import { nameOfArchive } from '../../domain/snapshot-summary.ts';
import { McadsError } from '../../errors.ts';
import { printable, shorten } from '../../report/escape.ts';
import { chooseSnapshot } from '../choose-snapshot.ts';
import { choose } from '../choose.ts';
import type { Choice } from '../choose.ts';
import type { CommandResult } from '../command-spec.ts';
import { assertTerminal } from '../confirm.ts';
import type { CommandContext } from '../context.ts';
import type { ExitCode } from '../exit-codes.ts';
import { givenGlobals } from '../given-globals.ts';
import { openRepository } from '../repository-context.ts';
import { openRestorables } from '../restorable.ts';

interface Entry {
  readonly label: string;
  /** The command behind it; null leaves. */
  readonly command: string | null;
  /** Ask for a snapshot first. */
  readonly of?: string;
}

/** As the menu of the old `backup_manager.sh` had it, and the drill. */
const ENTRIES: readonly Entry[] = [
  { label: 'Create a backup', command: 'backup' },
  { label: 'List the backups', command: 'list' },
  { label: 'Restore from a backup', command: 'restore', of: 'Restore which one?' },
  { label: 'Show the details of a backup', command: 'show', of: 'Show which one?' },
  { label: 'Clean up old backups', command: 'prune' },
  { label: 'Show the status', command: 'status' },
  { label: 'Exit', command: null },
  { label: 'Drill: prove a backup in an isolated copy', command: 'drill', of: 'Drill which one?' },
];

/** The menu. Every entry is a command line that could be typed: it asks, reports and can be interrupted as that does. */
export async function manager(context: CommandContext): Promise<CommandResult> {
  refuse(context);
  const project = await context.project();
  const globals = givenGlobals(context.options);
  const title = `${printable(project.name ?? project.directory)}, backups in ${printable(project.repository)}`;
  context.note(context.noteStyle.bold(shorten(title, context.noteStyle.width - 1)));
  const known = context.commandLine.commands.map(({ name }) => name);
  const offered = (await isOnHost(context)) ? ENTRIES.filter(({ command }) => command !== 'drill') : ENTRIES;
  const entries = offered.filter(({ command }) => command === null || known.includes(command));
  let first = 0;
  for (;;) {
    const message = 'What shall be done?';
    context.note('');
    const choices = entries.map((value): Choice<Entry> => ({ value, label: value.label }));
    const entry = await choose(context, { message, choices, escape: 'leave', first });
    if (entry === null || entry.command === null) return { data: null, text: '', findings: [], exitCode: 0 };
    first = entries.indexOf(entry); // the cursor stands where it was
    const exitCode = await runEntry(context, entry.command, entry.of ?? null, globals);
    if (exitCode === 143) return { data: null, text: '', findings: [], exitCode };
  }
}

/** What is captured without Docker cannot be drilled: not offered where the newest snapshot is such a one, or the next will be. */
async function isOnHost(context: CommandContext): Promise<boolean> {
  const { config, model, modelError, engine, name } = await context.project();
  const { strategy } = config.settings;
  if (strategy !== 'auto') return strategy === 'host';
  try {
    await using opened = await openRepository(context);
    const project = await opened.projectName();
    const own = opened.snapshots.filter((one) => project === null || one.project === project);
    const newest = own.toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1))[0];
    if (newest !== undefined) return newest.strategy === 'host';
  } catch (error) {
    if (!(error instanceof McadsError)) throw error; // told by the entries
  }
  if (model !== null || modelError !== null || (await context.services.listProjects(engine, context.signal)) !== null) return false;
  return (await context.services.projectServices(name ?? '', engine, context.signal)).kind === 'absent';
}

/** Null where the user went back. */
async function runEntry(
  context: CommandContext,
  command: string,
  question: string | null,
  globals: readonly string[],
): Promise<ExitCode | null> {
  const { commandLine, noteStyle } = context;
  if (question === null) return say(await commandLine.run([command, ...globals]));
  const name = await chosenName(context, command, question);
  return name === null ? null : say(await commandLine.run([command, ...globals, '--', name]));

  /** Whoever looks away while a backup runs sees how it ended. */
  function say(exitCode: ExitCode): ExitCode {
    context.note(exitCode === 0 ? noteStyle.green('Done.') : noteStyle.yellow(`Ended with exit code ${exitCode}.`));
    return exitCode;
  }
}

/** A missing or empty repository is no reason to leave the menu. */
async function chosenName(context: CommandContext, command: string, question: string): Promise<string | null> {
  try {
    await using from = command === 'restore' ? await openRestorables(context) : await openRepository(context);
    const chosen = await chooseSnapshot(context, from, question);
    return chosen === null ? null : 'file' in chosen ? nameOfArchive(chosen) : chosen.name;
  } catch (error) {
    if (!(error instanceof McadsError) || (error.code !== 'no-repository' && error.code !== 'no-snapshot')) throw error;
    context.note(`${context.noteStyle.yellow(printable(error.message))}${error.hint === undefined ? '' : ` (${printable(error.hint)})`}`);
    return null;
  }
}

/** For what makes no sense in a menu, and where there is nobody to look at one. */
function refuse(context: CommandContext): void {
  for (const flag of ['json', 'quiet', 'dryRun', 'yes', 'allProjects']) {
    if (!context.options.flag(flag)) continue;
    const option = `--${flag.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new McadsError('usage', `the menu of manager takes no ${option}`, {
      hint: `give ${option} to the command itself: backup, list, restore, show, prune, status, drill`,
    });
  }
  assertTerminal(context, 'the menu of manager', 'every entry is a command of its own: backup, list, restore, show, prune, status, drill');
}
