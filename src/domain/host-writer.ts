/** Writes configuration files onto this machine. Paths are absolute; contents are private to us unless a mode says otherwise. */
export interface HostWriter {
  /** Writes beside and renames in: a reader sees the old file or the new one. Makes missing directories; resolves with the topmost one made, null where none was. */
  write(path: string, bytes: Uint8Array, options: { readonly mode: number; readonly mtimeMs: number }): Promise<string | null>;
  /** False where `from` is missing. Replaces what is at `to`. */
  rename(from: string, to: string): Promise<boolean>;
  /** A file; a missing one is no error. */
  remove(path: string): Promise<void>;
  /** A directory made by us, when it is empty; anything else is left alone. */
  removeEmptyDirectory(path: string): Promise<void>;
}
