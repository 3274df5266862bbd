import { chmodSync, linkSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, Server } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Segment, TreeSource } from '../../src/domain/tree.ts';
import { McadsError } from '../../src/errors.ts';
import type { CapturedTree } from '../../src/pipeline/captured-tree.ts';
import { DatabaseWatch } from '../../src/pipeline/tree-databases.ts';
import { asParent, TreeFixture } from '../support/tree-capture.ts';

const FILES = 6000;

function many(fixture: TreeFixture, name = (i: number): string => `d${i % 60}/f${i}`): void {
  fixture.write(Object.fromEntries(Array.from({ length: FILES }, (_, i) => [name(i), 'x'.repeat((i * 37) % 900)])));
}

async function parts(fixture: TreeFixture, { artifacts: [, catalogue] }: CapturedTree): Promise<readonly Segment[]> {
  if (catalogue === undefined) throw new Error('no catalogue');
  return Array.fromAsync(fixture.writer.segments(catalogue));
}

async function catalogueOf(fixture: TreeFixture, { artifacts: [, catalogue] }: CapturedTree): Promise<string> {
  if (catalogue === undefined) throw new Error('no catalogue');
  return Buffer.concat(await Array.fromAsync(fixture.writer.read(catalogue))).toString();
}

/** A source that counts the entries that somebody looks at. */
async function counting(
  fixture: TreeFixture,
  over: (real: TreeSource) => Partial<TreeSource> = () => ({}),
): Promise<{ readonly source: TreeSource; readonly looked: () => number }> {
  let looked = 0;
  const source = await fixture.source((real) => ({
    ...over(real),
    scan: (signal) => {
      const scan = real.scan(signal);
      const { records } = scan;
      if (records === undefined) throw new Error('GNU find tells records');
      const next = records.next.bind(records);
      records.next = () => {
        looked += 1;
        return next();
      };
      return scan;
    },
  }));
  return { source, looked: () => looked - 1 }; // the end is asked for too
}

/** What a capture gives that builds on nothing, beside the one that was made. */
async function assertAsIfAnew(fixture: TreeFixture, made: CapturedTree, exclude: readonly string[] = []): Promise<void> {
  const anew = await fixture.capture(await fixture.source(), { exclude });
  // Lines of the segments are cut at the same places whoever made them.
  expect(await catalogueOf(fixture, made)).toBe(await catalogueOf(fixture, anew));
  expect((await fixture.tar(made)).equals(await fixture.tar(anew))).toBe(true);
  expect(made.entries).toBe(anew.entries);
}

test('of an unchanged tree no entry is looked at; the snapshot is the same, and the next one builds on it likewise', async () => {
  await using fixture = new TreeFixture();
  many(fixture);
  const first = await fixture.capture(await fixture.source());
  const before = await parts(fixture, first);
  expect(before.length).toBeGreaterThan(2);
  expect(before.every(({ seen }) => seen !== undefined)).toBe(true);
  for (let parent = first, night = 0; night < 2; night += 1) {
    const { source, looked } = await counting(fixture);
    const next = await fixture.capture(source, { parent: asParent(parent) });
    expect(looked()).toBe(0);
    expect(next).toMatchObject({
      entries: FILES + 61,
      segmentsRead: 0,
      segmentsReused: first.segmentsRead,
      storedBytes: 0,
      bytes: first.bytes,
    });
    expect(next.artifacts).toEqual(first.artifacts);
    expect(await parts(fixture, next)).toEqual(before);
    parent = next;
  }
});

test('with rescan, and where inodes change by themselves, every entry is looked at', async () => {
  await using fixture = new TreeFixture();
  many(fixture);
  const first = await fixture.capture(await fixture.source());
  const { source, looked } = await counting(fixture);
  const again = await fixture.capture(source, { parent: asParent(first), rescan: true });
  expect(looked()).toBe(FILES + 61);
  expect(again.segmentsReused).toBe(0);
  const unsteady = await fixture.capture(await fixture.source({ stableInodes: false }));
  expect((await parts(fixture, unsteady)).every(({ seen }) => seen === undefined)).toBe(true);
});

