import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import { releaseBuffer } from '../stream/release-buffer.ts';
import { FrameError } from '../stream/zstd-frame.ts';
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

/** One for all frames: a small heap hardly ever collects, and megabytes outside of it would pile up. */
let frames = Buffer.allocUnsafeSlow(256 * 1024);

/** Runs in a worker thread. The plain bytes of a batch travel in one buffer, the caller's alone. */
parentPort?.on('message', ({ batch, wanted }: DecodeRequest) => {
  const all = new Uint8Array(wanted.reduce((sum, { length }) => sum + length, 0));
  let used = 0;
  const objects = wanted.map((one) => {
    const object = decode(one, all.subarray(used, used + one.length));
    used += one.length;
    return object;
  });
  parentPort?.postMessage({ batch, objects } satisfies DecodeAnswer, [all.buffer]);
});

function decode({ id, length, places }: WantedObject, into: Uint8Array): DecodedObject {
  try {
    const frame = firstOf(places);
    if (frame === null) return { missing: true };
    const plain = decodeObjectSync(frame, id, length);
    into.set(plain);
    releaseBuffer(plain);
    return { plain: into };
  } catch (error) {
    if (error instanceof FrameError) return { damaged: error.message };
    return { unreadable: messageOf(error), errno: errnoOf(error) };
  }
}

/** The frame, until the next one is read. */
function firstOf(places: readonly string[]): Buffer | null {
  for (const place of places) {
    try {
      return readFrame(place);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error;
    }
  }
  return null;
}

function readFrame(place: string): Buffer {
  const file = openSync(place, 'r');
  try {
    let length = 0;
    for (;;) {
      if (length === frames.length) {
        const larger = Buffer.allocUnsafeSlow(frames.length * 2);
        frames.copy(larger);
        frames = larger;
      }
      const bytes = readSync(file, frames, length, frames.length - length, null);
      if (bytes === 0) return frames.subarray(0, length);
      length += bytes;
    }
  } finally {
    closeSync(file);
  }
}

function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
