import { parentPort } from 'node:worker_threads';
import { compressFrameSync, decompressFrameSync, POOLED_BYTES, releaseBuffer } from './zstd-frame.ts';

export interface FrameJob {
  readonly id: number;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly level: number;
}

export type FrameResult =
  | { readonly id: number; readonly frame: Uint8Array<ArrayBuffer> }
  /** The frame did not decode to what was encoded, or could not be made. */
  | { readonly id: number; readonly error: string };

/** Runs in a worker thread: one frame a message, decoded again and compared before it is handed back. */
parentPort?.on('message', ({ id, plain, level }: FrameJob) => {
  const result = encode(id, plain, level);
  parentPort?.postMessage(result, 'frame' in result ? [result.frame.buffer] : []);
});

function encode(id: number, plain: Uint8Array<ArrayBuffer>, level: number): FrameResult {
  const { length: plainLength } = plain;
  try {
    const frame = compressFrameSync(plain, level);
    const again = decompressFrameSync(frame, plain.length);
    const isSame = again.equals(plain);
    // Given back at once: a small heap hardly ever collects, and megabytes outside of it would pile up.
    releaseBuffer(again);
    releaseBuffer(plain);
    if (!isSame) return { id, error: 'it did not decode to what was encoded' };
    // The buffer that it was made in is as long as the plain bytes: what did not shrink goes as it is, the rest is cut to its length.
    if (frame.buffer instanceof ArrayBuffer && frame.byteOffset === 0 && frame.length > POOLED_BYTES && frame.length * 4 > plainLength * 3)
      return { id, frame: new Uint8Array(frame.buffer, 0, frame.length) };
    const exact = new Uint8Array(frame);
    releaseBuffer(frame);
    return { id, frame: exact };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}
