import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ManifestArtifact } from '../../src/domain/manifest.ts';
import type { SnapshotWriter } from '../../src/domain/ports.ts';
import type { ChunkRef, Segment } from '../../src/domain/tree.ts';
import { sha256Hex } from '../../src/stream/digest.ts';

/** A SnapshotWriter that keeps chunks and segments in memory: shows what a capture stores without a repository's ways. */
export class MemoryWriter implements SnapshotWriter {
  readonly name = 'memory_backup_20260101_000000';
  readonly signal = new AbortController().signal;
  readonly chunker = { seed: '00'.repeat(16), minBytes: 256 * 1024, averageBytes: 1024 * 1024, maxBytes: 4 * 1024 * 1024 };
  readonly spoolDirectory = mkdtempSync(join(tmpdir(), 'mcads-spool-'));
  readonly chunks = new Map<string, Uint8Array>();
  readonly pages = new Map<string, readonly Segment[]>();
  /** Ids of the chunks written since the last `forgetNew`. */
  readonly fresh = new Set<string>();
  readonly #keepBytes: boolean;

  constructor(keepBytes = true) {
    this.#keepBytes = keepBytes;
  }

  async putChunk(bytes: Uint8Array): Promise<{ ref: ChunkRef; isNew: boolean; storedBytes: number }> {
    const id = sha256Hex(bytes);
    const isNew = !this.chunks.has(id);
    if (isNew) {
      this.chunks.set(id, this.#keepBytes ? new Uint8Array(bytes) : new Uint8Array());
      this.fresh.add(id);
    }
    return { ref: [id, bytes.length], isNew, storedBytes: isNew ? bytes.length : 0 };
  }

  get newChunks(): number {
    return this.chunks.size;
  }

  async room(): Promise<void> {}

  canReuse(segment: Segment): boolean {
    return segment.chunks.every(([id]) => this.chunks.has(id));
  }

  artifact(name: ManifestArtifact['name'], format: ManifestArtifact['format']) {
    const segments: Segment[] = [];
    return {
      add: async (segment: Segment): Promise<void> => {
        segments.push(segment);
      },
      finish: async (): Promise<ManifestArtifact> => {
        const page = sha256Hex(Buffer.from(JSON.stringify(segments)));
        this.pages.set(page, segments);
        const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
        return { name, format, pages: [page], bytes, segments: segments.length, digest: page };
      },
    };
  }

  async *segments(artifact: ManifestArtifact): AsyncGenerator<Segment> {
    for (const page of artifact.pages) yield* this.pages.get(page) ?? [];
  }

  async *read(artifact: ManifestArtifact): AsyncGenerator<Uint8Array> {
    for await (const segment of this.segments(artifact)) yield* this.readChunks(segment.chunks);
  }

  async *readChunks(chunks: readonly ChunkRef[]): AsyncGenerator<Uint8Array> {
    for (const [id] of chunks) {
      const bytes = this.chunks.get(id);
      if (bytes === undefined) throw new Error(`no chunk ${id}`);
      yield bytes;
    }
  }

  parentOf(): null {
    return null;
  }

  async commit(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.spoolDirectory, { recursive: true, force: true });
  }
}
