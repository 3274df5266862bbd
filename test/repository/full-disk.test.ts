import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openRepository } from '../../src/repository/open-repository.ts';
import { canMount, mountTmpfs } from '../support/filesystem-image.ts';
import { backUp, NEVER, noise, readBack } from '../support/repository-fixture.ts';

const FIRST = 'shop_backup_20260101_000000';
const SECOND = 'shop_backup_20260102_000000';

describe.runIf(await canMount())('a disk (needs root, to mount one of its own)', () => {
  test('that fills up ends the backup as store-failed, commits nothing, and keeps what was there', async () => {
    await using disk = await mountTmpfs('8m');
    const path = join(disk.path, 'repository');
    await using repository = await openRepository({ path, mode: 'write', create: true });
    const small = { config: noise(1, 1_000_000) };
    await backUp(repository, FIRST, small);
    for (let seed = 10; seed < 12; seed += 1) {
      await expect(backUp(repository, SECOND, { 'volume/media': noise(seed, 20_000_000) })).rejects.toMatchObject({
        code: 'store-failed',
        context: { errno: 'ENOSPC' },
      });
    }
    expect((await repository.snapshots()).map(({ name }) => name)).toEqual([FIRST]);
    expect(await readdir(join(path, 'incoming'))).toEqual([]);
    expect(await readBack(repository, FIRST)).toEqual(small);
    expect((await repository.verify({ readData: true, signal: NEVER })).damaged).toEqual([]);

    await disk.remount('size=64m');
    const large = { 'volume/media': noise(10, 20_000_000) };
    await backUp(repository, SECOND, large);
    expect(await readBack(repository, SECOND)).toEqual(large);
  });

  test('with no byte left for a lock or a manifest is told as full too', async () => {
    await using disk = await mountTmpfs('400k');
    await expect(
      (async () => {
        await using repository = await openRepository({ path: join(disk.path, 'repository'), mode: 'write', create: true });
        for (let day = 10; day < 30; day += 1) await backUp(repository, `shop_backup_202601${day}_000000`, { config: noise(day, 30_000) });
      })(),
    ).rejects.toMatchObject({ code: 'store-failed' });
    await using repository = await openRepository({ path: join(disk.path, 'repository'), mode: 'read', create: false });
    expect((await repository.inventory()).damaged).toEqual([]);
    for (const { name } of await repository.snapshots()) await readBack(repository, name);
  });

  test('that is read-only is read; writing is refused as store-failed with nothing changed', async () => {
    await using disk = await mountTmpfs('8m');
    const path = join(disk.path, 'repository');
    await using made = await openRepository({ path, mode: 'write', create: true });
    await backUp(made, FIRST, { config: noise(1, 1000) });
    await disk.remount('ro');
    await expect(openRepository({ path, mode: 'write', create: true })).rejects.toMatchObject({
      code: 'store-failed',
      message: expect.stringContaining('read-only') as string,
    });
    await expect(openRepository({ path: join(disk.path, 'other'), mode: 'write', create: true })).rejects.toMatchObject({
      code: 'store-failed',
    });
    await using repository = await openRepository({ path, mode: 'read', create: false });
    expect(repository.writable).toBe(false);
    expect(await readBack(repository, FIRST)).toEqual({ config: noise(1, 1000) });
    expect((await repository.verify({ readData: true, signal: NEVER })).damaged).toEqual([]);
    await expect(repository.begin(SECOND, 'shop', NEVER)).rejects.toMatchObject({ code: 'store-failed' });
    await disk.remount('rw');
  });
});
