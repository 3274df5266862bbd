import { mkdir, readFile, readdir, rename, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openRepository } from '../../src/repository/open-repository.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { backUp, NEVER, noise, readBack, removeManifestCopy } from '../support/repository-fixture.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const FIRST = 'shop_backup_20260101_000000';
const SECOND = 'shop_backup_20260102_000000';
const SHARED = noise(1, 3000);
const ONLY_SECOND = noise(2, 3000);

async function withRepository(work: (repository: Repository, path: string) => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder();
  await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
  await backUp(repository, FIRST, { 'volume/media': SHARED });
  await backUp(repository, SECOND, { 'volume/media': SHARED, config: ONLY_SECOND });
  await work(repository, folder.path);
}

async function chunkOf(repository: Repository, snapshot: string, component: string): Promise<string> {
  const artifact = (await repository.manifest(snapshot)).components.find(({ id }) => id === component)?.artifacts[0];
  if (artifact === undefined) throw new Error('no artifact');
  const [segment] = await Array.fromAsync(repository.segments(artifact, NEVER));
  return segment?.chunks[0]?.[0] ?? '';
}

function pathOf(root: string, area: 'chunks' | 'segments', id: string): string {
  return join(root, area, id.slice(0, 2), id);
}

describe('verify', () => {
  test('counts what it looked at, once each, and finds nothing in a sound repository', async () => {
    await withRepository(async (repository) => {
      expect(await repository.verify({ readData: false, signal: NEVER })).toEqual({
        checked: { snapshots: 2, pages: 2, chunks: 2, bytes: 6000 },
        damaged: [],
      });
      expect(await repository.verify({ readData: true, signal: NEVER })).toEqual({
        checked: { snapshots: 2, pages: 2, chunks: 2, bytes: 6000 },
        damaged: [],
      });
    });
  });

  test.for<[string, boolean, 'missing' | 'damaged', (path: string) => Promise<void>]>([
    ['is missing', false, 'missing', unlink],
    ['is empty, as after a power cut', false, 'damaged', (path) => truncate(path, 0)],
    ['has other content', true, 'damaged', (path) => writeFile(path, noise(5, 2000))],
    ['has a flipped bit', true, 'damaged', flipBit],
  ])('names a chunk that %s, with every snapshot and component that needs it', async ([, readData, problem, damage]) => {
    await withRepository(async (repository, path) => {
      const id = await chunkOf(repository, FIRST, 'volume/media');
      await damage(pathOf(path, 'chunks', id));
      const { damaged, checked } = await repository.verify({ readData, signal: NEVER });
      expect(damaged).toMatchObject([{ kind: 'chunk', id, problem, affects: [FIRST, 'volume/media', SECOND] }]);
      expect(checked.chunks).toBe(1);
    });
  });

  test('names every one of many damaged chunks, and counts the others', async () => {
    await using folder = await temporaryFolder();
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    const ids = Array.from({ length: 150 }, (_, at) => `volume/v${at}`);
    await backUp(repository, FIRST, Object.fromEntries(ids.map((id, at) => [id, noise(at + 10, 2000 + at)])));
    const spoiled: [number, string, (path: string) => Promise<void>][] = [
      [3, 'damaged', flipBit],
      [4, 'damaged', (path) => truncate(path, 500)],
      [70, 'missing', unlink],
      [
        149,
        'damaged',
        async (path) => writeFile(path, await readFile(pathOf(folder.path, 'chunks', await chunkOf(repository, FIRST, 'volume/v5')))),
      ],
    ];
    const expected = await Promise.all(
      spoiled.map(async ([at, problem, damage]) => {
        const id = await chunkOf(repository, FIRST, `volume/v${at}`);
        await damage(pathOf(folder.path, 'chunks', id));
        return expect.objectContaining({ kind: 'chunk', id, problem, affects: [FIRST, `volume/v${at}`] });
      }),
    );
    const { damaged, checked } = await repository.verify({ readData: true, signal: NEVER });
    expect(damaged).toHaveLength(expected.length);
    expect(damaged).toEqual(expect.arrayContaining(expected));
    expect(checked.chunks).toBe(146);
  });

  test('sets a damaged chunk aside, its segment is not reused, and the next backup stores it again', async () => {
    await withRepository(async (repository, path) => {
      const id = await chunkOf(repository, FIRST, 'volume/media');
      await flipBit(pathOf(path, 'chunks', id));
      await repository.verify({ readData: true, signal: NEVER });
      expect(await readdir(join(path, 'chunks', id.slice(0, 2)))).toContain(`${id}.bad`);
      expect((await repository.verify({ readData: true, signal: NEVER })).damaged).toMatchObject([{ id, problem: 'missing' }]);
      {
        await using writer = await repository.begin('shop_backup_20260103_000000', 'shop', NEVER);
        expect(writer.canReuse({ fingerprint: 'f', bytes: 3000, chunks: [[id, 3000]] })).toBe(false);
        expect(await writer.putChunk(new Uint8Array(SHARED))).toMatchObject({ isNew: true });
      }
      await backUp(repository, 'shop_backup_20260104_000000', { 'volume/media': SHARED });
      expect((await repository.verify({ readData: true, signal: NEVER })).damaged).toEqual([]);
      expect(await readBack(repository, FIRST)).toEqual({ 'volume/media': SHARED });
      // The spoiled copy stays while a snapshot needs its id: it may be all that is left.
      await repository.prune({ policy: {}, dryRun: false, sweep: 'always', gracePeriodMs: -1000, signal: NEVER });
      expect(await readdir(join(path, 'chunks', id.slice(0, 2)))).toContain(`${id}.bad`);
    });
  });

  test('leaves a damaged chunk in its place while a backup runs that may rely on it', async () => {
    await withRepository(async (repository, path) => {
      const id = await chunkOf(repository, FIRST, 'volume/media');
      await flipBit(pathOf(path, 'chunks', id));
      {
        await using writer = await repository.begin('shop_backup_20260103_000000', 'shop', NEVER);
        expect((await repository.verify({ readData: true, signal: writer.signal })).damaged).toHaveLength(1);
        expect(await readdir(join(path, 'chunks', id.slice(0, 2)))).toEqual([id]);
      }
      await repository.verify({ readData: true, signal: NEVER });
      expect(await readdir(join(path, 'chunks', id.slice(0, 2)))).toEqual([`${id}.bad`]);
    });
  });

  test('names a page that is cut short or missing, and whose data is lost with it', async () => {
    await withRepository(async (repository, path) => {
      const page = (await repository.manifest(SECOND)).components.find(({ id }) => id === 'config')?.artifacts[0]?.pages[0] ?? '';
      await truncate(pathOf(path, 'segments', page), 30);
      await expect(readBack(repository, SECOND)).rejects.toMatchObject({
        code: 'damaged',
        message: expect.stringContaining(`page ${page}, needed by config in ${SECOND}`) as string,
      });
      expect((await repository.verify({ readData: false, signal: NEVER })).damaged).toMatchObject([
        { kind: 'page', id: page, problem: 'damaged', affects: [SECOND, 'config'] },
      ]);
      expect((await repository.verify({ readData: false, signal: NEVER })).damaged).toMatchObject([
        { kind: 'page', id: page, problem: 'missing' },
      ]);
      expect(await readBack(repository, FIRST)).toEqual({ 'volume/media': SHARED });
    });
  });

  test('goes on where the disk does not give a page', async () => {
    await withRepository(async (repository, path) => {
      const artifact = (await repository.manifest(FIRST)).components.find(({ id }) => id === 'volume/media')?.artifacts[0];
      const page = artifact?.pages[0] ?? '';
      await rm(join(path, 'segments', page.slice(0, 2), page));
      await mkdir(join(path, 'segments', page.slice(0, 2), page));
      const { damaged, checked } = await repository.verify({ readData: true, signal: NEVER });
      expect(damaged).toMatchObject([{ kind: 'page', id: page, problem: 'unreadable' }]);
      expect(checked.snapshots).toBe(2);
    });
  });

  test('names a manifest that is damaged or lost, and still checks the others', async () => {
    await withRepository(async (repository, path) => {
      const manifest = join(path, 'snapshots', FIRST, 'manifest.json');
      await removeManifestCopy(path, FIRST);
      await flipBit(manifest);
      expect(await repository.verify({ readData: true, signal: NEVER })).toMatchObject({
        checked: { snapshots: 1, chunks: 2 },
        damaged: [{ kind: 'manifest', id: FIRST, problem: 'damaged' }],
      });
      await unlink(manifest);
      expect((await repository.verify({ readData: true, signal: NEVER })).damaged).toMatchObject([
        { kind: 'manifest', id: FIRST, problem: 'missing', affects: [FIRST] },
      ]);
    });
  });

  test('reads the same sample for the same seed, and every chunk in some sample', async () => {
    await using folder = await temporaryFolder();
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    const contents = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`files/${i}`, noise(i, 100 + i)]));
    await backUp(repository, FIRST, contents);
    const sample = (percent: number, seed: string) => repository.verify({ readData: true, sample: { percent, seed }, signal: NEVER });
    const half = await sample(50, 'a');
    expect(half).toEqual(await sample(50, 'a'));
    expect(half.checked.chunks).toBeGreaterThan(10);
    expect(half.checked.chunks).toBeLessThan(50);
    expect(half.checked.bytes).not.toBe((await sample(50, 'b')).checked.bytes);
    expect((await sample(100, 'a')).checked.chunks).toBe(60);
    expect((await sample(0, 'a')).checked.chunks).toBe(0);
  });

  test('stops when asked to', async () => {
    await withRepository(async (repository) => {
      await expect(repository.verify({ readData: true, signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
    });
  });
});

async function flipBit(path: string): Promise<void> {
  const bytes = await readFile(path);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await writeFile(`${path}.new`, bytes);
  await rename(`${path}.new`, path);
}
