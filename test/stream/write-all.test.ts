import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { inLargePieces } from '../../src/stream/large-pieces.ts';
import { givenBack } from '../../src/stream/release-buffer.ts';
import { writeAll } from '../../src/stream/write-all.ts';

const PIECE = 300_000;

/** Pieces that nobody else holds, and what becomes of them. */
function owned(count: number): {
  readonly pieces: AsyncGenerator<Uint8Array>;
  readonly made: Uint8Array[];
  readonly isEnded: () => boolean;
} {
  const made: Uint8Array[] = [];
  let isEnded = false;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      for (let i = 0; i < count; i += 1) {
        const piece = new Uint8Array(PIECE).fill(i);
        made.push(piece);
        yield piece;
      }
    } finally {
      isEnded = true;
    }
  }
  return { pieces: pieces(), made, isEnded: () => isEnded };
}

test('pieces that are given back once they are used up arrive whole', async () => {
  const { pieces, made } = owned(20);
  const child = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] });
  const arrived = buffer(child.stdout);
  await writeAll(inLargePieces(givenBack(pieces)), child.stdin);
  child.stdin.end();
  expect((await arrived).equals(Buffer.concat(Array.from({ length: 20 }, (_, i) => Buffer.alloc(PIECE, i))))).toBe(true);
  expect(made.every(({ length }) => length === 0)).toBe(true);
});

test('the next piece is asked for only when the one before is written', async () => {
  const { pieces, made } = owned(3);
  const taken: (() => void)[] = [];
  const slow = new Writable({ write: (_piece, _encoding, done) => void taken.push(done) });
  const writing = writeAll(pieces, slow);
  for (let count = 1; count <= 3; count += 1) {
    while (taken.length < count) await new Promise(setImmediate);
    expect(made).toHaveLength(count);
    taken[count - 1]?.();
  }
  await writing;
  expect(slow.writableEnded).toBe(false);
});

test('a program that ends before it has read everything is no error, and the rest is not asked for', async () => {
  const { pieces, made, isEnded } = owned(1000);
  const child = spawn('head', ['-c', '1'], { stdio: ['pipe', 'ignore', 'inherit'] });
  child.stdin.on('error', () => undefined);
  const [[code]] = await Promise.all([once(child, 'close'), writeAll(pieces, child.stdin)]);
  expect(code).toBe(0);
  expect(made.length).toBeLessThan(1000);
  expect(isEnded()).toBe(true);
});

test('a stream that was closed before takes nothing, one that is closed meanwhile does not hold it up', async () => {
  const closed = new PassThrough();
  closed.destroy();
  const first = owned(5);
  await writeAll(first.pieces, closed);
  expect(first.made.length).toBeLessThanOrEqual(1);
  const stuck = new Writable({ write: () => setImmediate(() => stuck.destroy()) });
  const second = owned(5);
  await writeAll(second.pieces, stuck);
  expect(second.made).toHaveLength(1);
});

test("the input's own failure is told", async () => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('some');
    throw new Error('the disk is gone');
  }
  const through = new PassThrough();
  through.resume();
  await expect(writeAll(failing(), through)).rejects.toThrow('the disk is gone');
});
