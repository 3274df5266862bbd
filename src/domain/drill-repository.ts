import type { SnapshotRepository } from './ports.ts';

/** A repository that drills write their evidence to. */
export interface DrillRepository extends SnapshotRepository {
  /** `name` is a time. Rejects `no-snapshot` where it was removed meanwhile. */
  keepEvidence(snapshot: string, name: string, evidence: string): Promise<void>;
}
