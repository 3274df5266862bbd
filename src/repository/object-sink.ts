import { McadsError } from '../errors.ts';
import { releaseBuffer } from '../stream/release-buffer.ts';
import { CHUNKS, chunkKey, pageKey, type SEGMENTS } from './format.ts';
import type { IdSet } from './id-set.ts';
import { ObjectPool } from './object-pool.ts';
import type { EncodedObject } from './encode-object-to.ts';
import type { StoreBatch } from './store.ts';

/**
 * What goes to a thread in one message. Large enough that messages cost nothing beside the compression, small enough that four of them
 * (one in work and one waiting on each of two cores) bound the memory.
 */
const BATCH_BYTES = 512 * 1024;
const BATCH_OBJECTS = 64;
const OBJECTS_IN_FLIGHT = 256;
const BYTES_IN_FLIGHT = 8 * 1024 * 1024;

export type ObjectFolder = typeof CHUNKS | typeof SEGMENTS;

export interface StoredObject {
  readonly id: string;
  readonly isNew: boolean;
  /** Of the frame; 0 where it was there. */
  readonly storedBytes: number;
}

interface Waiting {
  readonly folder: ObjectFolder;
  readonly length: number;
  readonly resolve: (stored: StoredObject) => void;
  readonly reject: (error: unknown) => void;
}

/** A new object that this batch stores. */
interface Claim {
  readonly id: string;
  readonly key: string;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

export interface SinkOptions {
  readonly threads: number;
  readonly level: number;
  readonly known: (folder: ObjectFolder) => IdSet;
  /** After each object that left, stored or not: there may be room again. */
  readonly onSettled: () => void;
  readonly onFailed: (error: unknown) => void;
}

/** Stores objects that the repository does not have: gathered into batches, hashed, encoded and (where the store lets them) written by threads. */
export class ObjectSink implements AsyncDisposable {
  readonly #batch: StoreBatch;
  readonly #options: SinkOptions;
  readonly #pool: ObjectPool;
  /** New objects on their way, by key. */
  readonly #running = new Map<string, Promise<void>>();
  readonly #open = new Set<Promise<void>>();
  /** The next batch: its buffer, made with its first object, and who waits for each of the objects in it. */
  #buffer: Uint8Array<ArrayBuffer> | null = null;
  #gathered: Waiting[] = [];
  #gatheredBytes = 0;
  /** Buffers that came back: as many as there are batches on their way at most. */
  readonly #buffers: Uint8Array<ArrayBuffer>[] = [];
  #objects = 0;
  #bytes = 0;
  #isDue = false;

  constructor(batch: StoreBatch, options: SinkOptions) {
    this.#batch = batch;
    this.#options = options;
    this.#pool = new ObjectPool(options.threads);
  }

  get isFull(): boolean {
    return this.#objects >= OBJECTS_IN_FLIGHT || this.#bytes >= BYTES_IN_FLIGHT;
  }

  /** Copies the bytes before it returns. */
  async put(folder: ObjectFolder, plain: Uint8Array): Promise<StoredObject> {
    const { promise, resolve, reject } = Promise.withResolvers<StoredObject>();
    const { length } = plain;
    if (this.#gatheredBytes + length > BATCH_BYTES) this.send();
    this.#buffer ??= this.#bufferFor(length);
    this.#buffer.set(plain, this.#gatheredBytes);
    this.#gathered.push({ folder, length, resolve, reject });
    this.#gatheredBytes += length;
    this.#objects += 1;
    this.#bytes += length;
    if (this.#gatheredBytes >= BATCH_BYTES || this.#gathered.length >= BATCH_OBJECTS) this.send();
    else this.#sendSoon();
    return promise;
  }

  #bufferFor(length: number): Uint8Array<ArrayBuffer> {
    const used = length > BATCH_BYTES ? undefined : this.#buffers.pop();
    return used ?? Buffer.allocUnsafeSlow(Math.max(length, BATCH_BYTES));
  }

  /** What was gathered goes on its way now. */
  send(): void {
    const batch = this.#gathered;
    const bytes = this.#buffer;
    if (bytes === null) return;
    this.#buffer = null;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    const work = this.#store(batch, bytes);
    this.#open.add(work);
    void work.finally(() => this.#open.delete(work));
  }

  /** After everything that was put has been stored, or has failed. */
  async settle(): Promise<void> {
    this.send();
    while (this.#open.size > 0) await Promise.all(this.#open);
  }

  /**
   * Where all threads idle one gets what there is with the next turn of the loop; else the batch grows until it is full or they idle. Sent to
   * whichever thread had room, batches of small files held two objects each: where the main thread sets the pace, one always has.
   */
  #sendSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      if (this.#pool.isIdle) this.send();
    });
  }

