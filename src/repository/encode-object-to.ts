import { writeFileSync } from 'node:fs';
import { messageOf } from '../errors.ts';
import { releaseBuffer } from '../stream/release-buffer.ts';
import { encodeObject } from './object-codec.ts';

/** What became of an object: its frame's length, and the frame where nobody has written it. */
export type EncodedObject =
  | { readonly bytes: number; readonly frame: Uint8Array | null }
  | { readonly error: string; readonly stage: 'encode' | 'write'; readonly errno: string | undefined };

/** Objects that lie one behind the other. */
export function objectsIn(bytes: Uint8Array, lengths: readonly number[]): readonly Uint8Array[] {
  let end = 0;
  return lengths.map((length) => bytes.subarray(end, (end += length)));
}

/** `wanted`: a path to write its frame to, true to hand the frame back (an exact copy of its own), false to drop the object (null). On the calling thread. */
export function encodeObjectTo(plain: Uint8Array, id: string, wanted: string | boolean, level: number): EncodedObject | null {
  if (wanted === false) return null;
  let frame: Uint8Array;
  try {
    frame = encodeObject(plain, level, id);
  } catch (error) {
    return { error: messageOf(error), stage: 'encode', errno: undefined };
  }
  const bytes = frame.length;
  if (wanted === true) {
    const exact = new Uint8Array(frame);
    releaseBuffer(frame);
    return { bytes, frame: exact };
  }
  try {
    writeFileSync(wanted, frame, { mode: 0o600 });
    return { bytes, frame: null };
  } catch (error) {
    const errno = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
    return { error: messageOf(error), stage: 'write', errno };
  } finally {
    releaseBuffer(frame);
  }
}
