import type { JsonObject } from '../../domain/byte-stream.ts';
import { printable } from '../../report/escape.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import { openRepository, wordOf } from '../repository-context.ts';
import type { Difference } from '../../pipeline/read-tree.ts';

const MARKS = { added: '+', removed: '-', changed: '~' } as const;

/** Differences in order; printed as they are found, counted at the end. */
export async function diff(context: CommandContext): Promise<CommandResult> {
  await using opened = await openRepository(context);
  const before = await opened.select(wordOf(context.args[0]));
  const after = await opened.select(typeof context.args[1] === 'string' ? context.args[1] : 'latest');
  const counts = { added: 0, removed: 0, changed: 0 };
  const collected: JsonObject[] = [];
  for await (const entry of opened.service.diff(before.name, after.name, context.options.list('component'), context.signal)) {
    if (context.output.closed) break;
    counts[entry.change] += 1;
    if (context.json) collected.push({ ...entry });
    else await context.output.write(`${lineOf(entry)}\n`);
  }
  return {
    data: { before: before.name, after: after.name, changes: collected, counts },
    text: '',
    notes: `${counts.added} added, ${counts.removed} removed, ${counts.changed} changed between ${printable(before.name)} and ${printable(after.name)}`,
    findings: [],
    exitCode: 0,
  };
}

function lineOf(entry: Difference): string {
  const name = entry.path === null ? entry.component : `${entry.component}:${entry.path}`;
  return `${MARKS[entry.change]} ${printable(name)}${entry.details === '' ? '' : `  (${printable(entry.details)})`}`;
}
