import { mkdir, readdir, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openRepository } from '../../src/repository/open-repository.ts';
import type { PruneOptions } from '../../src/repository/prune.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { sha256Hex } from '../../src/stream/digest.ts';
import {
  backUp,
  makeManifest,
  NEVER,
  noise,
  putArtifact,
  readBack,
  toComponentId,
  removeManifestCopy,
} from '../support/repository-fixture.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const day = (n: number): string => `shop_backup_202601${String(n).padStart(2, '0')}_000000`;
/** Chunks here are young and few. */
const ALL: Pick<PruneOptions, 'sweep' | 'gracePeriodMs' | 'signal'> = { sweep: 'always', gracePeriodMs: -1000, signal: NEVER };

async function withSnapshots(count: number, work: (repository: Repository, path: string) => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder();
  await using repository = await openRepository({ path: folder.path, mode: 'write', create: true, lockTimeoutMs: 100 });
  for (let n = 1; n <= count; n += 1) await backUp(repository, day(n), { config: noise(1, 5000), 'volume/media': noise(n, 50_000) });
  await work(repository, folder.path);
}

async function objectCount(path: string): Promise<number> {
  let count = 0;
  for (const area of ['chunks', 'segments'])
    count += (await readdir(join(path, area), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).length;
  return count;
}

describe('prune', () => {
  test('removes what the policy drops, with the reason for each, and what only that needed', async () => {
    await withSnapshots(4, async (repository, path) => {
      const before = await repository.stats(NEVER);
      const report = await repository.prune({ policy: { last: 2 }, dryRun: false, ...ALL });
      expect(report.snapshots).toEqual([
        { name: day(1), kept: false, reason: 'not kept by keep-last 2' },
        { name: day(2), kept: false, reason: 'not kept by keep-last 2' },
        { name: day(3), kept: true, reason: 'last' },
        { name: day(4), kept: true, reason: 'last' },
      ]);
      expect(await readdir(join(path, 'snapshots'))).toEqual([day(3), day(4)]);
      expect(await readBack(repository, day(3))).toEqual({ config: noise(1, 5000), 'volume/media': noise(3, 50_000) });
      const after = await repository.stats(NEVER);
      expect(report.freedBytes).toBe(before.storedBytes - after.storedBytes);
      expect(after).toMatchObject({ snapshots: 2, chunks: 3, garbageBytes: 0, plainBytes: 105_000, logicalBytes: 110_000 });
      expect((await repository.verify({ readData: true, signal: NEVER })).damaged).toEqual([]);
    });
  });

  test('on trial tells the same and changes nothing', async () => {
    await withSnapshots(3, async (repository, path) => {
      const count = await objectCount(path);
      const trial = await repository.prune({ policy: { last: 1 }, dryRun: true, ...ALL });
      expect(await objectCount(path)).toBe(count);
      expect(await repository.snapshots()).toHaveLength(3);
      expect(await repository.prune({ policy: { last: 1 }, dryRun: false, ...ALL })).toEqual(trial);
    });
  });

  test('leaves garbage lying until it is a tenth of the bytes, and young objects always', async () => {
    await withSnapshots(1, async (repository, path) => {
      await backUp(repository, day(2), { config: noise(1, 5000), 'volume/media': noise(1, 50_000), 'files/x': noise(9, 2000) });
      await backUp(repository, day(3), { config: noise(1, 5000), 'volume/media': noise(1, 50_000), 'files/x': noise(8, 2000) });
      const little = await repository.prune({ policy: { last: 1 }, dryRun: false, gracePeriodMs: -1000, signal: NEVER });
      expect(little).toMatchObject({ freedBytes: 0 });
      expect(little.garbageBytes).toBeGreaterThan(1900);
      const count = await objectCount(path);
      expect(await repository.prune({ policy: { last: 1 }, dryRun: false, sweep: 'always', signal: NEVER })).toEqual({
        ...little,
        snapshots: [{ name: day(3), kept: true, reason: 'last' }],
      });
      expect(await objectCount(path)).toBe(count);
      expect(await repository.prune({ policy: { last: 1 }, dryRun: false, ...ALL })).toMatchObject({
        freedBytes: little.garbageBytes,
        garbageBytes: 0,
      });
    });
  });

  test.for([
    [10, false],
    [100, true],
  ] as const)(
    'of thousands of objects of %i bytes that nobody needs a sample tells whether they are a tenth: %s',
    async ([bytes, isDue]) => {
      await withSnapshots(1, async (repository, path) => {
        await backUp(repository, day(2), { config: noise(5, 1_000_000) });
        const before = await objectCount(path);
        for (let number = 0; number < 5000; number += 1) {
          const id = sha256Hex(Buffer.from(String(number)));
          await mkdir(join(path, 'chunks', id.slice(0, 2)), { recursive: true });
          await writeFile(join(path, 'chunks', id.slice(0, 2), id), new Uint8Array(bytes));
        }
        const report = await repository.prune({ policy: { last: 2 }, dryRun: false, gracePeriodMs: -60_000, signal: NEVER });
        const [freedBytes, garbageBytes] = isDue ? [5000 * bytes, 0] : [0, 5000 * bytes];
        expect(report).toMatchObject({ freedBytes, garbageBytes });
        expect(await objectCount(path)).toBe(isDue ? before : before + 5000);
      });
    },
  );

  test('pages that nobody needs count however many chunks nobody needs', async () => {
    await withSnapshots(1, async (repository, path) => {
      await backUp(repository, day(2), { config: noise(5, 1_000_000) });
      for (let number = 0; number < 3000; number += 1) {
        const id = sha256Hex(Buffer.from(String(number)));
        const place = number % 15 === 0 ? join(path, 'segments', id.slice(0, 2)) : join(path, 'chunks', id.slice(0, 2));
        await mkdir(place, { recursive: true });
        await writeFile(join(place, id), new Uint8Array(number % 15 === 0 ? 1000 : 1));
      }
      const report = await repository.prune({ policy: { last: 2 }, dryRun: false, gracePeriodMs: -60_000, signal: NEVER });
      expect(report).toMatchObject({ freedBytes: 200 * 1000 + 2800, garbageBytes: 0 });
    });
  });

  test('keeps the newest snapshot of every component, and what nobody asked about', async () => {
    await withSnapshots(1, async (repository) => {
      await backUp(repository, day(2), { config: noise(1, 10) });
      await backUp(repository, 'blog_backup_20250101_000000', { config: noise(1, 10) });
      await backUp(repository, 'shop_system_backup_20250101_000000', { config: noise(1, 10) });
      await backUp(repository, day(3), { config: noise(2, 10) });
      const { snapshots } = await repository.prune({ policy: { last: 1 }, project: 'shop', strategy: 'docker', dryRun: false, ...ALL });
      expect(snapshots).toEqual([
        { name: day(1), kept: true, reason: 'newest snapshot with volume/media' },
        { name: day(2), kept: false, reason: 'not kept by keep-last 1' },
        { name: day(3), kept: true, reason: 'last' },
      ]);
      expect(await repository.snapshots()).toHaveLength(4);
    });
  });

  test.for<[string, (repository: Repository, path: string) => Promise<void>]>([
    [
      'manifest is damaged',
      async (_repository, path) => {
        await removeManifestCopy(path, day(1));
        await truncate(join(path, 'snapshots', day(1), 'manifest.json'), 50);
      },
    ],
    [
      'manifest is lost',
      async (_repository, path) => {
        await removeManifestCopy(path, day(1));
        await unlink(join(path, 'snapshots', day(1), 'manifest.json'));
      },
    ],
    ['page is missing', async (repository, path) => unlink(join(path, 'segments', await pageOf(repository, day(1))))],
    [
      'page of a snapshot to be removed is cut short',
      async (repository, path) => truncate(join(path, 'segments', await pageOf(repository, day(1))), 20),
    ],
    [
      'page of a snapshot to be kept is cut short',
      async (repository, path) => truncate(join(path, 'segments', await pageOf(repository, day(3))), 20),
    ],
  ])('deletes nothing while a %s', async ([, damage]) => {
    await withSnapshots(3, async (repository, path) => {
      await damage(repository, path);
      const count = await objectCount(path);
      const error = await repository.prune({ policy: { last: 1 }, dryRun: false, ...ALL }).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'damaged', message: expect.stringContaining('nothing was pruned') as string });
      expect(await objectCount(path)).toBe(count);
      expect(await readdir(join(path, 'snapshots'))).toHaveLength(3);
    });
  });

  test.for<[string, (file: string) => Promise<void>]>([
    ['damaged', (file) => truncate(file, 50)],
    ['lost', unlink],
  ])('takes the copy of a manifest that is %s for it', async ([, damage]) => {
    await withSnapshots(3, async (repository, path) => {
      for (const name of [day(1), day(3)]) await damage(join(path, 'snapshots', name, 'manifest.json'));
      const { snapshots } = await repository.prune({ policy: { last: 1 }, dryRun: false, ...ALL });
      expect(snapshots.map(({ kept }) => kept)).toEqual([false, false, true]);
      expect(await readdir(join(path, 'snapshots'))).toEqual([day(3)]);
      expect((await repository.verify({ readData: true, signal: NEVER })).damaged).toMatchObject([{ kind: 'manifest', id: day(3) }]);
      expect((await repository.verify({ readData: true, signal: NEVER })).damaged).toEqual([]);
    });
  });

  test('goes on once the damaged snapshot has been removed by hand', async () => {
    await withSnapshots(3, async (repository, path) => {
      await removeManifestCopy(path, day(1));
      await truncate(join(path, 'snapshots', day(1), 'manifest.json'), 50);
      await repository.removeSnapshot(day(1), NEVER);
      await expect(repository.removeSnapshot(day(1), NEVER)).rejects.toMatchObject({ code: 'no-snapshot' });
      expect((await repository.prune({ policy: { last: 1 }, dryRun: false, ...ALL })).snapshots.map(({ kept }) => kept)).toEqual([
        false,
        true,
      ]);
      expect((await repository.verify({ readData: true, signal: NEVER })).damaged).toEqual([]);
    });
  });

  test('waits for a running backup and refuses beside it; afterwards everything of that backup is there', async () => {
    await withSnapshots(3, async (repository) => {
      {
        await using writer = await repository.begin(day(4), 'shop', NEVER);
        const parent = writer.parentOf('volume/media');
        const reused = parent?.components.find(({ id }) => id === 'volume/media')?.artifacts[0];
        if (reused === undefined) throw new Error('no parent');
        await expect(repository.prune({ policy: { last: 1 }, dryRun: false, ...ALL })).rejects.toMatchObject({ code: 'locked' });
        // A dry run needs no lock, and knows what the backup builds on.
        const { snapshots } = await repository.prune({ policy: { last: 1 }, dryRun: true, ...ALL });
        expect(snapshots.at(-1)).toMatchObject({ name: day(3), kept: true });
        await writer.commit(makeManifest(repository.id, day(4), [{ id: toComponentId('volume/media'), artifacts: [reused] }]), '');
      }
      await repository.prune({ policy: { last: 1 }, dryRun: false, ...ALL });
      expect(await readBack(repository, day(4))).toEqual({ 'volume/media': noise(3, 50_000) });
    });
  });

  test('clears away what runs left that died in their commit', async () => {
    await withSnapshots(1, async (repository, path) => {
      await mkdir(join(path, 'snapshots', day(2)));
      await mkdir(join(path, 'snapshots', day(3)));
      await writeFile(join(path, 'snapshots', day(3), '.manifest.json.0a1b2c.tmp'), '{');
      expect((await repository.inventory()).snapshots.map(({ name }) => name)).toEqual([day(1)]);
      await repository.prune({ policy: { last: 1 }, dryRun: false, ...ALL });
      expect(await readdir(join(path, 'snapshots'))).toEqual([day(1)]);
    });
  });

  test('keeps the last classic archives and their verification files, and touches no other file', async () => {
    await withSnapshots(1, async (repository, path) => {
      for (const n of [1, 2, 3]) {
        await writeFile(join(path, `mcads_system_backup_2025080${n}_000000.tar.gz`), 'archive');
        await writeFile(join(path, `mcads_system_backup_2025080${n}_000000_verification.txt`), 'ok');
      }
      await mkdir(join(path, 'restore_20250801_000000'));
      const { classic, freedBytes } = await repository.prune({ policy: { last: 2 }, dryRun: false, signal: NEVER });
      expect(classic.map(({ kept }) => kept)).toEqual([false, true, true]);
      expect(freedBytes).toBe(7);
      expect((await readdir(path)).filter((name) => name.startsWith('mcads_'))).toHaveLength(4);
      expect(await readdir(path)).toContain('restore_20250801_000000');
    });
  });
});

