import type { SnapshotRepository } from './ports.ts';

/** A repository that drills write their evidence to. */
export interface DrillRepository extends SnapshotRepository {
  /** While it is held no prune runs; its signal aborts when it is lost. Null where the repository cannot be written. */
  lease(mode: 'shared', purpose: string, signal: AbortSignal): Promise<({ readonly signal: AbortSignal } & AsyncDisposable) | null>;
  /** `name` is a time. Rejects `no-snapshot` where it was removed meanwhile. */
  keepEvidence(snapshot: string, name: string, evidence: string): Promise<void>;
}
