import type { MadePlace } from './restore.ts';

/** What a configuration file has beside its name and its bytes. */
export interface FileAttributes {
  readonly mode: number;
  /** Null where nobody knows it: it was read through an engine, or by a version that did not keep it. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
  /** Seconds since 1970, with their fraction. */
  readonly mtime: string;
}

/** How a file was written. */
export interface WrittenFile {
  /** False where this user may not give it to the one it belongs to. */
  readonly hasOwner: boolean;
}

/** Writes configuration files onto this machine. Paths are absolute; contents are private to us unless a mode says otherwise. */
export interface HostWriter {
  /** Writes beside and renames in: a reader sees the old file or the new one. Makes missing directories, which belong to whom the file belongs. */
  write(path: string, bytes: Uint8Array, attributes: FileAttributes): Promise<WrittenFile>;
  /** The same where nothing is at the path, also not at the last moment; null, and nothing written, where something is. */
  writeNew(path: string, bytes: Uint8Array, attributes: FileAttributes): Promise<WrittenFile | null>;
  /** False where `from` is missing. Replaces what is at `to` and makes missing directories. */
  rename(from: string, to: string): Promise<boolean>;
  /** A file; a missing one is no error. */
  remove(path: string): Promise<void>;
  /** The time by which changes are told from now on; null where nothing is at the path. */
  stamp(path: string): Promise<string | null>;
  /** Takes away what was made, unless something was changed or put there since. */
  removeUnchanged(place: NonNullable<MadePlace['local']>): Promise<'removed' | 'changed' | 'gone'>;
  /** Takes a file away that has these bytes still; without them whatever file is there. */
  removeSame(path: string, sha256: string | undefined): Promise<'removed' | 'changed' | 'gone'>;
  /** A directory made by us, when it is empty; anything else is left alone. */
  removeEmptyDirectory(path: string): Promise<void>;
}
