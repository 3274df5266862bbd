import { constants, zstdCompressSync, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import { promisify } from 'node:util';

const decompress = promisify(zstdDecompress);

const MAGIC = 0xfd2fb528;
/** Still one ordinary frame, but hardly any time is spent on looking for matches that are not there. */
const LEVEL_FOR_NOISE = -7;
const SAMPLE_BYTES = 8192;
/** 8 KiB of noise measure about 7.98 bits; machine code 6 to 7, text below 6. */
const NOISE_BITS = 7.9;

export class FrameError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FrameError';
  }
}

/**
 * One zstd frame with content size and checksum. Noise (compressed or encrypted data) is not compressed in vain.
 * Decision: the built-in zstd, one frame a call, never `nbWorkers` (it loses the stream's end); output in one step, because the 16 KiB default costs a third of the speed.
 */
export function compressFrameSync(bytes: Uint8Array, level: number): Buffer {
  const bound = bytes.length + (bytes.length >> 7) + 1024;
  return zstdCompressSync(bytes, {
    chunkSize: bound,
    pledgedSrcSize: bytes.length,
    params: {
      [constants.ZSTD_c_compressionLevel]: looksLikeNoise(bytes) ? LEVEL_FOR_NOISE : level,
      [constants.ZSTD_c_checksumFlag]: 1,
      [constants.ZSTD_c_contentSizeFlag]: 1,
    },
  });
}

/**
 * The content of exactly one frame with checksum. Rejects FrameError for anything else: a cut frame, a second one, other bytes
 * behind it, a wrong checksum, another length than `length`; never allocates more than `length` says.
 */
export async function decompressFrame(frame: Uint8Array, length: number): Promise<Buffer> {
  assertDeclares(frame, length);
  if (length === 0) return Buffer.alloc(0);
  try {
    return ofLength(await decompress(frame, decodeOptions(length)), length);
  } catch (error) {
    throw toFrameError(error);
  }
}

/** Likewise, on the calling thread. */
export function decompressFrameSync(frame: Uint8Array, length: number): Buffer {
  assertDeclares(frame, length);
  if (length === 0) return Buffer.alloc(0);
  try {
    return ofLength(zstdDecompressSync(frame, decodeOptions(length)), length);
  } catch (error) {
    throw toFrameError(error);
  }
}

function assertDeclares(frame: Uint8Array, length: number): void {
  const declared = frameContentSize(frame);
  if (declared !== length) throw new FrameError(`the frame declares ${declared} bytes where ${length} are expected`);
}

/** One byte more than needed: zlib answers a full buffer with another one as large, which nobody fills. */
function decodeOptions(length: number): { readonly chunkSize: number; readonly maxOutputLength: number } {
  return { chunkSize: Math.max(length + 1, 64), maxOutputLength: length };
}

function ofLength(plain: Buffer, length: number): Buffer {
  if (plain.length !== length) throw new FrameError(`the frame holds ${plain.length} bytes where ${length} are expected`);
  return plain;
}

function toFrameError(error: unknown): FrameError {
  if (error instanceof FrameError) return error;
  return new FrameError(error instanceof Error ? error.message : String(error));
}

/** Walks the block headers: the content size of a buffer that is exactly one frame with checksum and content size; throws FrameError otherwise. */
export function frameContentSize(frame: Uint8Array): number {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  try {
    return walkFrame(view);
  } catch (error) {
    if (error instanceof RangeError) throw new FrameError('the frame is cut short');
    throw error;
  }
}

function walkFrame(view: DataView): number {
  if (view.getUint32(0, true) !== MAGIC) throw new FrameError('not a zstd frame');
  const descriptor = view.getUint8(4);
  const singleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  if ((descriptor & 0x04) === 0) throw new FrameError('the frame has no checksum');
  if ((descriptor & 0x03) !== 0) throw new FrameError('the frame needs a dictionary');
  if (!singleSegment && sizeFlag === 0) throw new FrameError('the frame does not declare its content size');

  let offset = singleSegment ? 5 : 6;
  const size =
    sizeFlag === 0
      ? view.getUint8(offset)
      : sizeFlag === 1
        ? view.getUint16(offset, true) + 256
        : sizeFlag === 2
          ? view.getUint32(offset, true)
          : Number(view.getBigUint64(offset, true));
  offset += sizeFlag === 0 ? 1 : 1 << sizeFlag;

  for (let last = false; !last;) {
    const header = view.getUint16(offset, true) | (view.getUint8(offset + 2) << 16);
    last = (header & 1) !== 0;
    const isRunLength = ((header >> 1) & 3) === 1;
    offset += 3 + (isRunLength ? 1 : header >> 3);
  }
  if (offset + 4 > view.byteLength) throw new FrameError('the frame is cut short');
  if (offset + 4 < view.byteLength) throw new FrameError('other bytes follow the frame');
  return size;
}

/** True where the byte values of a sample are spread as evenly as in noise. */
function looksLikeNoise(bytes: Uint8Array): boolean {
  if (bytes.length < 2 * SAMPLE_BYTES) return false;
  const counts = new Uint32Array(256);
  const stride = Math.floor((bytes.length - 1024) / 7);
  for (let part = 0; part < 8; part += 1) {
    for (let i = part * stride, end = i + SAMPLE_BYTES / 8; i < end; i += 1) {
      const byte = bytes[i] ?? 0;
      counts[byte] = (counts[byte] ?? 0) + 1;
    }
  }
  let bits = 0;
  for (const count of counts) {
    if (count > 0) bits -= (count / SAMPLE_BYTES) * Math.log2(count / SAMPLE_BYTES);
  }
  return bits > NOISE_BITS;
}
