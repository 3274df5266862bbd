import { linkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Segment } from '../../src/domain/tree.ts';
import { McadsError } from '../../src/errors.ts';
import type { CapturedTree } from '../../src/pipeline/captured-tree.ts';
import { DatabaseWatch } from '../../src/pipeline/tree-databases.ts';
import { asParent, TreeFixture } from '../support/tree-capture.ts';

const FILES = 9000;

function many(fixture: TreeFixture): void {
  fixture.write(Object.fromEntries(Array.from({ length: FILES }, (_, i) => [`d${i % 60}/f${i}`, 'x'.repeat((i * 37) % 3000)])));
}

async function parts(fixture: TreeFixture, { artifacts: [, catalogue] }: CapturedTree): Promise<readonly Segment[]> {
  if (catalogue === undefined) throw new Error('no catalogue');
  return Array.fromAsync(fixture.writer.segments(catalogue));
}

test('of an unchanged tree no line of the catalogue is stored anew, of a changed one only those near the change', async () => {
  await using fixture = new TreeFixture();
  many(fixture);
  const first = await fixture.capture(await fixture.source());
  const before = await parts(fixture, first);
  expect(before.length).toBeGreaterThan(3);
  expect(before.every(({ fingerprint, first: name }) => fingerprint !== null && name !== undefined)).toBe(true);

  fixture.writer.fresh.clear();
  const second = await fixture.capture(await fixture.source(), { parent: asParent(first) });
  expect(second).toMatchObject({ segmentsRead: 0, entries: FILES + 61, storedBytes: 0 });
  expect(await parts(fixture, second)).toEqual(before);
  expect(fixture.writer.fresh.size).toBe(0);

  fixture.write({ 'd30/new': 'new', 'd30/f30': 'changed' });
  const third = await fixture.capture(await fixture.source(), { parent: asParent(second) });
  const old = new Set(before.flatMap(({ chunks }) => chunks.map(([id]) => id)));
  const after = await parts(fixture, third);
  expect(after.filter(({ chunks }) => chunks.some(([id]) => !old.has(id))).length).toBeLessThanOrEqual(2);
  expect(await fixture.paths(third)).toEqual(await fixture.paths(await fixture.capture(await fixture.source())));
});

test('a part with a file that was torn, or whose times are too young, is not used again', async () => {
  await using fixture = new TreeFixture();
  fixture.write({ 'a/quiet': 'quiet', 'b/busy': 'busy' });
  let reads = 0;
  const busy = await fixture.source((real) => ({
    read: (paths, signal) => {
      reads += 1;
      const stream = real.read(paths, signal);
      return stream;
    },
    restat: (paths, signal) => {
      writeFileSync(join(fixture.tree, 'b', 'busy'), String(reads).repeat(10 - reads));
      return real.restat(paths, signal);
    },
  }));
  const torn = await fixture.capture(busy);
  expect(torn.torn).toEqual(['b/busy']);
  expect((await parts(fixture, torn)).map(({ fingerprint }) => fingerprint)).toEqual([null]);
  const after = await fixture.capture(await fixture.source(), { parent: asParent(torn) });
  expect((await parts(fixture, after)).map(({ fingerprint }) => typeof fingerprint)).toEqual(['string']);
  const young = await fixture.capture(await fixture.source((real) => ({ sync: (signal) => real.sync(signal) })));
  expect((await parts(fixture, young)).map(({ fingerprint }) => fingerprint)).toEqual([null]);
  expect(await fixture.paths(young)).toEqual(['', 'a', 'a/quiet', 'b', 'b/busy']);
});

test('names of one file are linked anew where their part could have been used again', async () => {
  await using fixture = new TreeFixture();
  fixture.write({ 'a/first': 'content' });
  linkSync(join(fixture.tree, 'a', 'first'), join(fixture.tree, 'z'));
  const first = await fixture.capture(await fixture.source());
  rmSync(join(fixture.tree, 'a', 'first'));
  const second = await fixture.capture(await fixture.source(), { parent: asParent(first) });
  expect(await fixture.paths(second)).toEqual(['', 'a', 'z']);
  expect(second.findings).toEqual([]);
});

test.each([
  ['missing', []],
  ['damaged', [{ severity: 'error', code: 'catalogue-damaged' }]],
])(
  'a catalogue of which a page is %s is made anew and fails nothing; what may lie damaged in this snapshot too is told',
  async (problem, findings) => {
    await using fixture = new TreeFixture();
    fixture.write({ 'a/b': 'b', 'a/c': 'c' });
    const first = await fixture.capture(await fixture.source());
    const before = await parts(fixture, first);
    const { writer } = fixture;
    const segments = writer.segments.bind(writer);
    async function* damaged(): AsyncGenerator<Segment> {
      yield* [];
      throw new McadsError('damaged', `a page is ${problem}`, { context: { problem } });
    }
    writer.segments = (artifact) => (artifact.name === 'catalogue' ? damaged() : segments(artifact));
    const second = await fixture.capture(await fixture.source(), { parent: asParent(first) });
    writer.segments = segments;
    expect(second.segmentsRead).toBe(0);
    expect(second.findings).toMatchObject(findings);
    expect(second.findings).toHaveLength(findings.length);
    expect(await parts(fixture, second)).toEqual(before);
  },
);

test('where names in a part that is used again cannot be read, a file that may be a database counts as one', async () => {
  await using fixture = new TreeFixture();
  fixture.write({ 'app/db': 'SQLite format 3\0', 'app/db-wal': 'log', 'app/no': 'text', 'app/no-wal': 'log' });
  const first = await fixture.capture(await fixture.source());
  expect(first.databasesSeen).toEqual([{ engine: 'sqlite', path: 'app/db' }]);
  const second = await fixture.capture(await fixture.source(), { parent: asParent(first) });
  expect(second.databasesSeen).toEqual(first.databasesSeen);

  const { writer } = fixture;
  const [part] = await parts(fixture, first);
  const read = writer.readChunks.bind(writer);
  async function* damaged(): AsyncGenerator<Uint8Array> {
    yield* [];
    throw new McadsError('damaged', 'a chunk is damaged');
  }
  writer.readChunks = (chunks) => (chunks[0]?.[0] === part?.chunks[0]?.[0] ? damaged() : read(chunks));
  const third = await fixture.capture(await fixture.source(), { parent: asParent(first) });
  expect(third.databasesSeen.map(({ path }) => path)).toEqual(['app/db', 'app/no']);
  expect(third.findings).toMatchObject([{ severity: 'error', code: 'catalogue-damaged' }]);
});

test('suspects are found by where they lie in walk order', () => {
  const watch = new DatabaseWatch();
  for (const name of ['a-b/x', 'a/x', 'b/y', 'c', 'd/z/y']) {
    watch.see({ path: name, type: 'f', size: 1 });
    watch.see({ path: `${name}-wal`, type: 'f', size: 1 });
  }
  expect(watch.suspectsIn('', 'zz')).toEqual(['a/x', 'a-b/x', 'b/y', 'c', 'd/z/y']);
  expect(watch.suspectsIn('a/x', 'a/x')).toEqual(['a/x']);
  expect(watch.suspectsIn('a/y', 'b')).toEqual(['a-b/x']);
  expect(watch.suspectsIn('d/z/z', 'e')).toEqual([]);
});
