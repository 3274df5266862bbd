import { availableParallelism } from 'node:os';
import type { Bytes } from '../domain/byte-stream.ts';
import type { Manifest, ManifestArtifact } from '../domain/manifest.ts';
import type { ArtifactWriter, ChunkerSettings, SnapshotWriter, StoredChunk } from '../domain/ports.ts';
import type { ChunkRef, Segment } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { FrameError } from '../stream/zstd-frame.ts';
import { PagedArtifactWriter } from './artifact-writer.ts';
import { CHUNKS, idOfKey, MAX_CHUNK_BYTES, SEGMENTS, type RepositoryConfig } from './format.ts';
import { IdSet } from './id-set.ts';
import { LeaseObserver, type Lease } from './lease.ts';
import { listSnapshotFolders, publishManifest, readManifest, toManifestBytes } from './manifest-store.ts';
import { decodeObject } from './object-codec.ts';
import { ObjectReader } from './object-reader.ts';
import { ObjectSink } from './object-sink.ts';
import { RateLimit } from './rate-limit.ts';
import type { Store, StoreBatch } from './store.ts';

/** Small ones by the hundred thousand are flushed before their names take much memory. */
const FLUSH_OBJECTS = 32_768;

export interface WriterRun {
  readonly store: Store;
  readonly config: RepositoryConfig;
  readonly flushBytes: number;
  readonly bytesPerSecond: number | null;
  readonly lease: Lease;
  readonly name: string;
  readonly project: string;
  readonly signal: AbortSignal;
}

/** One backup's way into a repository; see the port. */
export class RepositoryWriter implements SnapshotWriter {
  readonly name: string;
  readonly signal: AbortSignal;
  readonly #project: string;
  readonly #store: Store;
  readonly #config: RepositoryConfig;
  readonly #lease: Lease;
  readonly #batch: StoreBatch;
  readonly #reader: ObjectReader;
  readonly #flushBytes: number;
  readonly #chunks = new IdSet();
  readonly #pages = new IdSet();
  readonly #sink: ObjectSink;
  readonly #rate: RateLimit | null;
  readonly #parents = new Map<string, Manifest>();
  #snapshotsAtBegin: readonly string[] = [];
  #newChunks = 0;
  #waiting: (() => void)[] = [];
  #flushing: Promise<void> | null = null;
  /** The first failure to write: nothing can be committed after it. */
  #failure: Error | null = null;
  #ended = false;

