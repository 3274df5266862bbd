import { encodeObjectTo, objectsIn, type EncodedObject } from './encode-object-to.ts';
import { objectId } from './object-codec.ts';
import type { ObjectAnswer, ObjectRequest } from './object-worker.ts';
import { WorkerThreads, type Pending, type Thread } from './worker-threads.ts';

/**
 * So much is hashed, and so much encoded, on the calling thread before the first of the others is started. Starting one takes a twentieth of a second
 * of processor time, and a backup that finds nothing new has some megabytes of pages, of which hardly any are new.
 */
const HASHED_WITHOUT_THREADS = 8 * 1024 * 1024;
const ENCODED_WITHOUT_THREADS = 1024 * 1024;

/** Told the ids of a batch; says of each object whether to write its frame to a path, hand it back (true) or drop it (false). */
export type Choose = (ids: readonly string[]) => readonly (string | boolean)[];

/** Objects one behind the other in a buffer that nobody else uses; it may be longer than they are. */
export interface ObjectBatch {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lengths: readonly number[];
}

export interface EncodedBatch {
  /** In order; null for what was dropped. */
  readonly objects: readonly (EncodedObject | null)[];
  /** The batch's buffer again. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

interface Batch extends Pending {
  readonly choose: Choose;
  readonly level: number;
  readonly resolve: (encoded: EncodedBatch) => void;
}

/**
 * Hashes, compresses, checks and writes on worker threads, started when there is enough to do. Decision: not the built-in asynchronous zstd on libuv's
 * pool. Its buffers are allocated, and their garbage collected, on the main thread, which took a third of its time; and one message for a batch
 * of objects replaces a hop for each step of each: a message costs both sides about as much as compressing 4 KiB. The objects of a batch share a
 * buffer, which comes back: a buffer for each of them cost the main thread 50 us an object in handing over and collecting.
 */
export class ObjectPool implements AsyncDisposable {
  readonly #threads: WorkerThreads<Batch, ObjectAnswer>;
  #hashed = 0;
  #encoded = 0;

  constructor(size: number) {
    const program = new URL('./object-worker', import.meta.url).href;
    this.#threads = new WorkerThreads({ program, size, onAnswer: (answer, thread) => this.#onAnswer(answer, thread) });
  }

  /** True while no thread has anything to do. */
  get isIdle(): boolean {
    return this.#threads.isIdle;
  }

  /** Takes the buffer, and gives it back with the answer. */
  async submit(batch: ObjectBatch, level: number, choose: Choose): Promise<EncodedBatch> {
    const { bytes, lengths } = batch;
    if (this.#hashed < HASHED_WITHOUT_THREADS && this.#encoded < ENCODED_WITHOUT_THREADS) return this.#here(batch, level, choose);
    const { promise, resolve, reject } = Promise.withResolvers<EncodedBatch>();
    this.#threads.give({ choose, level, resolve, reject }, (worker, number) => {
      worker.postMessage({ kind: 'name', batch: number, bytes, lengths } satisfies ObjectRequest, [bytes.buffer]);
    });
    return promise;
  }

  #here({ bytes, lengths }: ObjectBatch, level: number, choose: Choose): EncodedBatch {
    const plain = objectsIn(bytes, lengths);
    const ids = plain.map(objectId);
    const wanted = choose(ids);
    const objects = plain.map((object, at) => {
      this.#hashed += object.length;
      if (wanted[at] !== false) this.#encoded += object.length;
      return encodeObjectTo(object, ids[at] ?? '', wanted[at] ?? false, level);
    });
    return { objects, bytes };
  }

  #onAnswer(answer: ObjectAnswer, thread: Thread<Batch>): void {
    if (answer.kind === 'encoded') {
      this.#threads.take(thread, answer.batch)?.resolve(answer);
      return;
    }
    const batch = thread.pending.get(answer.batch);
    if (batch === undefined) return;
    const wanted = batch.choose(answer.ids);
    thread.worker.postMessage({ kind: 'encode', batch: answer.batch, wanted, level: batch.level } satisfies ObjectRequest);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#threads[Symbol.asyncDispose]();
  }
}
