import { createHash, type Hash } from 'node:crypto';
import type { Bytes } from '../domain/byte-stream.ts';
import type { RawPath, ScanRecords, SeenRecords, TreeEntry } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { parseRecord, pathOfRecord, unreadable } from './stat-record.ts';

/** Whole records as they came. */
interface Block {
  readonly bytes: Buffer;
  /** Without their NUL; one character a byte. */
  readonly records: readonly string[];
}

/** Bounds what is read ahead to compare it: more was never one range. */
const MOST_SKIPPED = 64 * 1024;
const MOST_SKIPPED_BYTES = 16 * 1024 * 1024;
const EMPTY = Buffer.alloc(0);
const NO_BLOCK: Block = { bytes: EMPTY, records: [] };

/** What `scanScript` writes, as entries or, where it was seen before, by the range. `onStatus` gets the walker's status, or null where its record never came. */
export class StatRecords implements ScanRecords {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #onStatus: (status: number | null) => void;
  /** The first one is gone through; the others were read to compare them. */
  #blocks: Block[] = [];
  /** The next record of the first block and its first byte. */
  #index = 0;
  #offset = 0;
  /** Where the record begins that was taken last; it is in the first block. */
  #last = 0;
  /** So much of the first block is in the range's hash, or before the range. */
  #hashed = 0;
  #context = '';
  #range: Hash | null = null;
  #taken = 0;
  #rest: Buffer = EMPTY;
  #status: number | null = null;
  #isOver = false;

  constructor(body: Bytes, onStatus: (status: number | null) => void) {
    this.#source = body[Symbol.asyncIterator]();
    this.#onStatus = onStatus;
  }

  setContext(context: string): void {
    this.#context = context;
  }

  next(): TreeEntry | null | Promise<TreeEntry | null> {
    const record = this.#blocks[0]?.records[this.#index];
    return record === undefined ? this.#nextBlock() : this.#take(record);
  }

