import { sha256 } from './digest.ts';

/** Sizes in bytes; `averageBytes` is a power of two. */
export interface ChunkSizes {
  readonly minBytes: number;
  readonly averageBytes: number;
  readonly maxBytes: number;
}

/** The 256 random words that decide where cuts fall; the same seed gives the same cuts. */
export function gearTable(seed: string): Uint32Array {
  const table = new Uint32Array(256);
  const seedBytes = Buffer.from(seed, 'hex');
  for (let i = 0; i < 256; i += 1) table[i] = sha256(Buffer.concat([seedBytes, Buffer.of(i)])).readUInt32LE(0);
  return table;
}

/** A word depends on the 32 bytes before it, so rolling may start that far before the first possible cut. */
const WINDOW = 32;

/**
 * Cuts a byte stream into content-defined chunks (gear hash, FastCDC's two masks around the average size).
 * Inserting or deleting bytes moves only the cuts near them. One instance per stream.
 *
 * `push` copies what it takes, so that the caller can give its buffer back at once: kept until the next cut, the small buffers of a pipe
 * pile up for the garbage collector. A chunk holds what it holds only until the next one is asked for.
 */
export class ContentChunker {
  readonly #gear: Uint32Array;
  readonly #sizes: ChunkSizes;
  readonly #strictMask: number;
  readonly #looseMask: number;
  /** The running chunk, made with the first bytes: many a stream has none. */
  #running: Buffer | null = null;
  #pendingBytes = 0;
  #hash = 0;

  constructor(gear: Uint32Array, sizes: ChunkSizes) {
    const bits = Math.log2(sizes.averageBytes);
    if (
      !Number.isInteger(bits) ||
      sizes.minBytes < WINDOW ||
      sizes.minBytes >= sizes.averageBytes ||
      sizes.averageBytes >= sizes.maxBytes
    ) {
      throw new RangeError(`impossible chunk sizes: ${JSON.stringify(sizes)}`);
    }
    this.#gear = gear;
    this.#sizes = sizes;
    this.#strictMask = highBits(Math.min(bits + 2, 30));
    this.#looseMask = highBits(Math.max(bits - 2, 1));
  }

  /** Bytes taken and not yet part of a returned chunk. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** The chunks that end within these bytes, all of which are taken once the last one was asked for. */
  *push(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
    let rest = bytes;
    while (rest.length > 0) {
      const cut = this.#findCut(rest);
      if (cut < 0) {
        this.#keep(rest);
        return;
      }
      this.#keep(rest.subarray(0, cut));
      yield this.#take();
      rest = rest.subarray(cut);
    }
  }

  /** The last chunk, null when nothing is left. The chunker may be used for another stream afterwards. */
  end(): Uint8Array | null {
    return this.#pendingBytes === 0 ? null : this.#take();
  }

  #keep(bytes: Uint8Array): void {
    this.#running ??= Buffer.allocUnsafeSlow(this.#sizes.maxBytes);
    this.#running.set(bytes, this.#pendingBytes);
    this.#pendingBytes += bytes.length;
  }

  #take(): Uint8Array {
    const length = this.#pendingBytes;
    this.#pendingBytes = 0;
    this.#hash = 0;
    return this.#running?.subarray(0, length) ?? EMPTY;
  }

  /** Length of `bytes` up to and including the last byte of the running chunk, -1 where it goes on. */
  #findCut(bytes: Uint8Array): number {
    const { minBytes, averageBytes, maxBytes } = this.#sizes;
    const start = this.#pendingBytes;
    const end = Math.min(bytes.length, maxBytes - start);
    let i = Math.min(end, Math.max(0, minBytes - WINDOW - start));
    let h = this.#hash;

    const gear = this.#gear;
    const warmEnd = Math.min(end, Math.max(i, minBytes - start));
    for (; i < warmEnd; i += 1) h = ((h << 1) + (gear[bytes[i] ?? 0] ?? 0)) | 0;

    const strictEnd = Math.min(end, Math.max(i, averageBytes - start));
    const strict = this.#strictMask;
    for (; i < strictEnd; i += 1) {
      h = ((h << 1) + (gear[bytes[i] ?? 0] ?? 0)) | 0;
      if ((h & strict) === 0) return i + 1;
    }
    const loose = this.#looseMask;
    for (; i < end; i += 1) {
      h = ((h << 1) + (gear[bytes[i] ?? 0] ?? 0)) | 0;
      if ((h & loose) === 0) return i + 1;
    }
    this.#hash = h;
    return start + end === maxBytes ? end : -1;
  }
}

const EMPTY = Buffer.alloc(0);

/** The high bits change with the most bytes of the window. */
function highBits(count: number): number {
  return -1 << (32 - count);
}
