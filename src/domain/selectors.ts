import { McadsError } from '../errors.ts';
import { matchesComponent, type ComponentId } from './component.ts';
import type { StrategyName } from './manifest.ts';
import { parseSnapshotName } from './snapshot-name.ts';
import { isAhead, type SnapshotSummary } from './snapshot-summary.ts';

export interface SelectedSnapshot {
  readonly snapshot: SnapshotSummary;
  /** Set for `latest` when a newer but partial snapshot exists. */
  readonly newerPartial: SnapshotSummary | null;
}

export interface SelectionScope {
  /** `latest` and times are looked for in this project only; a full name or prefix may belong to any. */
  readonly project?: string;
  readonly strategy?: StrategyName;
  /** What is dated after it is `latest` only where nothing else is complete. */
  readonly now?: Date;
}

const SHOWN_CANDIDATES = 5;

/**
 * A snapshot by full name, time (`20250801_142905`), unique prefix of either, or `latest` (the newest complete one).
 * Rejects `no-snapshot` with candidates where nothing matches and `usage` where more than one does.
 */
export function selectSnapshot(selector: string, snapshots: readonly SnapshotSummary[], scope: SelectionScope = {}): SelectedSnapshot {
  const newestFirst = snapshots.toSorted((a, b) =>
    a.startedAt < b.startedAt ? 1 : a.startedAt > b.startedAt ? -1 : a.name < b.name ? 1 : -1,
  );
  const inScope = newestFirst.filter(
    ({ project, strategy }) => (scope.project ?? project) === project && (scope.strategy ?? strategy) === strategy,
  );
  if (selector === 'latest') return selectLatest(inScope, scope);

  const exact = newestFirst.find(({ name }) => name === selector);
  if (exact !== undefined) return { snapshot: exact, newerPartial: null };
  if (selector === '') throw new McadsError('usage', 'a snapshot name is empty', { hint: candidatesHint(inScope) });

  for (const candidates of [inScope, newestFirst]) {
    const matches = matching(selector, candidates);
    const [only, second] = matches;
    if (only === undefined) continue;
    if (second === undefined) return { snapshot: only, newerPartial: null };
    throw new McadsError('usage', `"${selector}" fits ${matches.length} snapshots`, {
      hint: `Give more of the name: ${listNames(matches)}`,
    });
  }
  throw new McadsError('no-snapshot', `no snapshot fits "${selector}"`, {
    hint: candidatesHint(inScope.length > 0 ? inScope : newestFirst),
  });
}

function matching(selector: string, candidates: readonly SnapshotSummary[]): readonly SnapshotSummary[] {
  const byTime = candidates.filter(({ name }) => parseSnapshotName(name)?.time === selector);
  if (byTime.length > 0) return byTime;
  return candidates.filter(({ name }) => name.startsWith(selector) || parseSnapshotName(name)?.time.startsWith(selector) === true);
}

function selectLatest(newestFirst: readonly SnapshotSummary[], { project, now }: SelectionScope): SelectedSnapshot {
  const isOfNow = (one: SnapshotSummary): boolean => now === undefined || !isAhead(one, now);
  const complete = newestFirst.filter(({ completeness }) => completeness === 'complete');
  const snapshot = complete.find(isOfNow) ?? complete[0];
  const newest = newestFirst.find(isOfNow) ?? newestFirst[0];
  const whose = project === undefined ? '' : ` of ${project}`;
  if (snapshot === undefined) {
    if (newest === undefined)
      throw new McadsError('no-snapshot', `there is no snapshot${whose}`, { hint: 'backup makes one; --repository names another place.' });
    throw new McadsError('no-snapshot', `there is no complete snapshot${whose}`, {
      hint: `latest is never a partial one; name it: ${listNames(newestFirst)}`,
    });
  }
  return { snapshot, newerPartial: newest !== undefined && newest !== snapshot ? newest : null };
}

function candidatesHint(newestFirst: readonly SnapshotSummary[]): string {
  return newestFirst.length === 0 ? 'The repository holds no snapshot yet.' : `There are: ${listNames(newestFirst)}`;
}

function listNames(snapshots: readonly SnapshotSummary[]): string {
  const names = snapshots.slice(0, SHOWN_CANDIDATES).map(({ name }) => name);
  const more = snapshots.length - names.length;
  return names.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** Ids that any glob matches, in the order given; all without globs. Rejects `usage` naming each glob that matches nothing. */
export function selectComponents(globs: readonly string[], ids: readonly ComponentId[]): readonly ComponentId[] {
  if (globs.length === 0) return ids;
  const unmatched = globs.filter((glob) => !ids.some((id) => matchesComponent(id, glob)));
  if (unmatched.length > 0) {
    throw new McadsError('usage', `no component matches ${unmatched.map((glob) => `"${glob}"`).join(', ')}`, {
      hint: ids.length === 0 ? 'There are no components.' : `There are: ${ids.join(', ')}`,
    });
  }
  return ids.filter((id) => globs.some((glob) => matchesComponent(id, glob)));
}