  async nextPath(): Promise<RawPath | null> {
    for (;;) {
      const record = this.#blocks[0]?.records[this.#index];
      if (record !== undefined) return pathOfRecord(record);
      if (!(await this.#advance())) return null;
    }
  }

  endRange(isLastOutside: boolean): SeenRecords {
    const end = isLastOutside ? this.#last : this.#offset;
    const hash = this.#hashTo(end).digest('hex');
    const records = this.#taken - (isLastOutside ? 1 : 0);
    this.#range = null;
    this.#hashed = end;
    this.#taken -= records;
    return { records, hash };
  }

  async skip({ records, hash }: SeenRecords, behind: RawPath | null): Promise<boolean> {
    if (this.#taken > 0) throw new McadsError('unexpected', 'records were skipped in the middle of a range');
    if (!(records > 0 && records <= MOST_SKIPPED) || !(await this.#hasAhead(records))) return false;
    if ((await this.#pathBehind(records)) !== behind) return false;
    const range = this.#newRange();
    let left = records;
    let [index, offset] = [this.#index, this.#offset];
    let used = 0;
    for (const block of this.#blocks) {
      const start = offset;
      const some = block.records.slice(index, index + left);
      offset =
        index + some.length === block.records.length ? block.bytes.length : some.reduce((sum, { length }) => sum + length + 1, offset);
      range.update(block.bytes.subarray(start, offset));
      left -= some.length;
      index += some.length;
      if (left === 0) break;
      [index, offset] = [0, 0];
      used += 1;
    }
    if (range.digest('hex') !== hash) return false;
    this.#blocks = this.#blocks.slice(used);
    [this.#index, this.#offset, this.#last, this.#hashed] = [index, offset, offset, offset];
    return true;
  }

  async *batches(): AsyncGenerator<Iterable<TreeEntry>> {
    try {
      while (await this.#readBlock()) {
        const [block = NO_BLOCK] = this.#blocks.splice(0);
        // Each is made when it is asked for: those of a batch would live long enough to be copied by the garbage collector.
        yield parseRecords(block.records);
      }
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#onStatus(this.#status);
    await this.#source.return?.();
  }

  #take(record: string): TreeEntry {
    this.#last = this.#offset;
    this.#offset += record.length + 1;
    this.#index += 1;
    this.#taken += 1;
    return parseRecord(record);
  }

  async #nextBlock(): Promise<TreeEntry | null> {
    while (await this.#advance()) {
      const record = this.#blocks[0]?.records[this.#index];
      if (record !== undefined) return this.#take(record);
    }
    return null;
  }

  /** From a block that was gone through to the next. */
  async #advance(): Promise<boolean> {
    if (this.#blocks.length < 2 && !(await this.#readBlock())) return false;
    if (this.#blocks.length < 2) return true; // the first of all
    if (this.#taken > 0) this.#hashTo(this.#offset);
    this.#blocks.shift();
    [this.#index, this.#offset, this.#last, this.#hashed] = [0, 0, 0, 0];
    return true;
  }

  #hashTo(end: number): Hash {
    this.#range ??= this.#newRange();
    if (end > this.#hashed) this.#range.update((this.#blocks[0] ?? NO_BLOCK).bytes.subarray(this.#hashed, end));
    this.#hashed = end;
    return this.#range;
  }

  #newRange(): Hash {
    return createHash('sha256').update(this.#context, 'latin1').update('\0');
  }

  async #pathBehind(records: number): Promise<RawPath | null> {
    for (;;) {
      let at = this.#index + records;
      for (const block of this.#blocks) {
        const record = block.records[at];
        if (record !== undefined) return pathOfRecord(record);
        at -= block.records.length;
      }
      if (!(await this.#readBlock())) return null;
    }
  }

  async #hasAhead(records: number): Promise<boolean> {
    const count = (): number => this.#blocks.reduce((sum, block) => sum + block.records.length, -this.#index);
    const bytes = (): number => this.#blocks.reduce((sum, block) => sum + block.bytes.length, 0);
    while (count() < records && bytes() < MOST_SKIPPED_BYTES) if (!(await this.#readBlock())) return false;
    return count() >= records;
  }

  /** False at the end. Throws where it is not the end that the walker's status makes. */
  async #readBlock(): Promise<boolean> {
    if (this.#isOver) return false;
    try {
      const block = await this.#wholeRecords();
      if (block !== null) this.#blocks.push(block);
      this.#isOver = block === null;
    } catch (error) {
      this.#isOver = true;
      throw error;
    } finally {
      if (this.#isOver) this.#onStatus(this.#status);
    }
    return !this.#isOver;
  }

  async #wholeRecords(): Promise<Block | null> {
    for (;;) {
      const next = await this.#source.next();
      if (next.done === true) {
        if (this.#rest.length > 0) throw unreadable(this.#rest.toString('latin1'));
        return null;
      }
      const { buffer, byteOffset, byteLength } = next.value;
      const piece = Buffer.from(buffer, byteOffset, byteLength);
      const end = piece.lastIndexOf(0) + 1;
      if (end === 0) {
        this.#rest = Buffer.concat([this.#rest, piece]);
        continue;
      }
      const bytes = this.#rest.length === 0 ? piece.subarray(0, end) : Buffer.concat([this.#rest, piece.subarray(0, end)]);
      this.#rest = Buffer.from(piece.subarray(end));
      const records = bytes.toString('latin1', 0, bytes.length - 1).split('\0');
      const last = records.at(-1) ?? '';
      if (this.#status !== null) throw unreadable(last);
      if (!last.startsWith('~')) return { bytes, records };
      this.#status = Number(last.slice(1));
      records.pop();
      if (records.length > 0) return { bytes: bytes.subarray(0, bytes.length - last.length - 1), records };
    }
  }
}

function* parseRecords(records: readonly string[]): Generator<TreeEntry, void, undefined> {
  for (const record of records) yield parseRecord(record);
}
