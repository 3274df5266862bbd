/** What a repository holds and saves. */
export interface RepositoryStats {
  readonly snapshots: number;
  readonly chunks: number;
  /** Plain bytes of all snapshots together, as if each stood alone. */
  readonly logicalBytes: number;
  /** Plain bytes of the distinct chunks that snapshots need. */
  readonly plainBytes: number;
  /** Compressed bytes of chunks and pages on disk. */
  readonly storedBytes: number;
  /** logicalBytes / storedBytes; null while nothing is stored. */
  readonly ratio: number | null;
  /** Compressed bytes that no snapshot needs. */
  readonly garbageBytes: number;
}
