import { availableParallelism } from 'node:os';
import type { DecodeAnswer, Decoded, DecodeProblem, DecodeRequest, WantedObject } from './decode-worker.ts';
import { WorkerThreads } from './worker-threads.ts';

const PROGRAM = new URL('./decode-worker', import.meta.url).href;

let shared: DecodePool | null = null;

/**
 * The threads of this process, whoever reads. Decision: they are kept until it ends, idle ones do not hold it up. Every new thread may get another
 * of malloc's arenas, and each of these keeps up to 64 MB: with threads of its own for every reading a drill grew from 200 to 370 MB.
 */
export function decodePool(): DecodePool {
  if (shared === null || shared.hasFailed) shared = new DecodePool();
  return shared;
}

/**
 * Reads, decodes and checks objects on threads, started with the first batch. Decision: as for writing, not libuv's pool. Four asynchronous calls for a
 * file, a hop to decode it, the hash and the garbage of both kept the main thread busy for half of a restore, and V8's own threads as long.
 */
class DecodePool {
  readonly #threads: WorkerThreads<PromiseWithResolvers<Decoded>, DecodeAnswer>;

  constructor() {
    this.#threads = new WorkerThreads({
      program: PROGRAM,
      size: availableParallelism() - 1, // the thread that hands the bytes on is busy too
      onAnswer: (answer, thread) => {
        const asked = this.#threads.take(thread, answer.batch);
        if (answer.kind === 'decoded') asked?.resolve(answer);
      },
    });
  }

  get hasFailed(): boolean {
    return this.#threads.hasFailed;
  }

  /** The plain bytes of all of them, `bytes` together, in one buffer that is the caller's alone; of those before it where one is not as it should be. */
  async decode(wanted: readonly WantedObject[], bytes: number): Promise<Decoded> {
    const answer = Promise.withResolvers<Decoded>();
    this.#threads.give(answer, (worker, batch) => worker.postMessage({ kind: 'decode', batch, bytes, wanted } satisfies DecodeRequest));
    return answer.promise;
  }
}

/** Checks objects on all cores, for whoever looks at a whole repository: their bytes stay where they are read. */
export class CheckPool implements AsyncDisposable {
  readonly size = availableParallelism();
  readonly #threads: WorkerThreads<PromiseWithResolvers<readonly DecodeProblem[]>, DecodeAnswer>;

  constructor() {
    this.#threads = new WorkerThreads({
      program: PROGRAM,
      size: this.size,
      onAnswer: (answer, thread) => {
        const asked = this.#threads.take(thread, answer.batch);
        if (answer.kind === 'checked') asked?.resolve(answer.problems);
      },
    });
  }

  /** What is wrong with those that are not as they should be. */
  async check(wanted: readonly WantedObject[]): Promise<readonly DecodeProblem[]> {
    const answer = Promise.withResolvers<readonly DecodeProblem[]>();
    this.#threads.give(answer, (worker, batch) => worker.postMessage({ kind: 'check', batch, wanted } satisfies DecodeRequest));
    return answer.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#threads[Symbol.asyncDispose]();
  }
}
