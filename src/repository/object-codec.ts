import { McadsError, messageOf } from '../errors.ts';
import { sha256Hex } from '../stream/digest.ts';
import type { FramePool } from '../stream/frame-pool.ts';
import { decompressFrame, frameContentSize, FrameError } from '../stream/zstd-frame.ts';

/* The envelope of every object under `chunks/` and `segments/`; id derivation and (later) encryption live here and nowhere else. */

/** Pages are a few hundred KB; no frame may claim more than a string can hold. */
export const MAX_PAGE_BYTES = 256 * 1024 * 1024;

/** The name of an object: SHA-256 of its plain bytes. */
export function objectId(plain: Uint8Array): string {
  return sha256Hex(plain);
}

/** One frame, decoded again and compared before it is handed out, because compressors have had bugs. Takes the bytes. */
export async function encodeObject(pool: FramePool, plain: Uint8Array, level: number, id: string): Promise<Uint8Array> {
  try {
    return await pool.encode(plain, level);
  } catch (error) {
    throw new McadsError('store-failed', `chunk ${id} could not be encoded: ${messageOf(error)}`, {
      hint: "Check this machine's memory; nothing was stored.",
      cause: error,
    });
  }
}

/** Length (where known beforehand) and SHA-256 are always checked. Rejects FrameError for anything but exactly these bytes. */
export async function decodeObject(frame: Uint8Array, id: string, length: number | null): Promise<Buffer> {
  const expected = length ?? frameContentSize(frame);
  if (expected > MAX_PAGE_BYTES) throw new FrameError(`the frame claims ${expected} bytes`);
  const plain = await decompressFrame(frame, expected);
  if (objectId(plain) !== id) throw new FrameError('the content has another SHA-256 than its name says');
  return plain;
}
