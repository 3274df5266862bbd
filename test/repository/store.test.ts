import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { LocalStore } from '../../src/repository/stores/local.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { testStoreConformance } from './store-conformance.ts';

const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mcads-store-'));
  folders.push(folder);
  return folder;
}

describe('a directory', () => {
  testStoreConformance(async () => LocalStore.open(await newFolder()));

  test('files are private to their owner', async () => {
    const folder = await newFolder();
    await using store = await LocalStore.open(folder);
    await store.put('snapshots/a/manifest.json', Buffer.from('{}'));
    expect((await stat(join(folder, 'snapshots/a'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, 'snapshots/a/manifest.json'))).mode & 0o777).toBe(0o600);
  });

  test('what a dead run left is adopted when it is whole, deleted when not, and left alone while its run lives', async () => {
    await using store = await LocalStore.open(await newFolder());
    const good = `chunks/aa/${'aa'.padEnd(64, '1')}`;
    const bad = `chunks/bb/${'bb'.padEnd(64, '2')}`;
    const foreign = `segments/cc/${'cc'.padEnd(64, '3')}`;
    const dead = await store.openBatch('dead');
    await dead.put(good, Buffer.from('good'));
    await dead.put(bad, Buffer.from('bad'));
    await using alive = await store.openBatch('alive');
    await alive.put(foreign, Buffer.from('working'));

    await using heir = await store.openBatch('heir');
    await heir.adopt(
      () => Promise.resolve(new Set(['alive'])),
      (_key, bytes) => Promise.resolve(bytes.toString() === 'good'),
    );
    await heir.flush();
    expect((await store.get(good))?.toString()).toBe('good');
    expect(await store.get(bad)).toBeNull();
    expect((await alive.get(foreign))?.toString()).toBe('working');
    expect(await heir.get(foreign)).toBeNull();
  });
});

describe('memory', () => {
  testStoreConformance(() => Promise.resolve(new MemoryStore()));
});