  async #store(batch: readonly Waiting[], bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const mine = new Map<number, Claim>();
    try {
      const encoded = await this.#pool.submit({ bytes, lengths: batch.map(({ length }) => length) }, this.#options.level, (ids) =>
        batch.map((waiting, at) => this.#claim(waiting, at, ids[at] ?? '', mine)),
      );
      if (encoded.bytes.length === BATCH_BYTES) this.#buffers.push(encoded.bytes);
      else releaseBuffer(encoded.bytes);
      for (const [at, waiting] of batch.entries()) {
        const claimed = mine.get(at);
        const object = encoded.objects[at];
        if (claimed === undefined) continue;
        try {
          const storedBytes = await this.#place(waiting, claimed.id, claimed.key, object ?? null);
          claimed.done();
          waiting.resolve({ id: claimed.id, isNew: true, storedBytes });
        } catch (error) {
          this.#options.onFailed(error);
          claimed.failed(error);
          waiting.reject(error);
        }
      }
    } catch (error) {
      const failure = new McadsError('store-failed', 'hashing and compressing failed', {
        hint: "Check this machine's memory; nothing was committed.",
        cause: error,
      });
      this.#options.onFailed(failure);
      for (const claimed of mine.values()) claimed.failed(failure);
      for (const waiting of batch) waiting.reject(failure);
    }
    for (const { length } of batch) {
      this.#objects -= 1;
      this.#bytes -= length;
    }
    this.#options.onSettled();
    this.#sendSoon();
  }

  /** Decides what becomes of one object; known ones, and those that another batch is storing, settle without being encoded. */
  #claim(waiting: Waiting, at: number, id: string, mine: Map<number, Claim>): string | boolean {
    const known = { id, isNew: false, storedBytes: 0 };
    if (this.#options.known(waiting.folder).has(id)) {
      waiting.resolve(known);
      return false;
    }
    const key = waiting.folder === CHUNKS ? chunkKey(id) : pageKey(id);
    const running = this.#running.get(key);
    if (running !== undefined) {
      running.then(() => waiting.resolve(known), waiting.reject);
      return false;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => undefined); // told to whoever waits for the same object
    this.#running.set(key, promise);
    mine.set(at, {
      id,
      key,
      done: () => {
        this.#options.known(waiting.folder).add(id);
        this.#running.delete(key);
        resolve();
      },
      failed: (error) => {
        this.#running.delete(key);
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    });
    return this.#batch.placeFor(key) ?? true;
  }

  async #place({ folder }: Waiting, id: string, key: string, object: EncodedObject | null): Promise<number> {
    if (object === null) throw new McadsError('unexpected', `object ${id} came back without a frame`);
    if ('error' in object) {
      if (object.stage === 'write') throw this.#batch.notPlaced(key, object.error, object.errno);
      const what = folder === CHUNKS ? 'chunk' : 'page';
      throw new McadsError('store-failed', `${what} ${id} could not be encoded: ${object.error}`, {
        hint: "Check this machine's memory; nothing was stored.",
      });
    }
    if (object.frame === null) this.#batch.placed(key, object.bytes);
    else await this.#batch.put(key, object.frame);
    return object.bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.settle();
    await this.#pool[Symbol.asyncDispose]();
  }
}
