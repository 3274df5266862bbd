import type { PruneDecision } from './ports.ts';
import type { ClassicArchive, SnapshotSummary } from './snapshot-summary.ts';

/** What to keep; a rule that is absent keeps nothing, no rule at all keeps everything. -1 keeps all of a kind. */
export interface RetentionPolicy {
  readonly last?: number;
  readonly hourly?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
  readonly yearly?: number;
  /** Everything younger than this, counted back from the newest complete snapshot. */
  readonly withinMs?: number;
}

export const DEFAULT_POLICY: RetentionPolicy = { last: 10 };

type Period = 'hourly' | 'daily' | 'weekly' | 'monthly' | 'yearly';
const PERIODS: readonly Period[] = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'];

/**
 * Decides per project and strategy, as restic does: of each period (in UTC) the newest is kept. Partial snapshots are never counted:
 * they stay while fewer than `last` (at least one) complete ones are newer. Ones dated in the future stay and are not counted.
 * Result in the order given.
 */
export function applyRetention(snapshots: readonly SnapshotSummary[], policy: RetentionPolicy, now: Date): readonly PruneDecision[] {
  const reasons = new Map<string, string>();
  for (const group of Map.groupBy(snapshots, ({ project, strategy }) => `${strategy} ${project}`).values()) {
    for (const [name, reason] of keepOfGroup(group, policy, now)) reasons.set(name, reason);
  }
  return snapshots.map(({ name, completeness }) => {
    const reason = reasons.get(name);
    if (reason !== undefined) return { name, kept: true, reason };
    return {
      name,
      kept: false,
      reason: completeness === 'partial' ? 'partial, newer complete snapshots exist' : `not kept by ${describePolicy(policy)}`,
    };
  });
}

/** `last` for archives of the old scripts, each project and strategy by itself; other rules leave them alone. */
export function applyClassicRetention(archives: readonly ClassicArchive[], policy: RetentionPolicy, now: Date): readonly PruneDecision[] {
  const summaries = archives.map(({ file, project, strategy, startedAt, bytes }): SnapshotSummary => {
    return { name: file, project, strategy, startedAt, bytes, completeness: 'complete', components: [], proof: null };
  });
  return applyRetention(summaries, policy.last === undefined ? {} : { last: policy.last }, now);
}

/** Keeps, for every component of a project, the newest snapshot that captured it well, whatever the policy says. */
export function protectNewestCaptures(
  decisions: readonly PruneDecision[],
  snapshots: readonly SnapshotSummary[],
): readonly PruneDecision[] {
  const newest = new Map<string, { readonly snapshot: SnapshotSummary; readonly component: string }>();
  for (const snapshot of snapshots) {
    for (const component of snapshot.components) {
      const key = `${snapshot.project} ${component}`;
      const known = newest.get(key);
      if (known === undefined || isBetter(component, snapshot, known.snapshot)) newest.set(key, { snapshot, component });
    }
  }
  const only = Map.groupBy(newest.values(), ({ snapshot }) => snapshot.name);
  return decisions.map((decision) => {
    const components = only.get(decision.name);
    if (decision.kept || components === undefined) return decision;
    return { name: decision.name, kept: true, reason: `newest snapshot with ${components.map(({ component }) => component).join(', ')}` };
  });
}

/** Captured well where the other is not, else newer. */
function isBetter(component: string, snapshot: SnapshotSummary, known: SnapshotSummary): boolean {
  const good = !(snapshot.doubtful ?? []).includes(component);
  const knownGood = !(known.doubtful ?? []).includes(component);
  return good === knownGood ? known.startedAt < snapshot.startedAt : good;
}

