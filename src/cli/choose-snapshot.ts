import type { ClassicArchive, SnapshotSummary } from '../domain/snapshot-summary.ts';
import { McadsError } from '../errors.ts';
import { printable } from '../report/escape.ts';
import { snapshotRows } from '../report/snapshot-report.ts';
import { choose } from './choose.ts';
import { assertTerminal } from './confirm.ts';
import type { CommandContext } from './context.ts';
import { wordOf } from './repository-context.ts';
import { openRestorables, pathOfArchive, selectRestorable } from './restorable.ts';

/** Room for the cursor and the number before a row. */
const BEFORE_ROW = 8;

/**
 * The snapshot or classic archive that the first argument names; without one, chosen from a list. Rejects `usage`, saying what to give, where nobody can be asked, and
 * `cancelled` for Esc.
 */
export async function selectOrChoose(
  context: CommandContext,
  message: string,
): Promise<{ readonly summary: SnapshotSummary } | { readonly archive: string }> {
  const [given] = context.args;
  if (given === undefined) {
    const hint = 'say which one: latest, a time such as 20250801_142905, or a name; `list` shows them';
    assertTerminal(context, `${context.name} without a snapshot`, hint);
  }
  await using restorables = await openRestorables(context);
  const chosen =
    given === undefined ? await chooseSnapshot(context, restorables, message) : await selectRestorable(restorables, wordOf(given));
  if (chosen === null) throw new McadsError('cancelled', 'cancelled by answer; nothing was changed');
  return 'file' in chosen ? { archive: pathOfArchive(restorables, chosen) } : { summary: chosen };
}

interface Choosable {
  readonly snapshots: readonly SnapshotSummary[];
  readonly archives?: readonly ClassicArchive[];
  projectName(): Promise<string | null>;
}

/** One of the project's snapshots (and archives) from a list on the terminal, newest first, the cursor on the newest complete one. Null for Esc. Rejects `no-snapshot`. */
export async function chooseSnapshot(
  context: CommandContext,
  from: Choosable,
  message: string,
): Promise<SnapshotSummary | ClassicArchive | null> {
  const project = await from.projectName();
  const snapshots = [...from.snapshots, ...(from.archives ?? [])]
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
    choices: snapshots.map((value, index) => ({ value, label: labels[index] ?? value.startedAt })),
    escape: 'go back',
    first: Math.max(
      0,
      snapshots.findIndex((one) => 'completeness' in one && one.completeness === 'complete'),
    ),
  });
}
