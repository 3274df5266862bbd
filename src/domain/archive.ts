import type { Manifest, ManifestArtifact } from './manifest.ts';

/** Name of the member of our own archives that makes an import exact. */
export const ARCHIVE_MANIFEST = 'mcads_manifest.json';

/** One file of a classic archive, named below the archive's folder. */
export interface ArchivedFile {
  readonly file: string;
  /** Component id; null: for people only (`system_info.txt`). */
  readonly component: string | null;
  readonly format: ManifestArtifact['format'] | 'text';
  /** Of a tree: what stands before every name in its tar, with a slash at the end; '' where nothing does. */
  readonly prefix: string;
  /** As it stands in the archive: compressed for `.tar.gz`. */
  readonly bytes: number;
  readonly sha256: string;
}

/** `mcads_manifest.json`: the snapshot's own manifest and where its components stand. */
export interface ArchiveManifest {
  readonly archive: 1;
  readonly files: readonly ArchivedFile[];
  readonly snapshot: Manifest;
}

/** What an export made and a full reading of it found. */
export interface ExportReport {
  readonly snapshot: string;
  /** Absolute. */
  readonly path: string;
  readonly verification: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly plainBytes: number;
  readonly files: readonly ArchivedFile[];
  readonly seconds: number;
}

export interface ImportReport {
  readonly snapshot: string;
  readonly file: string;
  readonly sha256: string;
  /** False: the repository had this snapshot already. */
  readonly isNew: boolean;
  readonly manifest: Manifest;
}