describe('two backups at once', () => {
  test('of different projects share chunks and are both whole', async () => {
    await using folder = await temporaryFolder();
    await using one = await openRepository({ path: folder.path, mode: 'write', create: true });
    await using two = await openRepository({ path: folder.path, mode: 'write', create: true });
    const contents = (n: number) => ({ 'volume/media': Buffer.concat([noise(1, 4_000_000), noise(n, 3_000_000)]), config: noise(n, 100) });
    await Promise.all([backUp(one, day(1), contents(2)), backUp(two, 'blog_backup_20260101_000000', contents(3))]);
    expect(await readBack(one, day(1))).toEqual(contents(2));
    expect(await readBack(one, 'blog_backup_20260101_000000')).toEqual(contents(3));
    expect((await one.verify({ readData: true, signal: NEVER })).damaged).toEqual([]);
    expect(await readdir(join(folder.path, 'incoming'))).toEqual([]);
  });

  test('do not take each other’s unflushed objects for those of a dead run', async () => {
    await using folder = await temporaryFolder();
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
    await using first = await repository.begin(day(1), 'shop', NEVER);
    const artifact = await putArtifact(first, noise(1, 100_000));
    await backUp(repository, day(2), { config: noise(2, 10) });
    await first.commit(makeManifest(repository.id, day(1), [{ id: toComponentId('config'), artifacts: [artifact] }]), '');
    expect(await readBack(repository, day(1))).toEqual({ config: noise(1, 100_000) });
  });

  test('a backup whose parents’ chunks were taken away meanwhile is not committed', async () => {
    await withSnapshots(2, async (repository, path) => {
      await using writer = await repository.begin(day(3), 'shop', NEVER);
      const reused = writer.parentOf('volume/media')?.components.find(({ id }) => id === 'volume/media')?.artifacts[0];
      if (reused === undefined) throw new Error('no parent');
      const [segment] = await Array.fromAsync(writer.segments(reused));
      const id = segment?.chunks[0]?.[0] ?? '';
      // What a prune with a wrong clock would do.
      await unlink(join(path, 'chunks', id.slice(0, 2), id));
      for (const file of ['manifest.json.sha256', 'manifest.json']) await unlink(join(path, 'snapshots', day(1), file));
      await expect(
        writer.commit(makeManifest(repository.id, day(3), [{ id: toComponentId('volume/media'), artifacts: [reused] }]), ''),
      ).rejects.toMatchObject({ code: 'store-failed', message: expect.stringContaining(id) as string });
      expect((await repository.snapshots()).map(({ name }) => name)).toEqual([day(2)]);
    });
  });
});

async function pageOf(repository: Repository, snapshot: string): Promise<string> {
  const id =
    (await repository.manifest(snapshot)).components.find((component) => component.id === 'volume/media')?.artifacts[0]?.pages[0] ?? '';
  return `${id.slice(0, 2)}/${id}`;
}
