import type { Bytes } from '../domain/byte-stream.ts';

/** Below this the buffers are not worth the call. */
const WORTH_RELEASING = 4096;

/**
 * Gives the memory of a buffer back at once. Left to the garbage collector, dead buffers pile up, and V8 walks the whole heap for every few megabytes
 * of them: where chunks or pieces are of 64 KiB that is a seventh of a backup's processor time. Only for buffers that nobody else holds;
 * afterwards it is empty. Pieces of Node's shared pool and small ones are left alone.
 */
export function releaseBuffer(bytes: Uint8Array): void {
  const { buffer, byteOffset } = bytes;
  if (!(buffer instanceof ArrayBuffer) || byteOffset !== 0 || buffer.byteLength < WORTH_RELEASING) return;
  if (buffer.byteLength !== Buffer.poolSize) buffer.transfer(0);
}

/** Likewise for a piece of a stream. A view of part of a buffer is left alone: the other parts may be pieces that are still to be read. */
export function releasePiece(bytes: Uint8Array): void {
  const { buffer, byteLength } = bytes;
  if (buffer instanceof ArrayBuffer && byteLength > 0 && buffer.byteLength === byteLength) buffer.transfer(0);
}

/** The pieces of a stream that nobody else holds, each given back when the next is asked for: whoever takes them has used it up by then. */
export async function* givenBack(pieces: Bytes): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    yield piece;
    releasePiece(piece);
  }
}
