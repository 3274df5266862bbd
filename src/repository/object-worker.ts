import { writeFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import { releaseBuffer } from '../stream/zstd-frame.ts';
import { encodeObject, objectId } from './object-codec.ts';

/** To the thread: take these objects and tell their ids; then encode those of them that are new. Batches are answered in the order of asking. */
export type ObjectRequest =
  | { readonly kind: 'name'; readonly batch: number; readonly plain: readonly Uint8Array[] }
  | {
      readonly kind: 'encode';
      readonly batch: number;
      /** What to make of each object: a path to write its frame to, true to hand the frame back, false to drop it. */
      readonly wanted: readonly (string | boolean)[];
      readonly level: number;
    };

export type EncodedObject =
  | { readonly bytes: number; readonly frame: Uint8Array | null }
  | { readonly error: string; readonly stage: 'encode' | 'write'; readonly errno: string | undefined };

export type ObjectAnswer =
  | { readonly kind: 'named'; readonly batch: number; readonly ids: readonly string[] }
  | { readonly kind: 'encoded'; readonly batch: number; readonly objects: readonly (EncodedObject | null)[] };

const held = new Map<number, { readonly plain: readonly Uint8Array[]; readonly ids: readonly string[] }>();

/** Runs in a worker thread. Frames are decoded again and compared before they count, and written from here: they never cross to the main thread. */
parentPort?.on('message', (request: ObjectRequest) => {
  const { batch } = request;
  if (request.kind === 'name') {
    const ids = request.plain.map(objectId);
    held.set(batch, { plain: request.plain, ids });
    parentPort?.postMessage({ kind: 'named', batch, ids } satisfies ObjectAnswer);
    return;
  }
  const { wanted, level } = request;
  const { plain = [], ids = [] } = held.get(batch) ?? {};
  held.delete(batch);
  const objects = plain.map((bytes, at) => {
    const made = encode(bytes, ids[at] ?? '', wanted[at] ?? false, level);
    releaseBuffer(bytes);
    return made;
  });
  const frames = objects.flatMap((object) => (object !== null && 'frame' in object && object.frame !== null ? [object.frame.buffer] : []));
  parentPort?.postMessage({ kind: 'encoded', batch, objects } satisfies ObjectAnswer, frames as ArrayBuffer[]); // exact copies of their own
});

function encode(plain: Uint8Array, id: string, wanted: string | boolean, level: number): EncodedObject | null {
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
