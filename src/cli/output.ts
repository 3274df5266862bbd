import { once } from 'node:events';
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
    if (!this.#closed && !this.#stream.write(data))
      await Promise.race([once(this.#stream, 'drain'), once(this.#stream, 'close')]).catch(ignoreStreamError);
    if (this.#failure !== null) throw this.#failure;
  }
}

/** `once` rejects with the stream's error, which the listener above has already noted. */
function ignoreStreamError(error: unknown): void {
  if (!(error instanceof Error)) throw error;
}
