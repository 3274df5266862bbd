import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { McadsError, messageOf } from '../errors.ts';

const BUFFER_BYTES = 256 * 1024;
/** Before each record: how many bytes of JSON it has, and how many as they are. */
const HEAD_BYTES = 8;
const NOTHING = new Uint8Array();

/** What was written: a value and, where it came with them, its bytes. */
export interface Spooled<T> {
  readonly value: T;
  readonly bytes: Buffer;
}

/**
 * A file of values that is written once and then read, so that a tree's entries need not sit in memory: each as JSON, with bytes that nobody has
 * to quote and take apart again. Decision: on the calling thread through one buffer. Streams make a new buffer for each piece, and V8
 * collects those late: 40 MB at 100,000 files.
 */
export class Spool<T> implements AsyncDisposable {
  readonly #path: string;
  #file: number | null;
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #length = 0;

  constructor(directory: string) {
    this.#path = join(directory, `tree-${randomUUID()}.spool`);
    this.#file = this.#orStoreFailed(() => openSync(this.#path, 'wx', 0o600));
  }

  /** Throws `store-failed` where the repository's disk takes no more. */
  write(value: T, bytes: Uint8Array = NOTHING): void {
    if (this.#file === null) throw new McadsError('unexpected', 'a spool was written after its end');
    const json = JSON.stringify(value);
    // A character is three bytes at most.
    const most = HEAD_BYTES + json.length * 3 + bytes.length;
    if (this.#length + most > this.#buffer.length) this.#drain();
    if (most > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(most);
    const at = this.#length + HEAD_BYTES;
    const length = this.#buffer.write(json, at, 'utf8');
    this.#buffer.writeUInt32LE(length, this.#length);
    this.#buffer.writeUInt32LE(bytes.length, this.#length + 4);
    this.#buffer.set(bytes, at + length);
    this.#length = at + length + bytes.length;
  }

  end(): void {
    this.#drain();
    this.#close();
    this.#buffer = Buffer.alloc(0);
  }

  /** May be called more than once after `end`. */
  async *read(): AsyncGenerator<Spooled<T>, void, undefined> {
    const file = openSync(this.#path, 'r');
    try {
      let buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
      let [at, end] = [0, 0];
      /** True where that many bytes are at hand; false only at the end of the file. */
      const has = (wanted: number): boolean => {
        if (end - at >= wanted) return true;
        const rest = buffer.subarray(at, end);
        if (wanted > buffer.length) buffer = Buffer.concat([rest], wanted);
        else buffer.copyWithin(0, at, end);
        [at, end] = [0, rest.length];
        for (let read = 1; end < wanted && read > 0; end += read) read = readSync(file, buffer, end, buffer.length - end, null);
        return end >= wanted;
      };
      const cut = (): McadsError => new McadsError('unexpected', `${this.#path} ends in the middle of a record`);
      while (has(HEAD_BYTES)) {
        const json = buffer.readUInt32LE(at);
        const length = buffer.readUInt32LE(at + 4);
        if (!has(HEAD_BYTES + json + length)) throw cut();
        const value = JSON.parse(buffer.toString('utf8', at + HEAD_BYTES, at + HEAD_BYTES + json)) as T; // what `write` put there
        at += HEAD_BYTES + json + length;
        yield { value, bytes: Buffer.from(buffer.subarray(at - length, at)) };
      }
      if (end > at) throw cut();
    } finally {
      closeSync(file);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    await rm(this.#path, { force: true });
  }

  #drain(): void {
    const length = this.#length;
    const file = this.#file;
    if (length === 0 || file === null) return;
    const written = this.#orStoreFailed(() => writeSync(file, this.#buffer, 0, length));
    // A file takes less than it was given only when its disk is full.
    if (written !== length) throw new McadsError('store-failed', `${this.#path} could not be written: no space left`);
    this.#length = 0;
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
