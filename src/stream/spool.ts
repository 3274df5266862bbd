import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { rm } from 'node:fs/promises';

const BUFFER_BYTES = 256 * 1024;

/** A file of JSON lines that is written once and then read, so that a tree's entries need not sit in memory. */
export class Spool<T> implements AsyncDisposable {
  readonly #path: string;
  readonly #file: WriteStream;
  #lines = '';
  #failure: Error | null = null;

  constructor(directory: string) {
    this.#path = join(directory, `tree-${randomUUID()}.jsonl`);
    this.#file = createWriteStream(this.#path, { mode: 0o600 });
    this.#file.on('error', (error) => {
      this.#failure = error; // thrown by the next call
    });
  }

  async write(value: T): Promise<void> {
    this.#lines += `${JSON.stringify(value)}\n`;
    if (this.#lines.length >= BUFFER_BYTES) await this.#drain();
  }

  async end(): Promise<void> {
    await this.#drain();
    this.#file.end();
    if (!this.#file.closed) await once(this.#file, 'close');
    if (this.#failure !== null) throw this.#failure;
  }

  /** May be called more than once after `end`. */
  async *read(): AsyncGenerator<T> {
    const file = createReadStream(this.#path, { highWaterMark: BUFFER_BYTES });
    // Names are one character per byte and escaped by JSON, so a line break is always ours.
    for await (const line of createInterface({ input: file, crlfDelay: 0 })) yield JSON.parse(line) as T; // what `write` put there
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#file.closed) {
      this.#file.destroy();
      await once(this.#file, 'close');
    }
    await rm(this.#path, { force: true });
  }

  async #drain(): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    const lines = this.#lines;
    this.#lines = '';
    if (lines !== '' && !this.#file.write(lines)) await once(this.#file, 'drain');
  }
}
