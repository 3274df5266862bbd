import { Worker } from 'node:worker_threads';
import type { EncodedObject, ObjectAnswer, ObjectRequest } from './object-worker.ts';

/** All cores of a small machine; more would only take memory from the program. */
const LARGEST_POOL = 4;
/** One batch that a thread works on, and one for it to go on with. */
const BATCHES_A_THREAD = 2;

/** Told the ids of a batch; says of each object whether to write its frame to a path, hand it back (true) or drop it (false). */
export type Choose = (ids: readonly string[]) => readonly (string | boolean)[];

interface Batch {
  readonly choose: Choose;
  readonly level: number;
  readonly resolve: (objects: readonly (EncodedObject | null)[]) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly batches: Map<number, Batch>;
}

/**
 * Hashes, compresses, checks and writes on worker threads, started with the first batch. Decision: not the built-in asynchronous zstd on libuv's
 * pool. Its buffers are allocated, and their garbage collected, on the main thread, which took a third of its time; and one message for a batch
 * of objects replaces a hop for each step of each: a message costs both sides about as much as compressing 4 KiB.
 */
export class ObjectPool implements AsyncDisposable {
  readonly #size: number;
  readonly #threads: Thread[] = [];
  #batches = 0;
  #failure: Error | null = null;

  constructor(size: number) {
    this.#size = Math.max(1, Math.min(size, LARGEST_POOL));
  }

  /** True while a thread would have to wait for the next batch. */
  get isHungry(): boolean {
    return this.#threads.length < this.#size || this.#threads.some(({ batches }) => batches.size < BATCHES_A_THREAD);
  }

  /** Takes the bytes: afterwards their buffers are empty. Objects that were dropped come back as null. */
  async submit(plain: readonly Uint8Array[], level: number, choose: Choose): Promise<readonly (EncodedObject | null)[]> {
    if (this.#failure !== null) throw this.#failure;
    const { worker, batches } = this.#leastBusy();
    const batch = this.#batches;
    this.#batches += 1;
    const { promise, resolve, reject } = Promise.withResolvers<readonly (EncodedObject | null)[]>();
    batches.set(batch, { choose, level, resolve, reject });
    const owned = plain.map(ownBuffer);
    worker.postMessage(
      { kind: 'name', batch, plain: owned } satisfies ObjectRequest,
      owned.map(({ buffer }) => buffer),
    );
    return promise;
  }

  #leastBusy(): Thread {
    const idle = this.#threads.find(({ batches }) => batches.size === 0);
    if (idle !== undefined) return idle;
    if (this.#threads.length < this.#size) return this.#start();
    return this.#threads.reduce((best, next) => (next.batches.size < best.batches.size ? next : best));
  }

  #start(): Thread {
    const batches = new Map<number, Batch>();
    // The URL is no import, so the compiler does not turn its ending.
    const file = import.meta.url.endsWith('.ts') ? './object-worker.ts' : './object-worker.js';
    const worker = new Worker(new URL(file, import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32 },
    });
    worker.unref(); // whoever waits for an object keeps the process alive by other means
    const fail = (error: Error): void => {
      this.#failure ??= error;
      for (const batch of batches.values()) batch.reject(error);
      batches.clear();
    };
    worker.on('message', (answer: ObjectAnswer) => {
      const batch = batches.get(answer.batch);
      if (batch === undefined) return;
      if (answer.kind === 'encoded') {
        batches.delete(answer.batch);
        batch.resolve(answer.objects);
        return;
      }
      worker.postMessage({
        kind: 'encode',
        batch: answer.batch,
        wanted: batch.choose(answer.ids),
        level: batch.level,
      } satisfies ObjectRequest);
    });
    worker.on('error', fail);
    worker.on('exit', (code) => fail(new Error(`a compressing thread ended with ${code}`)));
    const thread = { worker, batches };
    this.#threads.push(thread);
    return thread;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failure ??= new Error('the compressing threads were ended');
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }
}

/** Bytes in a buffer of their own, which can be given away; a view of a larger one (Node's pool) is copied. */
function ownBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length) return new Uint8Array(buffer);
  return new Uint8Array(bytes);
}
