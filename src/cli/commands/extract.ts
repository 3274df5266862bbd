import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { McadsError } from '../../errors.ts';
import { printable } from '../../report/escape.ts';
import { counted, humanBytes } from '../../report/human.ts';
import { chosenComponents } from '../choose-components.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import { withProgress } from '../progress.ts';
import { refuseDryRun } from '../refuse-dry-run.ts';
import { openRepository, parseSelections, wordOf, wordsOf } from '../repository-context.ts';

/** Missing ones are made. */
async function assertFolder(target: string, repository: string): Promise<void> {
  if (target === repository || target.startsWith(`${repository}/`))
    throw new McadsError('usage', `${target} is the repository`, { hint: '--target names a folder of its own' });
  const there = await stat(target).catch(() => null);
  if (there !== null && !there.isDirectory())
    throw new McadsError('usage', `${target} is there already, and no folder`, { hint: '--target names a folder; missing ones are made' });
}

/** Copies components or paths out of a snapshot, to a directory or stdout. */
export async function extract(context: CommandContext): Promise<CommandResult> {
  refuseDryRun(context, '`files` lists what it would write');
  const given = context.options.text('target');
  if (given === null)
    throw new McadsError('usage', 'extract needs --target DIR', {
      hint: '--target ./out writes files, --target - writes one component to stdout',
    });
  const toStdout = given === '-';
  const words = parseSelections(wordsOf(context.args[1]));
  if (toStdout && context.json)
    throw new McadsError('usage', '--json and --target - both want stdout', { hint: 'extract to a directory, or leave out --json' });
  await using opened = await openRepository(context);
  const summary = await opened.select(wordOf(context.args[0]));
  const selections = chosenComponents(summary, words, context.options.list('component'));
  if (toStdout && selections.length !== 1) {
    throw new McadsError('usage', `--target - takes exactly one component, not ${selections.length === 0 ? 'all' : selections.length}`, {
      hint: `name one of ${summary.components.join(', ')}`,
    });
  }
  const target = toStdout ? null : resolve(context.io.workingDirectory, given);
  if (target !== null) await assertFolder(target, (await context.project()).repository);
  const report = await withProgress(context, await context.project(), null, (events) =>
    opened.service.extract(
      {
        snapshot: summary.name,
        selections,
        target,
        overwrite: context.options.flag('overwrite'),
        output: (bytes) => context.output.write(bytes),
      },
      events,
      context.signal,
    ),
  );
  const lines = report.components.map(
    (one) =>
      `${printable(one.id)}: ${counted(one.files, 'entry', 'entries')}, ${humanBytes(one.bytes)}${one.path === null ? '' : ` in ${printable(one.path)}`}`,
  );
  return {
    data: toStdout ? null : { snapshot: summary.name, target, components: report.components.map((one) => ({ ...one })) },
    text: '',
    notes: lines.join('\n'),
    findings: report.findings,
    exitCode: 0,
  };
}
