/** Bytes of files by folder relative to a root, summed up to it. */
export class FolderSizes {
  readonly #sizes = new Map<string, number>();

  add(file: string, bytes: number): void {
    for (let folder = file, slash = folder.lastIndexOf('/'); ; slash = folder.lastIndexOf('/')) {
      folder = slash < 0 ? '' : folder.slice(0, slash);
      this.#sizes.set(folder, (this.#sizes.get(folder) ?? 0) + bytes);
      if (slash < 0) return;
    }
  }

  /** Undefined where no file was seen. */
  of(folder: string): number | undefined {
    return this.#sizes.get(folder);
  }
}
