import type { Writable } from 'node:stream';

/** Stdout for data. Once the reader has gone (EPIPE) it swallows what follows; `closed` tells streaming commands to stop. */
export class Output {
  readonly #stream: Writable;
  #closed = false;
  #failure: Error | null = null;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      this.#closed = true;
      if (error.code !== 'EPIPE') this.#failure = error;
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Back-pressured; rejects where stdout fails in any other way than a closed pipe (a full disk behind a redirection). */
  async write(data: string | Uint8Array): Promise<void> {
    if (!this.#closed && !this.#stream.write(data)) await this.#room();
    if (this.#failure !== null) throw this.#failure;
  }

  /** Until the buffer is empty or the stream has ended. */
  async #room(): Promise<void> {
    const stream = this.#stream;
    const { promise, resolve } = Promise.withResolvers<void>();
    const events = ['drain', 'close', 'error'] as const;
    for (const event of events) stream.once(event, resolve);
    await promise;
    for (const event of events) stream.off(event, resolve);
  }
}
