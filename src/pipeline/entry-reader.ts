import type { TreeEntry, TreeScan } from '../domain/tree.ts';

/** Entries without a wait for each. */
export interface EntryReader extends AsyncDisposable {
  /** The next entry, or a promise of it where it is still to come; null at the end. Asked again only after that was settled. */
  next(): TreeEntry | null | Promise<TreeEntry | null>;
}

/** The entries of a scan that tells them by the batch. */
export class BatchedEntries implements EntryReader {
  readonly #batches: AsyncIterator<Iterable<TreeEntry>>;
  #batch: Iterator<TreeEntry> | null = null;

  constructor(batches: TreeScan['batches']) {
    this.#batches = batches[Symbol.asyncIterator]();
  }

  next(): TreeEntry | null | Promise<TreeEntry | null> {
    const next = this.#batch?.next();
    return next === undefined || next.done === true ? this.#more() : next.value;
  }

  async #more(): Promise<TreeEntry | null> {
    for (;;) {
      const batch = await this.#batches.next();
      if (batch.done === true) return null;
      this.#batch = batch.value[Symbol.iterator]();
      const next = this.#batch.next();
      if (next.done !== true) return next.value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#batches.return?.();
  }
}
