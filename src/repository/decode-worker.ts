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

/** To the thread: read, decode and check these, and hand out their plain bytes, `bytes` in all, or only say what is wrong with them. Answered in the order of asking. */
export type DecodeRequest = { readonly batch: number; readonly wanted: readonly WantedObject[] } & (
  { readonly kind: 'decode'; readonly bytes: number } | { readonly kind: 'check' }
);

/** What is wrong with an object that is not as it should be, the one `at` that place. */
export type DecodeProblem = { readonly at: number } & (
  { readonly missing: true } | { readonly damaged: string } | { readonly unreadable: string; readonly errno: string | undefined }
);

/** The plain bytes of the objects, one behind the other, in a buffer of the caller's own: of all of them or of those before the first problem. */
export interface Decoded {
  readonly plain: Uint8Array;
  readonly problem: DecodeProblem | null;
}

export type DecodeAnswer = { readonly batch: number } & (
  ({ readonly kind: 'decoded' } & Decoded) | { readonly kind: 'checked'; readonly problems: readonly DecodeProblem[] }
);

/** One for all frames: a small heap hardly ever collects, and megabytes outside of it would pile up. */
let frames = Buffer.allocUnsafeSlow(256 * 1024);

/** Runs in a worker thread. */
parentPort?.on('message', (request: DecodeRequest) => {
  if (request.kind === 'check') checkAll(request.batch, request.wanted);
  else decodeAll(request.batch, request.wanted, request.bytes);
});

function decodeAll(batch: number, wanted: readonly WantedObject[], bytes: number): void {
  const all = Buffer.allocUnsafeSlow(bytes);
  let used = 0;
  let problem: DecodeProblem | null = null;
  for (const [at, one] of wanted.entries()) {
    problem = decode(one, at, (content) => all.set(content, used));
    if (problem !== null) break;
    used += one.length;
  }
  const plain = used === bytes ? all : all.subarray(0, used);
  parentPort?.postMessage({ kind: 'decoded', batch, plain, problem } satisfies DecodeAnswer, [all.buffer]);
}

function checkAll(batch: number, wanted: readonly WantedObject[]): void {
  const problems = wanted.flatMap((one, at) => decode(one, at, () => undefined) ?? []);
  parentPort?.postMessage({ kind: 'checked', batch, problems } satisfies DecodeAnswer);
}

/** Hands the plain bytes on for the moment, or says why not. */
function decode({ id, length, places }: WantedObject, at: number, use: (plain: Uint8Array) => void): DecodeProblem | null {
  try {
    const frame = firstOf(places);
    if (frame === null) return { at, missing: true };
    const plain = decodeObjectSync(frame, id, length);
    use(plain);
    releaseBuffer(plain);
    return null;
  } catch (error) {
    if (error instanceof FrameError) return { at, damaged: error.message };
    return { at, unreadable: messageOf(error), errno: errnoOf(error) };
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