test('only the parts around a change are looked at, and nothing of it is missed', async () => {
  await using fixture = new TreeFixture();
  many(fixture);
  let parent = await fixture.capture(await fixture.source());
  const at = (i: number): string => join(fixture.tree, `d${i % 60}/f${i}`);
  const changes: readonly ((i: number) => void)[] = [
    (i) => writeFileSync(at(i), 'another content'),
    (i) => {
      // The same size and times: only ctime tells.
      const { atime, mtime, size } = statSync(at(i));
      writeFileSync(at(i), 'y'.repeat(size));
      utimesSync(at(i), atime, mtime);
    },
    (i) => chmodSync(at(i), 0o600),
    (i) => rmSync(at(i)),
    (i) => renameSync(at(i), `${at(i)}-moved`),
    (i) => writeFileSync(`${at(i)}!new`, 'new'),
    (i) => linkSync(at(i), `${at(i)}-link`),
    (i) => symlinkSync('nowhere', `${at(i)}-symlink`),
    (i) => mkdirSync(`${at(i)}-folder/below`, { recursive: true }),
    (i) => writeFileSync(`${at(i)}-large`, Buffer.alloc(300_000, i)),
  ];
  let random = 1;
  for (const [night, change] of changes.entries()) {
    random = (random * 48_271) % 2_147_483_647;
    // Files that no change before had.
    const i = (random % Math.floor(FILES / changes.length)) * changes.length + night;
    change(i);
    const { source, looked } = await counting(fixture);
    const next = await fixture.capture(source, { parent: asParent(parent) });
    expect(looked()).toBeGreaterThan(0);
    expect(looked()).toBeLessThan(FILES);
    await assertAsIfAnew(fixture, next);
    parent = next;
  }
});

test('new exclude patterns count in parts that did not change, and what they leave out is told each time', async () => {
  await using fixture = new TreeFixture();
  many(fixture);
  const first = await fixture.capture(await fixture.source());
  const exclude = ['d30'];
  let parent = first;
  for (let night = 0; night < 2; night += 1) {
    const next = await fixture.capture(await fixture.source(), { parent: asParent(parent), exclude });
    expect(next.findings).toMatchObject([{ code: 'excluded' }]);
    expect((await fixture.paths(next)).some((path) => path.startsWith('d30'))).toBe(false);
    await assertAsIfAnew(fixture, next, exclude);
    parent = next;
  }
  const without = await fixture.capture(await fixture.source(), { parent: asParent(parent) });
  await assertAsIfAnew(fixture, without);
});

test('what depends on more than its own entries, or is told each time, is looked at each time', async () => {
  await using fixture = new TreeFixture();
  many(fixture);
  const plain = await fixture.capture(await fixture.source());
  const begins = (await parts(fixture, plain)).map(({ first }) => first ?? '');
  const folder = (part: number): string => begins[part]?.split('/')[0] ?? '';
  const changes: readonly (() => unknown)[] = [
    async () => {
      const server = createServer();
      await new Promise<void>((resolve) => void server.listen(join(fixture.tree, folder(1), 'socket'), resolve));
      return server;
    },
    () => linkSync(join(fixture.tree, folder(1), 'only'), join(fixture.tree, folder(1), 'second')),
    () => fixture.write({ [`${folder(1)}/dump.rdb`]: 'REDIS' }),
    () => fixture.write({ [`${folder(1)}/db`]: 'SQLite format 3\0', [`${folder(1)}/db-wal`]: 'log' }),
  ];
  for (const change of changes) {
    fixture.write({ [`${folder(1)}/only`]: 'once' });
    const made = await change();
    const first = await fixture.capture(await fixture.source());
    const without = (await parts(fixture, first)).filter(({ seen }) => seen === undefined);
    expect(without.length).toBeGreaterThan(0);
    const second = await fixture.capture(await fixture.source(), { parent: asParent(first) });
    expect(second.databasesSeen).toEqual(first.databasesSeen);
    expect(second.findings).toEqual(first.findings);
    expect(await parts(fixture, second)).toEqual(await parts(fixture, first));
    if (made instanceof Server) made.close();
    for (const name of ['socket', 'only', 'second', 'dump.rdb', 'db', 'db-wal'])
      rmSync(join(fixture.tree, folder(1), name), { force: true });
  }
});

test("a folder that has become this tool's own is left out of parts that did not change", async () => {
  await using fixture = new TreeFixture();
  many(fixture);
  const first = await fixture.capture(await fixture.source());
  const { dev, ino } = statSync(join(fixture.tree, 'd30'), { bigint: true });
  for (const own of [{ neverCapture: [{ device: String(dev), inode: String(ino) }] }, { neverCapturePaths: ['d30'] }]) {
    const next = await fixture.capture(await fixture.source(), { parent: asParent(first), ...own });
    expect((await fixture.paths(next)).some((path) => path.startsWith('d30'))).toBe(false);
    const again = await fixture.capture(await fixture.source(), { parent: asParent(next), ...own });
    expect(again.findings).toMatchObject([{ code: 'own-folder' }]);
  }
});

