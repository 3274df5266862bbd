import type { Writable } from 'node:stream';
import type { Bytes } from '../domain/byte-stream.ts';

/**
 * Writes `input`, each piece whole before the next is asked for: then nobody here needs it any more, and a dialogue can go on. Stops without an error where the stream is
 * closed or broken, which whoever reads at its other end explains; rejects when the input does. Leaves the stream open.
 */
export async function writeAll(input: Bytes, stream: Writable): Promise<void> {
  const ignore = (): void => undefined;
  stream.on('error', ignore);
  try {
    for await (const piece of input) {
      if (stream.destroyed || stream.writableEnded) return;
      await written(stream, piece);
    }
  } finally {
    stream.off('error', ignore);
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
