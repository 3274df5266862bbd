import { Worker } from 'node:worker_threads';

/** All cores of a small machine; more would only take memory from the program. */
const LARGEST_POOL = 4;

/** Work that a thread was given and has not answered. */
export interface Pending {
  reject(error: Error): void;
}

export interface Thread<P extends Pending> {
  readonly worker: Worker;
  /** By the number of the batch. */
  readonly pending: Map<number, P>;
}

export interface ThreadOptions<P extends Pending, Answer> {
  /** The program without its ending, as a URL. */
  readonly program: string;
  readonly size: number;
  readonly onAnswer: (answer: Answer, thread: Thread<P>) => void;
}

/** Threads that take batches of objects; each is started when all others are busy. */
export class WorkerThreads<P extends Pending, Answer> implements AsyncDisposable {
  readonly #options: ThreadOptions<P, Answer>;
  readonly #size: number;
  readonly #threads: Thread<P>[] = [];
  #batches = 0;
  #failure: Error | null = null;

  constructor(options: ThreadOptions<P, Answer>) {
    this.#options = options;
    this.#size = Math.max(1, Math.min(options.size, LARGEST_POOL));
  }

  /** A thread ended: nothing can be given to the others either. */
  get hasFailed(): boolean {
    return this.#failure !== null;
  }

  /** True while none has anything to do. */
  get isIdle(): boolean {
    return this.#threads.every(({ pending }) => pending.size === 0);
  }

  /** Gives the next batch to the least busy thread. Throws what made a thread fail. */
  give(pending: P, send: (worker: Worker, batch: number) => void): void {
    if (this.#failure !== null) throw this.#failure;
    const thread = this.#leastBusy();
    const batch = this.#batches;
    this.#batches += 1;
    // First: what could not be sent is waited for by nobody.
    send(thread.worker, batch);
    thread.pending.set(batch, pending);
    // Only while somebody waits for an answer does a thread keep the process alive.
    thread.worker.ref();
  }

  /** The batch is answered: nobody waits for it any more. */
  take({ worker, pending }: Thread<P>, batch: number): P | undefined {
    const one = pending.get(batch);
    pending.delete(batch);
    if (pending.size === 0) worker.unref();
    return one;
  }

  #leastBusy(): Thread<P> {
    const idle = this.#threads.find(({ pending }) => pending.size === 0);
    if (idle !== undefined) return idle;
    if (this.#threads.length < this.#size) return this.#start();
    return this.#threads.reduce((best, next) => (next.pending.size < best.pending.size ? next : best));
  }

  #start(): Thread<P> {
    const { program, onAnswer } = this.#options;
    // The URL is no import, so the compiler does not turn its ending.
    const worker = new Worker(new URL(program + (import.meta.url.endsWith('.ts') ? '.ts' : '.js')), {
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32 },
    });
    const thread: Thread<P> = { worker, pending: new Map() };
    const fail = (error: Error): void => {
      this.#failure ??= error;
      for (const one of thread.pending.values()) one.reject(this.#failure);
      thread.pending.clear();
    };
    worker.on('message', (answer: Answer) => onAnswer(answer, thread));
    worker.on('error', fail);
    worker.on('exit', (code) => fail(new Error(`a thread of ${program.slice(program.lastIndexOf('/') + 1)} ended with ${code}`)));
    this.#threads.push(thread);
    return thread;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failure ??= new Error('the threads were ended');
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }
}