test('files that come at the end night by night leave no more parts and segments than if all had been there at once', async () => {
  await using fixture = new TreeFixture();
  many(fixture);
  let parent = await fixture.capture(await fixture.source());
  for (let night = 0; night < 4; night += 1) {
    fixture.write({ [`z/${night}`]: 'new' });
    parent = await fixture.capture(await fixture.source(), { parent: asParent(parent) });
  }
  const anew = await fixture.capture(await fixture.source());
  expect(parent.artifacts.map(({ segments }) => segments)).toEqual(anew.artifacts.map(({ segments }) => segments));
  await assertAsIfAnew(fixture, parent);
});

test.each(['missing', 'damaged'])('where a later page of the older catalogue is %s nothing is taken over twice', async (problem) => {
  await using fixture = new TreeFixture();
  many(fixture);
  const first = await fixture.capture(await fixture.source());
  const { writer } = fixture;
  const segments = writer.segments.bind(writer);
  async function* damaged(artifact: Parameters<typeof segments>[0]): AsyncGenerator<Segment> {
    for await (const segment of segments(artifact)) {
      yield segment;
      throw new McadsError('damaged', `a page is ${problem}`, { context: { problem } });
    }
  }
  writer.segments = (artifact) => (artifact.name === 'catalogue' ? damaged(artifact) : segments(artifact));
  const second = await fixture.capture(await fixture.source(), { parent: asParent(first) });
  writer.segments = segments;
  expect(second).toMatchObject({ segmentsRead: 0, bytes: first.bytes });
  await assertAsIfAnew(fixture, second);
});

test('a part with a time that may still be given to another change is looked at', async () => {
  await using fixture = new TreeFixture();
  many(fixture);
  const first = await fixture.capture(await fixture.source());
  // The clock went back behind the changes.
  const { source, looked } = await counting(fixture, (real) => ({ sync: async (signal) => (await real.sync(signal)) - 3600 }));
  await fixture.capture(source, { parent: asParent(first) });
  expect(looked()).toBe(FILES + 61);
});

test('a log that appears beside the last file of a part that did not change makes that a suspect', async () => {
  await using fixture = new TreeFixture();
  const header = 'SQLite format 3\0';
  fixture.write(Object.fromEntries(Array.from({ length: FILES }, (_, i) => [`d/${10_000 + i}.db`, header])));
  const first = await fixture.capture(await fixture.source());
  const begins = (await parts(fixture, first)).map(({ first: path }) => path ?? '');
  const [, second = '', third = ''] = begins;
  expect(third).toMatch(/^d\/\d+\.db$/);
  const last = `d/${Number(third.slice(2, -3)) - 1}.db`;
  fixture.write({ [`${last}-wal`]: 'log' });
  const { source, looked } = await counting(fixture);
  const next = await fixture.capture(source, { parent: asParent(first) });
  expect(next.databasesSeen).toEqual([{ engine: 'sqlite', path: last }]);
  // The part that ends with it was passed over.
  const inPart = Number(third.slice(2, -3)) - Number(second.slice(2, -3));
  expect(looked()).toBeLessThanOrEqual(FILES + 3 - inPart);
  await assertAsIfAnew(fixture, next);
});

test('a part of which a chunk is gone, of the data or of the catalogue, is made anew', async () => {
  await using fixture = new TreeFixture();
  many(fixture);
  const first = await fixture.capture(await fixture.source());
  const [data, catalogue] = first.artifacts;
  if (data === undefined || catalogue === undefined) throw new Error('a tree has two artifacts');
  for (const artifact of [data, catalogue]) {
    const segments = await Array.fromAsync(fixture.writer.segments(artifact));
    const gone = segments[segments.length >> 1]?.chunks[0]?.[0] ?? '';
    const canReuse = fixture.writer.canReuse.bind(fixture.writer);
    fixture.writer.canReuse = (segment) => canReuse(segment) && !segment.chunks.some(([id]) => id === gone);
    const { source, looked } = await counting(fixture);
    const next = await fixture.capture(source, { parent: asParent(first) });
    expect(looked()).toBeGreaterThan(0);
    expect(looked()).toBeLessThan(FILES);
    expect(next.segmentsRead).toBe(artifact === data ? 1 : 0);
    fixture.writer.canReuse = canReuse;
    await assertAsIfAnew(fixture, next);
  }
});

test('what was passed over may hold the file beside which a log lies', () => {
  const watch = new DatabaseWatch();
  expect(watch.see({ path: 'a/db-wal', type: 'f', size: 1 })).toBe(true);
  expect(watch.suspectsIn('', 'z')).toEqual([]);
  watch.passOver('b/db-wal');
  watch.see({ path: 'b/db-wal', type: 'f', size: 1 });
  expect(watch.see({ path: 'b/text', type: 'f', size: 1 })).toBe(false);
  watch.see({ path: 'c/db-wal', type: 'f', size: 1 });
  expect(watch.suspectsIn('', 'z')).toEqual(['b/db']);
});
