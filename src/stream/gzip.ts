import { availableParallelism } from 'node:os';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { crc32, createGunzip, gzip } from 'node:zlib';
import type { Bytes } from '../domain/byte-stream.ts';
import { McadsError } from '../errors.ts';
import { releaseBuffer } from './release-buffer.ts';

/**
 * Decision: blocks of 1 MiB, each a gzip member of its own, made on Node's thread pool, as many at a time as there are processors. `gunzip`, `tar xzf`
 * and every library read concatenated members as one stream (RFC 1952, 2.2); a block that begins with an empty window costs less than 1 %.
 * One call a block is one hop to the pool and back: worker threads of our own would save nothing here.
 */
const BLOCK_BYTES = 1024 * 1024;

/**
 * Decision: level 4. Measured with zlib as Node has it against `gzip -6` (its default), text and machine code, processor milliseconds per MB and
 * ratio: level 3 14, 1.98; level 4 15, 2.02; level 5 18, 2.04; level 6 21, 2.04; `gzip -6` 30, 2.05.
 */
const LEVEL = 4;

const compress = promisify(gzip);

/** The bytes as gzip, compressed on all processors. No piece may be kept when the next is asked for. */
export async function* compressed(source: Bytes): AsyncGenerator<Uint8Array> {
  const atOnce = availableParallelism() + 1;
  const running: Promise<Buffer>[] = [];
  try {
    for await (const block of blocksOf(source)) {
      const work = compress(block, { level: LEVEL, chunkSize: BLOCK_BYTES + BLOCK_BYTES / 8 });
      // Given back as they are used up: left to the collector, these megabytes cost it a quarter of the whole time.
      work.then(() => releaseBuffer(block)).catch(() => undefined); // awaited below
      running.push(work);
      if (running.length >= atOnce) yield* handedOut(running.shift());
    }
    while (running.length > 0) yield* handedOut(running.shift());
  } finally {
    await Promise.allSettled(running);
  }
}

/** A member, taken back when the next is asked for. */
async function* handedOut(work: Promise<Buffer> | undefined): AsyncGenerator<Uint8Array> {
  if (work === undefined) return;
  const member = await work;
  yield member;
  releaseBuffer(member);
}

/** At least one block, so that nothing compresses to an empty gzip member instead of to no bytes. */
async function* blocksOf(source: Bytes): AsyncGenerator<Buffer> {
  let block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  let length = 0;
  let blocks = 0;
  for await (const bytes of source) {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + BLOCK_BYTES - length);
      block.set(part, length);
      length += part.length;
      at += part.length;
      if (length < BLOCK_BYTES) continue;
      yield block;
      blocks += 1;
      block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      length = 0;
    }
  }
  if (length > 0 || blocks === 0) yield block.subarray(0, length);
}

const STORED_BLOCK_BYTES = 0xffff;
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

/** One gzip member that holds the bytes as they are: for what is compressed already. Its length depends on theirs alone. */
export function storedMember(bytes: Uint8Array): Buffer {
  const parts: Uint8Array[] = [HEADER];
  for (let at = 0; at === 0 || at < bytes.length; at += STORED_BLOCK_BYTES) {
    const part = bytes.subarray(at, at + STORED_BLOCK_BYTES);
    const head = Buffer.alloc(5);
    head[0] = at + part.length >= bytes.length ? 1 : 0;
    head.writeUInt16LE(part.length, 1);
    head.writeUInt16LE(part.length ^ 0xffff, 3);
    parts.push(head, part);
  }
  const end = Buffer.alloc(8);
  end.writeUInt32LE(crc32(bytes), 0);
  end.writeUInt32LE(bytes.length % 2 ** 32, 4);
  return Buffer.concat([...parts, end]);
}

/**
 * The plain bytes of one or more gzip members, every checksum compared. Rejects `damaged` for what is no gzip, ends early or is followed by
 * anything but zeros; `what` names it.
 */
export async function* decompressed(source: Bytes, what: string): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  const feeding = pipeline(Readable.from(source, { objectMode: false }), gunzip);
  feeding.catch(() => undefined); // awaited below
  try {
    for await (const bytes of gunzip as AsyncIterable<Buffer>) yield bytes; // without an encoding these are buffers
    await feeding;
  } catch (error) {
    throw isZlibError(error) ? damagedGzip(what, error) : error;
  } finally {
    gunzip.destroy();
    await Promise.allSettled([feeding]);
  }
}

function isZlibError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('Z_');
}

function damagedGzip(what: string, cause: Error): McadsError {
  const endsEarly = 'code' in cause && cause.code === 'Z_BUF_ERROR';
  return new McadsError('damaged', `${what} ${endsEarly ? 'is cut short' : `is damaged, or no gzip file: ${cause.message}`}`, {
    hint: 'get the file again from where it was copied from; nothing was changed',
    cause,
  });
}
