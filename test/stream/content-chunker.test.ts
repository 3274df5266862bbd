import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ContentChunker, gearTable } from '../../src/stream/content-chunker.ts';
import { sha256Hex } from '../../src/stream/digest.ts';
import { noise } from '../support/repository-fixture.ts';

const SIZES = { minBytes: 256, averageBytes: 1024, maxBytes: 4096 };
const GEAR = gearTable('5eed');

function cut(pieces: Iterable<Uint8Array>, gear = GEAR): readonly Uint8Array[] {
  const chunker = new ContentChunker(gear, SIZES);
  // Copied, because the next chunk takes the place of the one before.
  const chunks = [...pieces].flatMap((piece) => chunker.push(piece).map(copyOf).toArray());
  const last = chunker.end();
  return last === null ? chunks : [...chunks, copyOf(last)];
}

const copyOf = (chunk: Uint8Array): Uint8Array => new Uint8Array(chunk);

function* split(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let i = 0, offset = 0; offset < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(offset, offset + size);
    offset += size;
  }
}

describe('content-defined chunks', () => {
  test('one after the other are the input, within their sizes, however the input arrives', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(60_000), fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1 }), (seed, length, sizes) => {
        const bytes = noise(seed, length);
        const chunks = cut(split(bytes, sizes));
        expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
        expect(
          chunks.every((chunk, i) => chunk.length <= SIZES.maxBytes && (chunk.length >= SIZES.minBytes || i === chunks.length - 1)),
        ).toBe(true);
        expect(chunks.map(sha256Hex)).toEqual(cut([bytes]).map(sha256Hex));
      }),
    );
  });

  test('an insertion or deletion changes only the chunks near it', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(399_999), fc.nat(300), fc.nat(300), (seed, at, inserted, deleted) => {
        const bytes = noise(seed, 400_000);
        const edited = Buffer.concat([bytes.subarray(0, at), noise(seed + 1, inserted), bytes.subarray(at + deleted)]);
        const before = new Set(cut([bytes]).map(sha256Hex));
        const fresh = cut([edited]).filter((chunk) => !before.has(sha256Hex(chunk)));
        expect(fresh.reduce((sum, chunk) => sum + chunk.length, 0)).toBeLessThan(40_000);
      }),
      { numRuns: 60 },
    );
  });

  test('are about as long as asked for', () => {
    const chunks = cut([noise(7, 2_000_000)]);
    expect(2_000_000 / chunks.length).toBeGreaterThan(700);
    expect(2_000_000 / chunks.length).toBeLessThan(1700);
  });

  test('end at the greatest size where nothing in the content asks for a cut', () => {
    expect(cut([Buffer.alloc(10_000)]).map(({ length }) => length)).toEqual([4096, 4096, 1808]);
  });

  test('lie elsewhere with another seed', () => {
    const bytes = noise(1, 100_000);
    const lengths = (gear: Uint32Array) => cut([bytes], gear).map(({ length }) => length);
    expect(lengths(gearTable('5eed'))).toEqual(lengths(GEAR));
    expect(lengths(gearTable('5eee'))).not.toEqual(lengths(GEAR));
  });

  test('own their bytes: what the caller does with its buffer after the cut does not reach them', () => {
    const bytes = noise(3, 20_000);
    const copy = Buffer.from(bytes);
    const chunks = cut([bytes]);
    bytes.fill(0);
    expect(Buffer.concat(chunks).equals(copy)).toBe(true);
  });

  test('impossible sizes are refused', () => {
    expect(() => new ContentChunker(GEAR, { ...SIZES, averageBytes: 1000 })).toThrow(RangeError);
    expect(() => new ContentChunker(GEAR, { ...SIZES, maxBytes: 1024 })).toThrow(RangeError);
  });
});

test('the cuts of a repository never change: a fixed input has fixed chunks', () => {
  expect(cut([noise(42, 30_000)]).map(({ length }) => length)).toMatchInlineSnapshot(`
    [
      839,
      860,
      845,
      1050,
      1200,
      1447,
      657,
      1040,
      1476,
      631,
      1348,
      1595,
      1053,
      1098,
      674,
      1571,
      1578,
      1475,
      1068,
      1143,
      1047,
      1167,
      1092,
      1280,
      464,
      1159,
      1143,
    ]
  `);
});
