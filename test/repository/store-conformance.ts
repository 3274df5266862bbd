import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Store } from '../../src/repository/store.ts';

const ID = 'ab'.padEnd(64, '0');
const KEY = `chunks/ab/${ID}`;

/** What every store promises; `open` gives an empty one. */
export function testStoreConformance(open: () => Promise<Store>): void {
  const bytes = Buffer.from([0, 1, 2, 255]);

  test('what was put is read back whole, and what was not put is null', async () => {
    await using store = await open();
    expect(await store.get('repository.json')).toBeNull();
    expect(await store.stat('repository.json')).toBeNull();
    await store.put('repository.json', bytes);
    expect(await store.get('repository.json')).toEqual(bytes);
    expect(await store.stat('repository.json')).toMatchObject({ key: 'repository.json', bytes: 4 });
    await store.put('repository.json', Buffer.alloc(0));
    expect(await store.get('repository.json')).toEqual(Buffer.alloc(0));
  });

  test('of many that put the same absent key at once exactly one wins, and its bytes stay', async () => {
    await using store = await open();
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, i) => store.putIfAbsent('snapshots/a_backup_20260101_000000/manifest.json', Buffer.from([i]))),
    );
    expect(results.filter(Boolean)).toHaveLength(1);
    expect(await store.get('snapshots/a_backup_20260101_000000/manifest.json')).toEqual(Buffer.from([results.indexOf(true)]));
  });

  test('a listing has everything below a folder, and nothing else', async () => {
    await using store = await open();
    const keys = [
      'locks/a.json',
      'snapshots/x y\n_backup_20260101_000000/manifest.json',
      'snapshots/x y\n_backup_20260101_000000/drills/1.json',
      'top.tar.gz',
    ];
    for (const key of keys) await store.put(key, bytes);
    expect(await keysOf(store, '')).toEqual(keys.toSorted());
    expect(await keysOf(store, 'snapshots/')).toEqual(keys.filter((key) => key.startsWith('snapshots/')).toSorted());
    expect(await keysOf(store, 'nowhere/')).toEqual([]);
    const top = (await Array.fromAsync(store.list('', { shallow: true, sizes: true }))).flat();
    expect(top).toMatchObject([{ key: 'top.tar.gz', bytes: 4 }]);
    expect(Math.abs((top[0]?.modifiedMs ?? 0) - Date.now())).toBeLessThan(3_600_000);
  });

  test('removing is final, and removing what is not there is no error', async () => {
    await using store = await open();
    await store.put('locks/a.json', bytes);
    await store.remove('locks/a.json');
    await store.remove('locks/a.json');
    await store.flush();
    expect(await store.get('locks/a.json')).toBeNull();
  });

  test('an object set aside leaves its name free and its bytes under .bad', async () => {
    await using store = await open();
    await store.put(KEY, bytes);
    await store.setAside(KEY);
    expect(await store.get(KEY)).toBeNull();
    expect(await store.get(`${KEY}.bad`)).toEqual(bytes);
    await store.setAside(KEY);
  });

  test('what a batch put can be read by it at once and by others only after its flush', async () => {
    await using store = await open();
    await using batch = await store.openBatch('run-1');
    await batch.put(KEY, bytes);
    expect(batch.stagedBytes).toBe(4);
    expect(batch.stagedObjects).toBe(1);
    expect(await batch.get(KEY)).toEqual(bytes);
    expect(await store.get(KEY)).toBeNull();
    await batch.flush();
    expect(batch.stagedBytes).toBe(0);
    expect(batch.stagedObjects).toBe(0);
    expect(await store.get(KEY)).toEqual(bytes);
    expect(await batch.get(KEY)).toEqual(bytes);
    expect(await batch.get('chunks/ff/none')).toBeNull();
  });

  test('a batch that ends without a flush leaves nothing, its spool folder included', async () => {
    await using store = await open();
    const batch = await store.openBatch('run-2');
    await batch.put(KEY, bytes);
    await writeFile(join(batch.spoolDirectory, 'spooled'), 'x');
    await batch[Symbol.asyncDispose]();
    expect(await keysOf(store, '')).toEqual([]);
    expect(existsSync(batch.spoolDirectory)).toBe(false);
  });

  test('two batches at once may put the same object', async () => {
    await using store = await open();
    await using one = await store.openBatch('run-3');
    await using two = await store.openBatch('run-4');
    await one.put(KEY, bytes);
    await two.put(KEY, bytes);
    await one.flush();
    await two.flush();
    expect(await store.get(KEY)).toEqual(bytes);
  });
}

async function keysOf(store: Store, folder: string): Promise<readonly string[]> {
  return (await Array.fromAsync(store.list(folder)))
    .flat()
    .map(({ key }) => key)
    .toSorted();
}
