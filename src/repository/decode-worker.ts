import { readFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import { FrameError, POOLED_BYTES } from '../stream/zstd-frame.ts';
import { decodeObjectSync } from './object-codec.ts';

export interface WantedObject {
  readonly id: string;
  readonly length: number;
  /** Files that may hold the frame, looked at in this order. */
  readonly places: readonly string[];
}

/** To the thread: read, decode and check these. Answered in the order of asking. */
export interface DecodeRequest {
  readonly batch: number;
  readonly wanted: readonly WantedObject[];
}

export type DecodedObject =
  | { readonly plain: Uint8Array }
  | { readonly missing: true }
  | { readonly damaged: string }
  | { readonly unreadable: string; readonly errno: string | undefined };

export interface DecodeAnswer {
  readonly batch: number;
  readonly objects: readonly DecodedObject[];
}

/** Runs in a worker thread. What it hands over is the caller's alone. */
parentPort?.on('message', ({ batch, wanted }: DecodeRequest) => {
  const objects = wanted.map(decode);
  const buffers = objects.flatMap((object) => ('plain' in object ? [object.plain.buffer] : []));
  parentPort?.postMessage({ batch, objects } satisfies DecodeAnswer, buffers as ArrayBuffer[]); // none is a piece of a pool: see below
});

function decode({ id, length, places }: WantedObject): DecodedObject {
  try {
    const frame = firstOf(places);
    if (frame === null) return { missing: true };
    const plain = decodeObjectSync(frame, id, length);
    // Small ones may be pieces of Node's pool, which others use too.
    return { plain: plain.buffer.byteLength > POOLED_BYTES && plain.length > 0 ? plain : new Uint8Array(plain) };
  } catch (error) {
    if (error instanceof FrameError) return { damaged: error.message };
    return { unreadable: messageOf(error), errno: errnoOf(error) };
  }
}

function firstOf(places: readonly string[]): Buffer | null {
  for (const place of places) {
    try {
      return readFileSync(place);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error;
    }
  }
  return null;
}

function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
