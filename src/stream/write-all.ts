import type { Writable } from 'node:stream';
import type { Bytes } from '../domain/byte-stream.ts';

/**
 * Writes `input`, each piece whole before the next is asked for: then nobody here needs it any more, and a dialogue can go on. Stops without an error where the stream is
 * closed or broken, which whoever reads at its other end explains; rejects when the input does. Leaves the stream open, and its `error` event to the caller.
 */
export async function writeAll(input: Bytes, stream: Writable): Promise<void> {
  const isOver = (): boolean => stream.destroyed || stream.writableEnded;
  for await (const piece of input) {
    if (isOver()) return;
    await written(stream, piece);
    if (isOver()) return;
  }
}

async function written(stream: Writable, piece: Uint8Array): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off('close', done);
      resolve();
    };
    stream.once('close', done);
    stream.write(piece, done);
  });
}
