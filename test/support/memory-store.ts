import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { McadsError } from '../../src/errors.ts';
import { BAD_SUFFIX } from '../../src/repository/format.ts';
import type { ListOptions, Store, StoreBatch, StoreEntry } from '../../src/repository/store.ts';

interface StoredObject {
  readonly bytes: Buffer;
  readonly modifiedMs: number;
}

/** A store in memory that behaves as an object store does: a put is durable and visible at once, nothing can be staged for others to find. */
export class MemoryStore implements Store {
  readonly location = 'memory';
  readonly writable = true;
  readonly refusal = null;
  readonly liveness = null;
  readonly objects = new Map<string, StoredObject>();

  async put(key: string, bytes: Uint8Array): Promise<void> {
    this.objects.set(key, { bytes: Buffer.from(bytes), modifiedMs: Date.now() });
  }

  async putIfAbsent(key: string, bytes: Uint8Array): Promise<boolean> {
    if (this.objects.has(key)) return false;
    await this.put(key, bytes);
    return true;
  }

  async get(key: string): Promise<Buffer | null> {
    const found = this.objects.get(key);
    return found === undefined ? null : Buffer.from(found.bytes);
  }

  filesOf(): null {
    return null;
  }

  notRead(key: string, message: string): McadsError {
    return new McadsError('store-failed', `reading ${key}: ${message}`);
  }

  async *list(folder: string, { sizes = false, shallow = false }: ListOptions = {}): AsyncGenerator<readonly StoreEntry[]> {
    const page = [...this.objects]
      .filter(([key]) => key.startsWith(folder) && (!shallow || !key.slice(folder.length).includes('/')))
      .map(([key, { bytes, modifiedMs }]) => (sizes ? { key, bytes: bytes.length, modifiedMs } : { key, bytes: 0, modifiedMs: 0 }));
    if (page.length > 0) yield page;
  }

  async stat(key: string): Promise<StoreEntry | null> {
    const found = this.objects.get(key);
    return found === undefined ? null : { key, bytes: found.bytes.length, modifiedMs: found.modifiedMs };
  }

  async remove(key: string): Promise<void> {
    this.objects.delete(key);
  }

  async setAside(key: string): Promise<void> {
    const found = this.objects.get(key);
    if (found === undefined) return;
    this.objects.set(key + BAD_SUFFIX, found);
    this.objects.delete(key);
  }

  async flush(): Promise<void> {
    await Promise.resolve();
  }

  async tidy(): Promise<void> {
    await this.flush();
  }

  async openBatch(): Promise<StoreBatch> {
    return new MemoryBatch(this, await mkdtemp(join(tmpdir(), 'mcads-spool-')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
  }
}

class MemoryBatch implements StoreBatch {
  readonly spoolDirectory: string;
  readonly #store: MemoryStore;
  readonly #staged = new Map<string, Buffer>();

  constructor(store: MemoryStore, spoolDirectory: string) {
    this.#store = store;
    this.spoolDirectory = spoolDirectory;
  }

  get stagedBytes(): number {
    return [...this.#staged.values()].reduce((sum, { length }) => sum + length, 0);
  }

  get stagedObjects(): number {
    return this.#staged.size;
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    this.#staged.set(key, Buffer.from(bytes));
    await Promise.resolve();
  }

  placeFor(): null {
    return null;
  }

  placed(key: string): void {
    throw new Error(`nothing can be placed in memory: ${key}`);
  }

  notPlaced(key: string): McadsError {
    return new McadsError('unexpected', `nothing can be placed in memory: ${key}`);
  }

  filesOf(): null {
    return null;
  }

  notRead(key: string, message: string): McadsError {
    return new McadsError('store-failed', `reading ${key}: ${message}`);
  }

  async get(key: string): Promise<Buffer | null> {
    return this.#staged.get(key) ?? this.#store.get(key);
  }

  async flush(): Promise<void> {
    for (const [key, bytes] of this.#staged) await this.#store.put(key, bytes);
    this.#staged.clear();
  }

  async adopt(): Promise<void> {
    await Promise.resolve(); // nothing outlives its run here
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#staged.clear();
    await rm(this.spoolDirectory, { recursive: true, force: true });
  }
}
