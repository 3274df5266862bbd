import { printable } from '../../report/escape.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import { openRepository, parseSelections, wordOf, wordsOf } from '../repository-context.ts';
import { chosenComponents } from '../choose-components.ts';
import type { ListedFile } from '../../pipeline/read-tree.ts';

const SECOND = 1_000_000_000n;

/** Streams the entries of a snapshot: one line, or with --json one object, each. */
export async function files(context: CommandContext): Promise<CommandResult> {
  const selections = parseSelections(wordsOf(context.args[1]));
  await using opened = await openRepository(context);
  const summary = await opened.select(wordOf(context.args[0]));
  const chosen = chosenComponents(summary, selections, context.options.list('component'));
  for await (const entry of opened.service.files(summary.name, chosen, context.signal)) {
    if (context.output.closed) break;
    await context.output.write(
      `${context.json ? JSON.stringify({ ...entry, mtime: entry.mtime === null ? null : isoTime(entry.mtime) }) : lineOf(entry)}\n`,
    );
  }
  return { data: null, text: '', findings: [], exitCode: 0 };
}

function lineOf(entry: ListedFile): string {
  const mode = entry.mode === null ? '' : entry.mode.toString(8).padStart(4, '0');
  const owner = entry.uid === null ? '' : `${entry.uid}:${entry.gid ?? ''}`;
  const time = entry.mtime === null ? '' : timeText(entry.mtime);
  const name = entry.path === null ? entry.component : `${entry.component}:${entry.path}`;
  const pointsTo = entry.target !== undefined ? ` -> ${entry.target}` : entry.link !== undefined ? ` = ${entry.link}` : '';
  const torn = entry.torn === true ? ' (torn)' : '';
  return `${entry.type} ${mode.padStart(4)} ${owner.padStart(11)} ${String(entry.bytes).padStart(12)} ${time.padEnd(19)} ${printable(name + pointsTo)}${torn}`;
}

/** Seconds since 1970 with a fraction → `2025-08-01 14:29:05` in UTC. */
function timeText(mtime: string): string {
  return isoTime(mtime).slice(0, 19).replace('T', ' ');
}

/** Likewise with the fraction as it was recorded: `2025-08-01T14:29:05.123456789Z`. Behind a minus sign it counts down. */
function isoTime(mtime: string): string {
  const [, seconds, fraction = ''] = /^(-?\d+)(?:\.(\d{1,9}))?$/.exec(mtime) ?? [];
  if (seconds === undefined) return mtime;
  const nanoseconds = BigInt(seconds) * SECOND + BigInt(`${seconds.startsWith('-') ? '-' : ''}${fraction.padEnd(9, '0')}`);
  const below = ((nanoseconds % SECOND) + SECOND) % SECOND;
  const at = new Date(Number((nanoseconds - below) / 1_000_000n));
  if (Number.isNaN(at.getTime())) return mtime;
  return at.toISOString().replace('.000Z', below === 0n ? 'Z' : `.${String(below).padStart(9, '0')}Z`);
}
