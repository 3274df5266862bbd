import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { inLargePieces } from '../../src/stream/large-pieces.ts';
import { noise } from '../support/repository-fixture.ts';

const KIB = 1024;

test('the same bytes come in the same order, and hardly a piece is small', async () => {
  const lengths = fc.array(fc.oneof(fc.integer({ min: 0, max: 2 * KIB }), fc.integer({ min: 60 * KIB, max: 200 * KIB })), {
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(lengths, async (sizes) => {
      const pieces = sizes.map((size, at) => noise(at, size));
      const sizesOut: number[] = [];
      const copies: Buffer[] = [];
      // Copied at once: a piece lasts until the next one is asked for.
      for await (const piece of inLargePieces(only(pieces))) {
        copies.push(Buffer.from(piece));
        sizesOut.push(piece.length);
      }
      expect(Buffer.concat(copies).equals(Buffer.concat(pieces))).toBe(true);
      // Two neighbours would have fitted into one, were they both small.
      for (const [at, size] of sizesOut.entries()) expect(size + (sizesOut[at + 1] ?? Infinity)).toBeGreaterThan(64 * KIB);
    }),
    { numRuns: 50 },
  );
});

async function* only(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}
