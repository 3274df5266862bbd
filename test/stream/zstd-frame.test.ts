import { randomBytes } from 'node:crypto';
import { constants, zstdCompressSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compressFrameSync, decompressFrame, frameContentSize, FrameError } from '../../src/stream/zstd-frame.ts';
import { runCommand } from '../support/run-command.ts';

const text = Buffer.from('all work and no play '.repeat(5000));

describe('a frame', () => {
  test('gives back what went in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 70_000 }), fc.nat(40), async (bytes, repeats) => {
        const plain = Buffer.concat(Array.from({ length: repeats }, () => bytes));
        const frame = compressFrameSync(plain, 3);
        expect(frameContentSize(frame)).toBe(plain.length);
        expect((await decompressFrame(frame, plain.length)).equals(plain)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test('is one that zstd itself checks, also for noise and for nothing', async () => {
    for (const plain of [text, randomBytes(3_000_000), Buffer.alloc(0), Buffer.alloc(4 * 1024 * 1024)]) {
      const { stdout } = await runCommand('bash', ['-c', 'zstd -dcq | wc -c'], { input: compressFrameSync(plain, 3) });
      expect(Number(stdout)).toBe(plain.length);
    }
  });

  test('of noise is hardly longer than the noise', async () => {
    expect(compressFrameSync(randomBytes(1_000_000), 3).length).toBeLessThan(1_000_200);
  });
});

describe('anything else than exactly the frame is refused', () => {
  test('any flipped bit', async () => {
    const frame = compressFrameSync(text.subarray(0, 3000), 3);
    for (let bit = 0; bit < frame.length * 8; bit += 1) {
      const flipped = Buffer.from(frame);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const outcome = await decompressFrame(flipped, 3000).then(
        (plain) => plain.equals(text.subarray(0, 3000)),
        (error: unknown) => error instanceof FrameError,
      );
      // Some header bits mean nothing to the content; what comes out is then still right.
      expect(outcome, `bit ${bit}`).toBe(true);
    }
  });

  test('any cut', async () => {
    const frame = compressFrameSync(text, 3);
    for (let length = 0; length < frame.length; length += 7)
      await expect(decompressFrame(frame.subarray(0, length), text.length)).rejects.toBeInstanceOf(FrameError);
  });

  test('bytes or a second frame behind it', async () => {
    const frame = compressFrameSync(text, 3);
    for (const more of [Buffer.from('x'), frame])
      await expect(decompressFrame(Buffer.concat([frame, more]), text.length)).rejects.toThrow('follow');
  });

  test('a frame without checksum', async () => {
    const frame = zstdCompressSync(text, { params: { [constants.ZSTD_c_checksumFlag]: 0 } });
    await expect(decompressFrame(frame, text.length)).rejects.toThrow('no checksum');
  });

  test('a bomb, before it is unpacked', async () => {
    const bomb = compressFrameSync(Buffer.alloc(50_000_000), 3);
    await expect(decompressFrame(bomb, 1000)).rejects.toThrow('declares 50000000 bytes where 1000');
    // The same with a lying header: the single-segment size field is patched down to 1000.
    const liar = Buffer.from(bomb);
    const field = liar.indexOf(Buffer.from(new Uint32Array([50_000_000]).buffer));
    liar.writeUInt32LE(1000, field);
    await expect(decompressFrame(liar, 1000)).rejects.toBeInstanceOf(FrameError);
  });
});
