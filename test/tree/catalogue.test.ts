import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ManifestArtifact } from '../../src/domain/manifest.ts';
import type { TreeSource } from '../../src/domain/tree.ts';
import { openLocalTree } from '../../src/host/local-tree.ts';
import { captureArchive } from '../../src/pipeline/capture-archive.ts';
import { captureTree } from '../../src/pipeline/capture-tree.ts';
import { parseCatalogue } from '../../src/stream/catalogue.ts';
import { scanTar } from '../../src/stream/tar-scanner.ts';
import { MemoryWriter } from '../support/memory-writer.ts';

const NEVER = new AbortController().signal;

/** Small chunks, so that a catalogue of thousands of lines is many. */
class FineWriter extends MemoryWriter {
  override readonly chunker = { seed: '00'.repeat(16), minBytes: 4096, averageBytes: 16_384, maxBytes: 65_536 };
}

async function capture(tree: string, writer: MemoryWriter, by: typeof captureTree = captureTree) {
  await using source: TreeSource = await openLocalTree(tree, {}, NEVER);
  const result = await by(source, writer, { parent: null, exclude: [], neverCapture: [] }, NEVER);
  const [data, catalogue] = result.artifacts;
  if (data === undefined || catalogue === undefined) throw new Error('a tree has two artifacts');
  return { data, catalogue };
}

async function chunksOf(writer: MemoryWriter, artifact: ManifestArtifact): Promise<readonly string[]> {
  const segments = await Array.fromAsync(writer.segments(artifact));
  return segments.flatMap(({ chunks }) => chunks.map(([id]) => id));
}

test('adding a file near the beginning of an archive of thousands stores hardly more than its own line', async () => {
  const tree = mkdtempSync(join(tmpdir(), 'mcads-catalogue-'));
  await using writer = new FineWriter();
  try {
    for (let i = 0; i < 4000; i += 1) {
      if (i % 100 === 0) mkdirSync(join(tree, `d${i / 100}`));
      writeFileSync(join(tree, `d${Math.floor(i / 100)}`, `f${i}`), 'x'.repeat((i * 37) % 3000));
    }
    const before = await capture(tree, writer, captureArchive);
    // Large: a segment of its own, so that all later ones move by one or two.
    writeFileSync(join(tree, 'd0', 'f0-new'), 'y'.repeat(200_000));
    const after = await capture(tree, writer, captureArchive);
    expect(after.data.segments).toBeGreaterThan(before.data.segments);

    const old = new Set(await chunksOf(writer, before.catalogue));
    expect(old.size).toBeGreaterThan(10);
    expect((await chunksOf(writer, after.catalogue)).filter((id) => !old.has(id)).length).toBeLessThanOrEqual(2);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
});

test('every entry of a catalogue says in which segment its member lies', async () => {
  const tree = mkdtempSync(join(tmpdir(), 'mcads-catalogue-'));
  await using writer = new MemoryWriter();
  try {
    for (let i = 0; i < 300; i += 1) writeFileSync(join(tree, `f${i}`), 'x'.repeat(i % 50 === 0 ? 150_000 : i * 10));
    const { data, catalogue } = await capture(tree, writer);
    const stored: string[] = [];
    let index = 0;
    for await (const { chunks } of writer.segments(data)) {
      const bytes = (await Array.fromAsync(writer.readChunks(chunks))).map((chunk) => Buffer.from(chunk));
      const whole = Buffer.concat([...bytes, Buffer.alloc(1024)]);
      for await (const event of scanTar(once(whole))) if (event.kind === 'member') stored.push(`${index} ${event.member.path}`);
      index += 1;
    }
    const listed = await Array.fromAsync(parseCatalogue(writer.read(catalogue)), ({ segment, path }) => `${segment} ${path}`);
    expect(listed).toEqual(stored);
    expect(index).toBeGreaterThan(10);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
});

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
