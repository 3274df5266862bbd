import type { Completeness, StrategyName } from './manifest.ts';

/** What `list`, selectors and retention know of a snapshot without opening its pages. */
export interface SnapshotSummary {
  readonly name: string;
  readonly project: string;
  readonly strategy: StrategyName;
  readonly startedAt: string;
  readonly completeness: Completeness;
  readonly bytes: number;
  /** Ids of the components that it holds. */
  readonly components: readonly string[];
  /** Those of them that were stored with an error, as a crash copy, or with nothing in them. */
  readonly doubtful?: readonly string[];
  /** What the newest drill of all of it reached, and when; null when never drilled. `level` null: not even the lowest. */
  readonly proof: SnapshotProof | null;
}

export interface SnapshotProof {
  readonly level: number | null;
  /** ISO 8601 UTC. */
  readonly at: string;
  /** Something did not hold. */
  readonly failed?: true | undefined;
}

/** A `.tar.gz` of the old scripts (or an export) lying in the repository folder. */
export interface ClassicArchive {
  readonly file: string;
  readonly project: string;
  readonly strategy: StrategyName;
  readonly startedAt: string;
  readonly bytes: number;
}

const EXTENSION = '.tar.gz';

/** What the snapshot is called that it becomes. */
export function nameOfArchive({ file }: Pick<ClassicArchive, 'file'>): string {
  return file.endsWith(EXTENSION) ? file.slice(0, -EXTENSION.length) : file;
}

const LARGEST_SKEW_MS = 60 * 60 * 1000;

/** Made by a clock that was ahead: how old it is nobody can tell, and newer ones may have earlier dates. An hour is nothing that clocks may not differ by. */
export function isAhead({ startedAt }: Pick<SnapshotSummary, 'startedAt'>, now: Date): boolean {
  return Date.parse(startedAt) - now.getTime() > LARGEST_SKEW_MS;
}
