import { parentPort } from 'node:worker_threads';
import { encodeObjectTo, objectsIn, type EncodedObject } from './encode-object-to.ts';
import { objectId } from './object-codec.ts';

/**
 * To the thread: take these objects, one behind the other in `bytes`, and tell their ids; then encode those of them that are new.
 * Batches are answered in the order of asking.
 */
export type ObjectRequest =
  | { readonly kind: 'name'; readonly batch: number; readonly bytes: Uint8Array<ArrayBuffer>; readonly lengths: readonly number[] }
  | {
      readonly kind: 'encode';
      readonly batch: number;
      /** What to make of each object: a path to write its frame to, true to hand the frame back, false to drop it. */
      readonly wanted: readonly (string | boolean)[];
      readonly level: number;
    };

export type ObjectAnswer =
  | { readonly kind: 'named'; readonly batch: number; readonly ids: readonly string[] }
  | {
      readonly kind: 'encoded';
      readonly batch: number;
      readonly objects: readonly (EncodedObject | null)[];
      readonly bytes: Uint8Array<ArrayBuffer>;
    };

interface Held {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly plain: readonly Uint8Array[];
  readonly ids: readonly string[];
}

const held = new Map<number, Held>();

/** Runs in a worker thread. Frames are decoded again and compared before they count, and written from here: they never cross to the main thread. */
parentPort?.on('message', (request: ObjectRequest) => {
  const { batch } = request;
  if (request.kind === 'name') {
    const plain = objectsIn(request.bytes, request.lengths);
    const ids = plain.map(objectId);
    held.set(batch, { bytes: request.bytes, plain, ids });
    parentPort?.postMessage({ kind: 'named', batch, ids } satisfies ObjectAnswer);
    return;
  }
  const { wanted, level } = request;
  const taken = held.get(batch);
  if (taken === undefined) throw new Error(`batch ${batch} was never named`);
  held.delete(batch);
  const { bytes, plain, ids } = taken;
  const objects = plain.map((object, at) => encodeObjectTo(object, ids[at] ?? '', wanted[at] ?? false, level));
  const frames = objects.flatMap((object) => (object !== null && 'frame' in object && object.frame !== null ? [object.frame.buffer] : []));
  // Exact copies of their own, and the buffer that came.
  parentPort?.postMessage({ kind: 'encoded', batch, objects, bytes } satisfies ObjectAnswer, [...frames, bytes.buffer] as ArrayBuffer[]);
});
