import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SnapshotWriter } from '../../src/domain/ports.ts';
import { McadsError } from '../../src/errors.ts';
import { decodeObject } from '../../src/repository/object-codec.ts';
import { openRepository } from '../../src/repository/open-repository.ts';
import { canMount, mountExt4 } from '../support/filesystem-image.ts';
import { backUp, makeManifest, NEVER, noise, putArtifact, readBack, toComponentId } from '../support/repository-fixture.ts';

const FIRST = 'shop_backup_20260101_000000';
const SECOND = 'shop_backup_20260102_000000';

describe.runIf(await canMount())('a power cut (ext4 in a file, shut down without flushing page cache or journal; needs root)', () => {
  test('takes the bytes of files that were renamed without a flush: what the other tests here would see if nothing were flushed', async () => {
    await using disk = await mountExt4(64);
    await mkdir(join(disk.path, 'chunks'));
    await writeFile(join(disk.path, 'chunks/temporary'), noise(1, 100_000));
    await rename(join(disk.path, 'chunks/temporary'), join(disk.path, 'chunks/name'));
    await cutPowerUnder(disk);
    const left = await readFile(join(disk.path, 'chunks/name')).catch(() => Buffer.alloc(0));
    expect(left.equals(noise(1, 100_000))).toBe(false);
  });

  test('right after commit leaves the snapshot whole: few files, flushed one by one', async () => {
    await using disk = await mountExt4(64);
    const path = join(disk.path, 'repository');
    const contents = { 'volume/media': noise(1, 5_000_000), config: noise(2, 10) };
    {
      await using repository = await openRepository({ path, mode: 'write', create: true });
      await using writer = await repository.begin(FIRST, 'shop', NEVER);
      const components = [];
      for (const [id, bytes] of Object.entries(contents))
        components.push({ id: toComponentId(id), artifacts: [await putArtifact(writer, bytes)] });
      await writer.commit(makeManifest(repository.id, FIRST, components), 'ok\n');
      await cutPowerUnder(disk, writer, repository);
    }
    await using repository = await openRepository({ path, mode: 'write', create: false });
    expect(await readBack(repository, FIRST)).toEqual(contents);
    expect((await repository.verify({ readData: true, signal: NEVER })).damaged).toEqual([]);
    expect((await readdir(join(path, 'snapshots', FIRST))).toSorted()).toEqual([
      'manifest.json',
      'manifest.json.sha256',
      'verification.txt',
    ]);
  });

  test('right after commit leaves the snapshot whole: many files, flushed with their filesystem', async () => {
    await using disk = await mountExt4(64);
    const path = join(disk.path, 'repository');
    {
      await using repository = await openRepository({ path, mode: 'write', create: true });
      await using writer = await repository.begin(FIRST, 'shop', NEVER);
      const artifact = await putMany(writer, 300);
      await writer.commit(makeManifest(repository.id, FIRST, [{ id: toComponentId('config'), artifacts: [artifact] }]), 'ok\n');
      await cutPowerUnder(disk, writer, repository);
    }
    await using repository = await openRepository({ path, mode: 'write', create: false });
    const { config } = await readBack(repository, FIRST);
    expect(config?.equals(Buffer.concat(Array.from({ length: 300 }, (_, i) => noise(i, 1000 + i))))).toBe(true);
  });

  test('in the middle of a backup leaves only whole names, the older snapshot, and a repository that goes on', async () => {
    await using disk = await mountExt4(128);
    const path = join(disk.path, 'repository');
    const older = { config: noise(2, 1000) };
    for (const [round, megabytes] of [3, 9, 15].entries()) {
      const name = `shop_backup_20260105_00000${round}`;
      {
        await using repository = await openRepository({ path, mode: 'write', create: true, flushBytes: 4_000_000 });
        if (round === 0) await backUp(repository, FIRST, older);
        await using writer = await repository.begin(name, 'shop', NEVER);
        await putArtifact(writer, noise(100 + round, megabytes * 1_000_000));
        await cutPowerUnder(disk, writer, repository);
      }
      await assertNamesWhole(path);
      await using repository = await openRepository({ path, mode: 'write', create: false });
      expect((await repository.inventory()).damaged).toEqual([]);
      expect((await repository.snapshots()).map((snapshot) => snapshot.name)).toEqual([FIRST]);
      expect(await readBack(repository, FIRST)).toEqual(older);
    }
    await using repository = await openRepository({ path, mode: 'write', create: false });
    await backUp(repository, SECOND, { 'volume/media': noise(100, 3_000_000) });
    expect(await readBack(repository, SECOND)).toEqual({ 'volume/media': noise(100, 3_000_000) });
    expect(await readdir(join(path, 'incoming'))).toEqual([]);
  });
});

async function putMany(writer: SnapshotWriter, count: number) {
  const artifact = writer.artifact('data', 'sql');
  for (let i = 0; i < count; i += 1) {
    await writer.room();
    const { ref } = await writer.putChunk(noise(i, 1000 + i));
    await artifact.add({ fingerprint: null, bytes: ref[1], chunks: [ref] });
  }
  return artifact.finish();
}

/** The run notices that its disk is gone when it cleans up; in a real power cut nobody is there to notice. */
async function cutPowerUnder(disk: Awaited<ReturnType<typeof mountExt4>>, ...open: readonly AsyncDisposable[]): Promise<void> {
  await disk.stopWriting();
  for (const resource of open) {
    try {
      await resource[Symbol.asyncDispose]();
    } catch (error) {
      if (!(error instanceof McadsError)) throw error;
    }
  }
  await disk.comeBack();
}

async function assertNamesWhole(path: string): Promise<void> {
  for (const area of ['chunks', 'segments']) {
    for (const entry of await readdir(join(path, area), { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) await decodeObject(await readFile(join(entry.parentPath, entry.name)), entry.name, null);
    }
  }
}