  private constructor(run: WriterRun, batch: StoreBatch) {
    this.#store = run.store;
    this.#config = run.config;
    this.#flushBytes = run.flushBytes;
    this.#lease = run.lease;
    this.#batch = batch;
    this.#reader = new ObjectReader(batch, { threads: false });
    this.#sink = new ObjectSink(batch, {
      threads: availableParallelism(),
      level: run.config.compression.level,
      known: (folder) => (folder === CHUNKS ? this.#chunks : this.#pages),
      onSettled: () => {
        this.#flushWhenDue();
        this.#wake();
      },
      onFailed: (error) => this.#fail(error),
    });
    this.#rate = run.bytesPerSecond === null ? null : new RateLimit(run.bytesPerSecond);
    this.name = run.name;
    this.#project = run.project;
    this.signal = AbortSignal.any([run.signal, run.lease.signal]);
  }

  /** Lists the repository once, takes over what dead runs left, finds the parents. Owns the lease from here on. */
  static async begin(run: WriterRun): Promise<RepositoryWriter> {
    let batch: StoreBatch | null = null;
    try {
      batch = await run.store.openBatch(run.lease.id);
      const writer = new RepositoryWriter(run, batch);
      await writer.#prepare();
      return writer;
    } catch (error) {
      await batch?.[Symbol.asyncDispose]();
      await run.lease[Symbol.asyncDispose]();
      throw error;
    }
  }

  get chunker(): ChunkerSettings {
    return this.#config.chunker;
  }

  get newChunks(): number {
    return this.#newChunks;
  }

  get spoolDirectory(): string {
    return this.#batch.spoolDirectory;
  }

  async #prepare(): Promise<void> {
    await collectIds(this.#store, CHUNKS, this.#chunks);
    await collectIds(this.#store, SEGMENTS, this.#pages);
    await this.#batch.adopt(
      async () => new Set((await new LeaseObserver(this.#store).alive()).map(({ id }) => id)),
      (key, bytes) => this.#adopt(key, bytes),
    );
    await this.#findParents();
    this.signal.throwIfAborted();
  }

  async #adopt(key: string, bytes: Buffer): Promise<boolean> {
    const id = idOfKey(key);
    const known = key.startsWith(CHUNKS) ? this.#chunks : this.#pages;
    if (id === null || known.has(id)) return false;
    try {
      await decodeObject(bytes, id, null);
    } catch (error) {
      if (error instanceof FrameError) return false;
      throw error;
    }
    known.add(id);
    return true;
  }

  /** The newest manifest per component; a damaged one is passed over, verify is who reports it. */
  async #findParents(): Promise<void> {
    const folders = await listSnapshotFolders(this.#store);
    this.#snapshotsAtBegin = folders.filter(({ hasManifest }) => hasManifest).map(({ name }) => name);
    for (const name of this.#snapshotsAtBegin) {
      const manifest = await this.#manifestOrNull(name);
      if (manifest?.sealed.project !== this.#project) continue;
      for (const { id } of manifest.components) {
        const known = this.#parents.get(id);
        if (known === undefined || known.sealed.startedAt < manifest.sealed.startedAt) this.#parents.set(id, manifest);
      }
    }
    for (const manifest of new Set(this.#parents.values())) {
      for (const { id, artifacts } of manifest.components)
        for (const artifact of artifacts) this.#reader.describe(artifact, `${id} in ${manifest.name}`);
    }
    await this.#lease.nameParents([...new Set([...this.#parents.values()].map(({ name }) => name))]);
  }

  async #manifestOrNull(name: string): Promise<Manifest | null> {
    try {
      return (await readManifest(this.#store, name)).manifest;
    } catch (error) {
      if (error instanceof McadsError && (error.code === 'damaged' || error.code === 'newer-format' || error.code === 'no-snapshot'))
        return null;
      throw error;
    }
  }

  async putChunk(bytes: Uint8Array): Promise<StoredChunk> {
    this.#assertUsable();
    if (bytes.length > MAX_CHUNK_BYTES) throw new McadsError('unexpected', `a chunk of ${bytes.length} bytes is too large`);
    const { length } = bytes;
    this.#rate?.count(length);
    const { id, isNew, storedBytes } = await this.#sink.put(CHUNKS, bytes);
    if (isNew) this.#newChunks += 1;
    return { ref: [id, length], isNew, storedBytes };
  }

  async room(): Promise<void> {
    await this.#rate?.wait(this.signal);
    while (this.#isFull()) {
      this.#assertUsable();
      this.#sink.send();
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#assertUsable();
  }

  #isFull(): boolean {
    if (this.#flushing !== null && this.#isFlushDue()) return true;
    return this.#sink.isFull;
  }

  #isFlushDue(): boolean {
    return this.#batch.stagedBytes >= this.#flushBytes || this.#batch.stagedObjects >= FLUSH_OBJECTS;
  }

  #fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
  }

  #flushWhenDue(): void {
    if (this.#flushing !== null || this.#failure !== null || !this.#isFlushDue()) return;
    this.#flushing = this.#batch
      .flush()
      .catch((error: unknown) => {
        this.#fail(error); // thrown by the next call
      })
      .finally(() => {
        this.#flushing = null;
        this.#wake();
      });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #assertUsable(): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#ended) throw new McadsError('unexpected', `the writer of ${this.name} has ended`);
    this.signal.throwIfAborted();
  }

  canReuse(segment: Segment): boolean {
    return segment.chunks.every(([id]) => this.#chunks.has(id));
  }

  artifact(name: ManifestArtifact['name'], format: ManifestArtifact['format']): ArtifactWriter {
    const sink = { hasChunk: (id: string) => this.#chunks.has(id), putPage: (lines: Buffer) => this.#putPage(lines) };
    return new PagedArtifactWriter(sink, name, format);
  }

  async #putPage(plain: Uint8Array): Promise<string> {
    await this.room();
    const storing = this.#sink.put(SEGMENTS, plain);
    this.#sink.send();
    return (await storing).id;
  }

  read(artifact: ManifestArtifact): Bytes {
    return this.#reader.read(artifact, this.signal);
  }

  readChunks(chunks: readonly ChunkRef[]): Bytes {
    return this.#reader.readChunks(chunks, this.signal);
  }

  segments(artifact: ManifestArtifact): AsyncIterable<Segment> {
    return this.#reader.segments(artifact, this.signal);
  }

  parentOf(component: string): Manifest | null {
    return this.#parents.get(component) ?? null;
  }

  async commit(manifest: Manifest, verification: string): Promise<void> {
    await this.#sink.settle();
    await this.#flushing;
    this.#assertUsable();
    for (const { id, artifacts } of manifest.components) {
      const unknown = artifacts.flatMap(({ pages }) => pages).find((page) => !this.#pages.has(page));
      if (unknown !== undefined) throw new McadsError('unexpected', `${id} refers to page ${unknown}, which is not stored`);
    }
    const bytes = toManifestBytes(manifest);
    await this.#putPage(bytes); // the copy under segments/
    await this.#batch.flush();
    await this.#recheckIfSnapshotsVanished(manifest);
    this.#lease.assertHeld();
    this.#assertUsable();
    if (!(await publishManifest(this.#store, this.name, bytes, verification))) {
      throw new McadsError('store-failed', `a snapshot ${this.name} exists already`, {
        hint: 'Run again; what was already stored is used again.',
      });
    }
    this.#ended = true;
  }

  /** A prune that should not have run (a lost lock, a clock gone wild) may have taken chunks that this run relies on. */
  async #recheckIfSnapshotsVanished(manifest: Manifest): Promise<void> {
    const now = new Set((await listSnapshotFolders(this.#store)).filter(({ hasManifest }) => hasManifest).map(({ name }) => name));
    if (this.#snapshotsAtBegin.every((name) => now.has(name))) return;
    const present = new IdSet(this.#chunks.size);
    await collectIds(this.#store, CHUNKS, present);
    for (const { id, artifacts } of manifest.components) {
      for (const artifact of artifacts) {
        for await (const segment of this.#reader.segments(artifact, this.signal)) {
          const gone = segment.chunks.find(([chunk]) => !present.has(chunk));
          if (gone === undefined) continue;
          throw new McadsError('store-failed', `chunk ${gone[0]} of ${id} was removed while this backup ran`, {
            hint: 'Run the backup again; it stores what is gone.',
          });
        }
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    await this.#sink.settle();
    await this.#flushing;
    try {
      await this.#sink[Symbol.asyncDispose]();
      await this.#batch[Symbol.asyncDispose]();
    } finally {
      await this.#lease[Symbol.asyncDispose]();
    }
  }
}

/** Ids of all objects under a folder, from one listing. */
export async function collectIds(store: Store, folder: string, into: IdSet): Promise<void> {
  for await (const page of store.list(folder)) {
    for (const { key } of page) {
      const id = idOfKey(key);
      if (id !== null) into.add(id);
    }
  }
}
