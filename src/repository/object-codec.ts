import { releaseBuffer } from '../stream/release-buffer.ts';
import { sha256Hex } from '../stream/digest.ts';
import { compressFrameSync, decompressFrame, decompressFrameSync, frameContentSize, FrameError } from '../stream/zstd-frame.ts';

/* The envelope of every object under `chunks/` and `segments/`; id derivation and (later) encryption live here and nowhere else. */

/** Pages are a few hundred KB; no frame may claim more than a string can hold. */
export const MAX_PAGE_BYTES = 256 * 1024 * 1024;

/** The name of an object: SHA-256 of its plain bytes. */
export function objectId(plain: Uint8Array): string {
  return sha256Hex(plain);
}

/** One frame, decoded again and compared before it is handed out, because compressors have had bugs. Throws FrameError. */
export function encodeObject(plain: Uint8Array, level: number, id: string): Uint8Array {
  const frame = compressFrameSync(plain, level);
  const again = decompressFrameSync(frame, plain.length);
  const isSame = again.equals(plain);
  // Given back at once: a small heap hardly ever collects, and megabytes outside of it would pile up.
  releaseBuffer(again);
  if (!isSame) throw new FrameError(`the frame of ${id} did not decode to what was encoded`);
  return frame;
}

/** Length (where known beforehand) and SHA-256 are always checked. Rejects FrameError for anything but exactly these bytes. */
export async function decodeObject(frame: Uint8Array, id: string, length: number | null): Promise<Buffer> {
  return checked(await decompressFrame(frame, lengthOf(frame, length)), id);
}

/** Likewise, on the calling thread. */
export function decodeObjectSync(frame: Uint8Array, id: string, length: number | null): Buffer {
  return checked(decompressFrameSync(frame, lengthOf(frame, length)), id);
}

function lengthOf(frame: Uint8Array, length: number | null): number {
  const expected = length ?? frameContentSize(frame);
  if (expected > MAX_PAGE_BYTES) throw new FrameError(`the frame claims ${expected} bytes`);
  return expected;
}

function checked(plain: Buffer, id: string): Buffer {
  if (objectId(plain) !== id) throw new FrameError('the content has another SHA-256 than its name says');
  return plain;
}
