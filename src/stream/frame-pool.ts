import { Worker } from 'node:worker_threads';
import type { FrameJob, FrameResult } from './frame-worker.ts';

/** Both cores of a small machine; more would only take memory from the program. */
const LARGEST_POOL = 4;

interface Waiting {
  readonly resolve: (frame: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Compresses on worker threads, started with the first job. Decision: not the built-in asynchronous zstd on libuv's pool. Its buffers
 * are allocated, and their garbage collected, on the main thread, which took a third of its time; a worker's small heap collects for itself,
 * and one message replaces a hop for each step.
 */
export class FramePool implements AsyncDisposable {
  readonly #size: number;
  readonly #workers: { readonly worker: Worker; readonly jobs: Map<number, Waiting> }[] = [];
  #jobs = 0;
  #failure: Error | null = null;

  constructor(size: number) {
    this.#size = Math.max(1, Math.min(size, LARGEST_POOL));
  }

  /** One checked frame of these bytes. Takes the bytes: afterwards their buffer is empty. */
  async encode(plain: Uint8Array, level: number): Promise<Uint8Array> {
    if (this.#failure !== null) throw this.#failure;
    const owned = ownBuffer(plain);
    const { worker, jobs } = this.#leastBusy();
    const id = this.#jobs;
    this.#jobs += 1;
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    jobs.set(id, { resolve, reject });
    worker.postMessage({ id, plain: owned, level } satisfies FrameJob, [owned.buffer]);
    return promise;
  }

  #leastBusy(): { readonly worker: Worker; readonly jobs: Map<number, Waiting> } {
    const idle = this.#workers.find(({ jobs }) => jobs.size === 0);
    if (idle !== undefined) return idle;
    if (this.#workers.length < this.#size) return this.#start();
    return this.#workers.reduce((best, next) => (next.jobs.size < best.jobs.size ? next : best));
  }

  #start(): { readonly worker: Worker; readonly jobs: Map<number, Waiting> } {
    const jobs = new Map<number, Waiting>();
    // The URL is no import, so the compiler does not turn its ending.
    const file = import.meta.url.endsWith('.ts') ? './frame-worker.ts' : './frame-worker.js';
    const worker = new Worker(new URL(file, import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32 },
    });
    worker.unref(); // whoever waits for a frame keeps the process alive by other means
    worker.on('message', (result: FrameResult) => {
      const job = jobs.get(result.id);
      jobs.delete(result.id);
      if ('frame' in result) job?.resolve(result.frame);
      else job?.reject(new Error(result.error));
    });
    const fail = (error: Error): void => {
      this.#failure ??= error;
      for (const job of jobs.values()) job.reject(error);
      jobs.clear();
    };
    worker.on('error', fail);
    worker.on('exit', (code) => fail(new Error(`a compressing thread ended with ${code}`)));
    const started = { worker, jobs };
    this.#workers.push(started);
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failure ??= new Error('the compressing threads were ended');
    await Promise.all(this.#workers.map(({ worker }) => worker.terminate()));
  }
}

/** Bytes in a buffer of their own, which can be given away; a view of a larger one (Node's pool) is copied. */
function ownBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length) return new Uint8Array(buffer);
  return new Uint8Array(bytes);
}
