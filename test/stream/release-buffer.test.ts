import { describe, expect, test } from 'vitest';
import { releaseBuffer, releasePiece } from '../../src/stream/release-buffer.ts';

describe('a buffer that is given back', () => {
  test('is empty afterwards, also where the bytes are only its beginning', () => {
    for (const length of [10_000, 65_536 - 1, 65_536 + 1, 1_000_000]) {
      const whole = Buffer.allocUnsafeSlow(length);
      releaseBuffer(whole.subarray(0, 5000));
      expect(whole.length).toBe(0);
    }
  });

  test("is left alone where it is small, a later part of another, or a piece of Node's pool", () => {
    const small = Buffer.allocUnsafeSlow(100);
    releaseBuffer(small);
    expect(small.length).toBe(100);

    const whole = Buffer.allocUnsafeSlow(10_000);
    releaseBuffer(whole.subarray(1000));
    expect(whole.length).toBe(10_000);

    const pooled = Array.from({ length: 40 }, () => Buffer.allocUnsafe(5000).fill(7));
    expect(pooled.some(({ byteOffset }) => byteOffset === 0)).toBe(true);
    for (const piece of pooled) releaseBuffer(piece);
    expect(pooled.every((piece) => piece.length === 5000 && piece.every((byte) => byte === 7))).toBe(true);
  });

  test('as a piece of a stream: only where the piece is all of it', () => {
    for (const length of [1, 300, 65_536]) {
      const piece = Buffer.allocUnsafeSlow(length);
      releasePiece(piece);
      expect(piece.length).toBe(0);
    }
    const two = Buffer.allocUnsafeSlow(65_536).fill(3);
    releasePiece(two.subarray(0, 40_000));
    expect(two.every((byte) => byte === 3)).toBe(true);
    expect(two.length).toBe(65_536);
    releasePiece(Buffer.alloc(0));
  });
});
