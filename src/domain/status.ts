import type { ContainerState } from './engine-model.ts';
import type { Uncovered } from './finding.ts';
import { unusualSize } from './size-check.ts';
import type { UnusualSize } from './size-check.ts';
import { isAhead, type SnapshotProof, type SnapshotSummary } from './snapshot-summary.ts';

/** A container of the project as it is now. */
export interface ServiceState {
  /** Null: no container of a service. */
  readonly service: string | null;
  readonly container: string;
  readonly state: ContainerState;
  readonly health: 'none' | 'starting' | 'healthy' | 'unhealthy';
  readonly exitCode: number;
}

/** A systemd unit as it is now, in systemd's own words. */
export interface UnitState {
  readonly name: string;
  readonly active: string;
  readonly enabled: string;
  /** It does its work and ends (`Type=oneshot`). */
  readonly runsOnce?: boolean;
}

/** What an engine says of a project. */
export type EngineAnswer =
  | { readonly kind: 'absent' }
  | { readonly kind: 'silent'; readonly reason: string }
  | { readonly kind: 'services'; readonly services: readonly ServiceState[] };

/** How well a project is protected. */
export interface Protection {
  readonly project: string;
  readonly snapshots: number;
  /** Newest first, at most five, partial ones too. */
  readonly newest: readonly SnapshotSummary[];
  readonly newestComplete: SnapshotSummary | null;
  readonly lastDrill: (SnapshotProof & { readonly snapshot: string }) | null;
  readonly unusual: UnusualSize | null;
  readonly overdue: boolean;
  /** Snapshots that a clock which was ahead has dated. */
  readonly ahead: readonly string[];
  readonly unproven: boolean;
  /** State that the newest complete snapshot does not hold and that nobody left out on purpose. */
  readonly unprotected: readonly Uncovered[];
}

export interface ProtectionLimits {
  readonly maxAgeMs: number;
  /** Null: a drill is not asked for. */
  readonly maxProofAgeMs: number | null;
}

const SHOWN = 5;

/**
 * Judges one project by its snapshots. `uncovered` is what the newest complete snapshot says that it does not hold. What a clock
 * that was ahead has dated has no age: it protects from nothing until its date.
 */
export function judgeProtection(
  project: string,
  all: readonly SnapshotSummary[],
  uncovered: readonly Uncovered[],
  limits: ProtectionLimits,
  now: Date,
): Protection {
  const own = all.filter((one) => one.project === project).toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
  const newestComplete = newestCompleteOf(own, now);
  const drilled = own.flatMap(({ name, proof }) => (proof === null ? [] : [{ snapshot: name, ...proof }]));
  // Nothing is restored below level 2.
  const restoring = drilled.filter(({ level, failed }) => failed === true || (level ?? 0) >= 2);
  const lastDrill = restoring.toSorted((a, b) => (a.at < b.at ? 1 : -1))[0] ?? null;
  const isOlder = (at: string | undefined, limitMs: number): boolean =>
    at === undefined || now.getTime() - new Date(at).getTime() > limitMs;
  return {
    project,
    snapshots: own.length,
    newest: own.slice(0, SHOWN),
    newestComplete,
    lastDrill,
    unusual: newestComplete === null ? null : unusualSize(newestComplete, own),
    overdue: (newestComplete !== null && isAhead(newestComplete, now)) || isOlder(newestComplete?.startedAt, limits.maxAgeMs),
    ahead: own.filter((one) => isAhead(one, now)).map(({ name }) => name),
    unproven: limits.maxProofAgeMs !== null && (lastDrill?.failed === true || isOlder(lastDrill?.at, limits.maxProofAgeMs)),
    unprotected: newestComplete === null ? [] : uncovered.filter(({ harmless }) => harmless !== true),
  };
}

/** One that is dated ahead of `now` only where there is no other. */
export function newestCompleteOf(snapshots: readonly SnapshotSummary[], now: Date): SnapshotSummary | null {
  const newestFirst = snapshots
    .filter(({ completeness }) => completeness === 'complete')
    .toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
  return newestFirst.find((one) => !isAhead(one, now)) ?? newestFirst[0] ?? null;
}

/** One that shall start with the machine and does not run is down; one that nobody enabled may be stopped on purpose. */
export function isUnitDown({ active, enabled, runsOnce }: UnitState): boolean {
  return active === 'failed' || (active === 'inactive' && runsOnce !== true && (enabled === 'enabled' || enabled === 'enabled-runtime'));
}

/** Whether a container is where it should be. One that ended well may have had nothing more to do. */
export function isDown({ state, health, exitCode }: ServiceState): boolean {
  if (state === 'exited' || state === 'created') return exitCode !== 0;
  return state !== 'running' || health === 'unhealthy';
}
