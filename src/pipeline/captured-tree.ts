import type { Finding } from '../domain/finding.ts';
import type { ManifestArtifact } from '../domain/manifest.ts';
import type { RawPath } from '../domain/tree.ts';
import type { SeenDatabase } from './tree-databases.ts';

export interface CaptureTreeOptions {
  /** What the newest snapshot that captured this component has; null: everything is read. */
  readonly parent: { readonly data: ManifestArtifact; readonly catalogue: ManifestArtifact } | null;
  readonly exclude: readonly string[];
  /** Repository, logs, staging: dropped with everything below, by device and inode. */
  readonly neverCapture: readonly { readonly device: string; readonly inode: string }[];
  /** The same as paths in the tree, for sources that tell no inodes or not the same ones. */
  readonly neverCapturePaths?: readonly RawPath[];
  /** Reads everything again. */
  readonly rescan?: boolean;
  /** Bytes read or reused and bytes stored so far. */
  readonly onProgress?: (bytes: number, storedBytes: number) => void;
}

export interface CapturedTree {
  /** `data` and `catalogue`. */
  readonly artifacts: readonly ManifestArtifact[];
  readonly bytes: number;
  readonly storedBytes: number;
  readonly entries: number;
  readonly segmentsRead: number;
  readonly segmentsReused: number;
  readonly findings: readonly Finding[];
  readonly databasesSeen: readonly SeenDatabase[];
  /** Paths that changed each time they were read. */
  readonly torn: readonly string[];
  /** Paths that are there and could not be read; `hasMore`: not all of them. */
  readonly unread: { readonly names: readonly string[]; readonly hasMore: boolean };
}

export const OWN_FOLDER = 'belongs to the backup itself (repository, logs or staging) and is left out';
