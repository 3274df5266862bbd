import type { EncodedObject, ObjectAnswer, ObjectRequest } from './object-worker.ts';
import { WorkerThreads, type Pending, type Thread } from './worker-threads.ts';

/** One batch that a thread works on, and one for it to go on with. */
const BATCHES_A_THREAD = 2;

/** Told the ids of a batch; says of each object whether to write its frame to a path, hand it back (true) or drop it (false). */
export type Choose = (ids: readonly string[]) => readonly (string | boolean)[];

interface Batch extends Pending {
  readonly choose: Choose;
  readonly level: number;
  readonly resolve: (objects: readonly (EncodedObject | null)[]) => void;
}

/**
 * Hashes, compresses, checks and writes on worker threads, started with the first batch. Decision: not the built-in asynchronous zstd on libuv's
 * pool. Its buffers are allocated, and their garbage collected, on the main thread, which took a third of its time; and one message for a batch
 * of objects replaces a hop for each step of each: a message costs both sides about as much as compressing 4 KiB.
 */
export class ObjectPool implements AsyncDisposable {
  readonly #threads: WorkerThreads<Batch, ObjectAnswer>;

  constructor(size: number) {
    const program = new URL('./object-worker', import.meta.url).href;
    this.#threads = new WorkerThreads({ program, size, onAnswer: (answer, thread) => this.#onAnswer(answer, thread) });
  }

  /** True while a thread would have to wait for the next batch. */
  get isHungry(): boolean {
    return this.#threads.hasRoom(BATCHES_A_THREAD);
  }

  /** Takes the bytes: afterwards their buffers are empty. Objects that were dropped come back as null. */
  async submit(plain: readonly Uint8Array[], level: number, choose: Choose): Promise<readonly (EncodedObject | null)[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly (EncodedObject | null)[]>();
    this.#threads.give({ choose, level, resolve, reject }, (worker, batch) => {
      const owned = plain.map(ownBuffer);
      worker.postMessage(
        { kind: 'name', batch, plain: owned } satisfies ObjectRequest,
        owned.map(({ buffer }) => buffer),
      );
    });
    return promise;
  }

  #onAnswer(answer: ObjectAnswer, thread: Thread<Batch>): void {
    if (answer.kind === 'encoded') {
      this.#threads.take(thread, answer.batch)?.resolve(answer.objects);
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

/** Bytes in a buffer of their own, which can be given away; a view of a larger one (Node's pool) is copied. */
function ownBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length) return new Uint8Array(buffer);
  return new Uint8Array(bytes);
}
