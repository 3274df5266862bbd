import type { SnapshotWriter, StoredChunk } from '../domain/ports.ts';
import type { ChunkRef } from '../domain/tree.ts';
import { ContentChunker, gearTable } from '../stream/content-chunker.ts';

/** Members' bytes of a segment of small files that reach this are cut here; it happens when files grew since the scan. */
const CUT_BYTES = 1024 * 1024;

export interface StoredSegment {
  readonly bytes: number;
  readonly storedBytes: number;
  readonly chunks: readonly ChunkRef[];
}

/** Turns the bytes of one segment after the other into stored chunks. */
export class SegmentAssembler {
  readonly #writer: SnapshotWriter;
  readonly #chunker: ContentChunker;
  /** What was gathered, copied at once so that the source's buffer can be given back. */
  readonly #gathered = Buffer.allocUnsafeSlow(CUT_BYTES);
  #gatheredBytes = 0;
  #chunks: Promise<StoredChunk>[] = [];

  constructor(writer: SnapshotWriter) {
    this.#writer = writer;
    this.#chunker = new ContentChunker(gearTable(writer.chunker.seed), writer.chunker);
  }

  /** Gathers what fits in at once; false where it does not, or where the end of a large file is still to be stored before it. */
  keep(bytes: Uint8Array): boolean {
    if (this.#gatheredBytes + bytes.length > CUT_BYTES || this.#chunker.pendingBytes > 0) return false;
    this.#keep(bytes);
    return true;
  }

  /** A header, or the data of a small file: gathered into as few chunks as possible. */
  async gather(bytes: Uint8Array): Promise<void> {
    await this.#endCut();
    let rest = bytes;
    while (this.#gatheredBytes + rest.length > CUT_BYTES) {
      const fits = CUT_BYTES - this.#gatheredBytes;
      this.#keep(rest.subarray(0, fits));
      rest = rest.subarray(fits);
      await this.flush();
    }
    this.#keep(rest);
  }

  #keep(bytes: Uint8Array): void {
    this.#gathered.set(bytes, this.#gatheredBytes);
    this.#gatheredBytes += bytes.length;
  }

  /** What was gathered becomes a chunk. */
  async flush(): Promise<void> {
    if (this.#gatheredBytes === 0) return;
    const chunk = this.#gathered.subarray(0, this.#gatheredBytes);
    this.#gatheredBytes = 0;
    await this.#put(chunk);
  }

  /** Data of a large file, cut by content. */
  async cut(bytes: Uint8Array): Promise<void> {
    for (const chunk of this.#chunker.push(bytes)) await this.#put(chunk);
  }

  /** A file that grew since it was planned may have others behind it in its segment. */
  async #endCut(): Promise<void> {
    const last = this.#chunker.end();
    if (last !== null) await this.#put(last);
  }

  /** Ends the segment. The promise settles when its chunks are stored; it carries a no-op catch. */
  async end(): Promise<Promise<StoredSegment>[]> {
    await this.flush();
    await this.#endCut();
    const chunks = this.#chunks;
    this.#chunks = [];
    const stored = Promise.all(chunks).then((all) => ({
      bytes: all.reduce((sum, { ref }) => sum + ref[1], 0),
      storedBytes: all.reduce((sum, chunk) => sum + chunk.storedBytes, 0),
      chunks: all.map(({ ref }) => ref),
    }));
    stored.catch(() => undefined);
    return [stored]; // in an array: returning a bare promise from an async function would wait for it
  }

  async #put(chunk: Uint8Array): Promise<void> {
    await this.#writer.room();
    const storing = this.#writer.putChunk(chunk);
    storing.catch(() => undefined); // awaited with its segment
    this.#chunks.push(storing);
  }
}