function keepOfGroup(group: readonly SnapshotSummary[], policy: RetentionPolicy, now: Date): ReadonlyMap<string, string> {
  const reasons = new Map<string, string[]>();
  const keep = (name: string, reason: string): void => {
    reasons.set(name, [...(reasons.get(name) ?? []), reason]);
  };
  const newestFirst = group.toSorted((a, b) =>
    a.startedAt === b.startedAt ? (a.name < b.name ? 1 : -1) : a.startedAt < b.startedAt ? 1 : -1,
  );
  const past = newestFirst.filter((snapshot) => {
    const isFuture = new Date(snapshot.startedAt) > now;
    if (isFuture) keep(snapshot.name, 'dated in the future');
    return !isFuture;
  });
  const complete = past.filter(({ completeness }) => completeness === 'complete');

  if (Object.values(policy).every((value) => value === undefined)) {
    for (const { name } of past) keep(name, 'no rule given');
    return joined(reasons);
  }
  for (const { name } of first(complete, policy.last)) keep(name, 'last');
  for (const period of PERIODS) {
    for (const { name } of first(newestOfEach(complete, period), policy[period])) keep(name, period);
  }
  const newest = complete[0];
  if (newest !== undefined && policy.withinMs !== undefined) {
    const limit = Date.parse(newest.startedAt) - policy.withinMs;
    for (const { name, startedAt } of complete) if (Date.parse(startedAt) > limit) keep(name, 'within');
  }
  const limit = first(complete, Math.max(1, policy.last ?? 1)).at(-1);
  const enough = complete.length >= Math.max(1, policy.last ?? 1) && policy.last !== -1;
  for (const { name, completeness, startedAt } of past) {
    if (completeness === 'partial' && (!enough || limit === undefined || startedAt > limit.startedAt))
      keep(name, 'partial, not yet followed by enough complete ones');
  }
  return joined(reasons);
}

function joined(reasons: ReadonlyMap<string, readonly string[]>): ReadonlyMap<string, string> {
  return new Map([...reasons].map(([name, list]) => [name, list.join(', ')]));
}

function first<T>(items: readonly T[], count: number | undefined): readonly T[] {
  return count === undefined ? [] : count < 0 ? items : items.slice(0, count);
}

function newestOfEach(newestFirst: readonly SnapshotSummary[], period: Period): readonly SnapshotSummary[] {
  const seen = new Set<string>();
  return newestFirst.filter(({ startedAt }) => {
    const key = periodKey(new Date(startedAt), period);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function periodKey(at: Date, period: Period): string {
  const iso = at.toISOString();
  switch (period) {
    case 'hourly':
      return iso.slice(0, 13);
    case 'daily':
      return iso.slice(0, 10);
    case 'weekly':
      return mondayOf(at);
    case 'monthly':
      return iso.slice(0, 7);
    case 'yearly':
      return iso.slice(0, 4);
  }
}

/** ISO weeks begin on Monday. */
function mondayOf(at: Date): string {
  const daysSinceMonday = (at.getUTCDay() + 6) % 7;
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate() - daysSinceMonday)).toISOString().slice(0, 10);
}

const UNITS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  M: 30 * 86_400_000,
  y: 365 * 86_400_000,
};

/** `90d`, `2w`, `1y6M`, `36h`: years are 365 days, `M` is 30 days, `m` minutes. Null for anything else. */
export function parseDurationMs(text: string): number | null {
  if (!/^(\d+[smhdwMy])+$/.test(text)) return null;
  return [...text.matchAll(/(\d+)([smhdwMy])/g)].reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS[unit ?? ''] ?? 0), 0);
}

/** For people: `keep-last 10, keep-daily 7`. */
export function describePolicy(policy: RetentionPolicy): string {
  const rules = (['last', ...PERIODS] as const).flatMap((rule) =>
    policy[rule] === undefined ? [] : [`keep-${rule} ${policy[rule] < 0 ? 'all' : policy[rule]}`],
  );
  if (policy.withinMs !== undefined) rules.push(`keep-within ${Math.round(policy.withinMs / 3_600_000)}h`);
  return rules.join(', ') || 'no rule';
}
