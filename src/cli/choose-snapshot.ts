import type { SnapshotSummary } from '../domain/snapshot-summary.ts';
import { McadsError } from '../errors.ts';
import { printable } from '../report/escape.ts';
import { snapshotRows } from '../report/snapshot-report.ts';
import { choose } from './choose.ts';
import { assertTerminal } from './confirm.ts';
import type { CommandContext } from './context.ts';
import { openRepository, wordOf } from './repository-context.ts';
import type { OpenedRepository } from './repository-context.ts';

/** Room for the cursor and the number before a row. */
const BEFORE_ROW = 8;

/**
 * The snapshot that the first argument names; without one, chosen from a list. Rejects `usage`, saying what to give, where nobody can be asked, and
 * `cancelled` for Esc.
 */
export async function selectOrChoose(context: CommandContext, message: string): Promise<SnapshotSummary> {
  const [given] = context.args;
  if (given === undefined) {
    const hint = 'say which one: latest, a time such as 20250801_142905, or a name; `list` shows them';
    assertTerminal(context, `${context.name} without a snapshot`, hint);
  }
  await using opened = await openRepository(context);
  if (given !== undefined) return await opened.select(wordOf(given));
  const chosen = await chooseSnapshot(context, opened, message);
  if (chosen === null) throw new McadsError('cancelled', 'cancelled by answer; nothing was changed');
  return chosen;
}

/** One of the project's snapshots from a list on the terminal, newest first, the cursor on the newest complete one. Null for Esc. Rejects `no-snapshot`. */
export async function chooseSnapshot(context: CommandContext, opened: OpenedRepository, message: string): Promise<SnapshotSummary | null> {
  const project = await opened.projectName();
  const snapshots = opened.snapshots
    .filter((one) => project === null || one.project === project)
    .toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
  if (snapshots.length === 0) {
    throw new McadsError('no-snapshot', `there is no snapshot${project === null ? '' : ` of ${printable(project)}`} yet`, {
      hint: '`backup` makes one; -r names another repository',
    });
  }
  const style = context.noteStyle;
  const [heading = '', ...labels] = snapshotRows(snapshots, new Date(), style.width - BEFORE_ROW);
  return choose(context, {
    message,
    heading,
    choices: snapshots.map((value, index) => ({ value, label: labels[index] ?? value.name })),
    escape: 'go back',
    first: Math.max(
      0,
      snapshots.findIndex(({ completeness }) => completeness === 'complete'),
    ),
  });
}
