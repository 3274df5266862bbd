import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { McadsError, messageOf } from '../errors.ts';

const BUFFER_BYTES = 256 * 1024;

/**
 * A file of JSON lines that is written once and then read, so that a tree's entries need not sit in memory. Decision: on the calling
 * thread through one buffer. Streams make a new buffer for each piece, and V8 collects those late: 40 MB at 100,000 files.
 */
export class Spool<T> implements AsyncDisposable {
  readonly #path: string;
  #file: number | null;
  #lines = '';

  constructor(directory: string) {
    this.#path = join(directory, `tree-${randomUUID()}.jsonl`);
    this.#file = this.#orStoreFailed(() => openSync(this.#path, 'wx', 0o600));
  }

  /** Rejects `store-failed` where the repository's disk takes no more. */
  async write(value: T): Promise<void> {
    this.#lines += `${JSON.stringify(value)}\n`;
    if (this.#lines.length >= BUFFER_BYTES) this.#drain();
  }

  async end(): Promise<void> {
    this.#drain();
    this.#close();
  }

  /** May be called more than once after `end`. */
  async *read(): AsyncGenerator<T> {
    const file = openSync(this.#path, 'r');
    try {
      const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
      const decoder = new StringDecoder('utf8');
      let rest = '';
      for (let bytes = readSync(file, buffer); bytes > 0; bytes = readSync(file, buffer)) {
        const lines = (rest + decoder.write(buffer.subarray(0, bytes))).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) yield JSON.parse(line) as T; // what `write` put there
      }
    } finally {
      closeSync(file);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    await rm(this.#path, { force: true });
  }

  #drain(): void {
    const { length } = this.#lines;
    const file = this.#file;
    if (length === 0) return;
    if (file === null) throw new McadsError('unexpected', 'a spool was written after its end');
    const bytes = Buffer.byteLength(this.#lines);
    const written = this.#orStoreFailed(() => writeSync(file, this.#lines));
    // A file takes less than it was given only when its disk is full.
    if (written !== bytes) throw new McadsError('store-failed', `${this.#path} could not be written: no space left`);
    this.#lines = '';
  }

  #close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #orStoreFailed<R>(work: () => R): R {
    try {
      return work();
    } catch (error) {
      throw new McadsError('store-failed', `${this.#path} could not be written: ${messageOf(error)}`, {
        hint: "make room on the repository's disk",
        cause: error,
      });
    }
  }
}
