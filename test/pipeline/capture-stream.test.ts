import { describe, expect, test } from 'vitest';
import type { ManifestArtifact } from '../../src/domain/manifest.ts';
import { captureStream, storeBytes } from '../../src/pipeline/capture-stream.ts';
import { MemoryWriter } from '../support/memory-writer.ts';
import { NEVER, noise } from '../support/repository-fixture.ts';

const PIECE_BYTES = 65_536;

async function* piecesOf(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

/** Bytes that a second capture stores when one byte changed in each of these places. */
async function newBytes(format: ManifestArtifact['format'], changes: readonly number[]): Promise<number> {
  const writer = new MemoryWriter();
  const first = noise(1, 16_000_000);
  await storeBytes(piecesOf(first), 'data', writer, { format }, NEVER);
  const second = Buffer.from(first);
  for (const at of changes) second[at] = (second[at] ?? 0) ^ 1;
  const stored = await storeBytes(piecesOf(second), 'data', writer, { format }, NEVER);
  const back: Uint8Array[] = [];
  for await (const chunk of writer.read(stored.artifact)) back.push(chunk);
  expect(Buffer.concat(back).equals(second)).toBe(true);
  return stored.storedBytes;
}

describe('a database that is captured again', () => {
  test.each(['pgdump', 'sqlite', 'sql'] as const)('as %s costs little where rows changed all over', async (format) => {
    const changes = Array.from({ length: 10 }, (_, at) => 700_000 + at * 1_500_000);
    expect(await newBytes(format, changes)).toBeLessThan(1_300_000);
    expect(await newBytes('json', changes)).toBeGreaterThan(5_000_000);
  });
});

describe('the pieces of a captured stream', () => {
  const capture = async (givesPieces: boolean): Promise<{ readonly held: readonly Buffer[]; readonly stored: Buffer }> => {
    const held = Array.from({ length: 20 }, (_, at) => Buffer.from(new Uint8Array(noise(at, PIECE_BYTES)).buffer));
    const writer = new MemoryWriter();
    const stream = { body: pieces(held), done: Promise.resolve(null), givesPieces };
    const { artifact } = await captureStream(stream, writer, { format: 'pgdump' }, NEVER);
    const back: Uint8Array[] = [];
    for await (const chunk of writer.read(artifact)) back.push(chunk);
    return { held, stored: Buffer.concat(back) };
  };
  async function* pieces(all: readonly Buffer[]): AsyncGenerator<Buffer> {
    yield* all;
  }
  const whole = Buffer.concat(Array.from({ length: 20 }, (_, at) => noise(at, PIECE_BYTES)));

  test('that gives them away are empty afterwards, and everything is stored', async () => {
    const { held, stored } = await capture(true);
    expect(stored.equals(whole)).toBe(true);
    expect(held.every((piece) => piece.length === 0)).toBe(true);
  });

  test('that does not are left as they were', async () => {
    const { held, stored } = await capture(false);
    expect(stored.equals(whole)).toBe(true);
    expect(Buffer.concat(held).equals(whole)).toBe(true);
  });
});
