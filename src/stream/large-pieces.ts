import type { Bytes } from '../domain/byte-stream.ts';

/** What a pipe holds: a larger piece is not taken at once either. */
const PIECE_BYTES = 64 * 1024;

/**
 * The same bytes in pieces that are worth a system call. A tar of small files comes as a header and a few hundred bytes at a time, and each write
 * to a pipe costs about as much as copying 64 KiB. A piece holds what it holds only until the next one is asked for; it is not to be changed.
 */
export async function* inLargePieces(source: Bytes): AsyncGenerator<Uint8Array, void, undefined> {
  const gathered = Buffer.allocUnsafeSlow(PIECE_BYTES);
  let used = 0;
  for await (const piece of source) {
    if (used > 0 && used + piece.length > PIECE_BYTES) {
      yield gathered.subarray(0, used);
      used = 0;
    }
    if (piece.length >= PIECE_BYTES) {
      yield piece;
      continue;
    }
    gathered.set(piece, used);
    used += piece.length;
  }
  if (used > 0) yield gathered.subarray(0, used);
}
