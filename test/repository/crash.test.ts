import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeObject } from '../../src/repository/object-codec.ts';
import { openRepository } from '../../src/repository/open-repository.ts';
import { backUp, NEVER, noise, readBack } from '../support/repository-fixture.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const PROGRAM = new URL('../support/backup-program.ts', import.meta.url).pathname;
const NAME = 'shop_backup_20260101_000000';
const MEGABYTES = 12;

/** Runs a backup until it has printed a certain line, then kills it with SIGKILL. */
async function backUpAndKill(
  path: string,
  name: string,
  seed: number,
  flushBytes: number,
  isLast: (line: string, count: number) => boolean,
  megabytes = MEGABYTES,
): Promise<readonly string[]> {
  const child = spawn(process.execPath, [PROGRAM, path, name, String(seed), String(megabytes), String(flushBytes)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  const printed: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    printed.push(line);
    if (isLast(line, printed.length)) child.kill('SIGKILL');
  }
  await closed;
  return printed;
}

/** Every name is whole, every snapshot is readable. */
async function assertSound(path: string): Promise<void> {
  for (const area of ['chunks', 'segments']) {
    for (const entry of await readdir(join(path, area), { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) await decodeObject(await readFile(join(entry.parentPath, entry.name)), entry.name, null);
    }
  }
  await using repository = await openRepository({ path, mode: 'write', create: false });
  const { snapshots, damaged } = await repository.inventory();
  expect(damaged).toEqual([]);
  for (const { name } of snapshots) await readBack(repository, name);
}

describe('a backup killed with SIGKILL', () => {
  test('at any moment leaves only whole names and no half snapshot, and the next backup finishes the work', async () => {
    await using folder = await temporaryFolder();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 12 }), fc.constantFrom(1_000_000, 4_000_000, 1e9), async (lines, flushBytes) => {
        run += 1;
        const name = `shop_backup_20260101_0000${String(run).padStart(2, '0')}`;
        const printed = await backUpAndKill(folder.path, name, run * 100, flushBytes, (_line, count) => count === lines);
        await assertSound(folder.path);
        await using repository = await openRepository({ path: folder.path, mode: 'write', create: true });
        const exists = await repository.snapshotExists(name);
        expect(exists || !printed.includes('committed')).toBe(true);
      }),
      { numRuns: 10 },
    );
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: false });
    await backUp(repository, NAME, { config: noise(1, 100) });
    expect(await readdir(join(folder.path, 'incoming'))).toEqual([]);
    expect(await readdir(join(folder.path, 'locks'))).toEqual([]);
    expect(await repository.verify({ readData: true, signal: NEVER })).toMatchObject({ damaged: [] });
  });

  test('in its commit leaves the snapshot either whole or not there', async () => {
    await using folder = await temporaryFolder();
    // The kill lands wherever the commit's system calls are when the line has travelled through the pipe.
    for (let run = 10; run < 18; run += 1) {
      const name = `shop_backup_20260101_0000${run}`;
      await backUpAndKill(folder.path, name, run * 100, 1e9, (line) => line === 'committing', 2);
      await assertSound(folder.path);
    }
  });

  test('and repeated stores only what the dead run had not stored', async () => {
    await using folder = await temporaryFolder();
    // Nothing was flushed; about six chunks may still be under way when a line tells of the next.
    await backUpAndKill(folder.path, NAME, 5, 1e9, (_line, count) => count === 20, 60);
    const staged = (await readdir(join(folder.path, 'incoming'), { recursive: true })).filter((name) => /chunks\/[0-9a-f]{64}$/.test(name));
    expect(staged.length).toBeGreaterThan(2);
    expect(await readdir(join(folder.path, 'chunks'))).toEqual([]);
    await using repository = await openRepository({ path: folder.path, mode: 'write', create: false });
    const whole: string[] = [];
    for (const key of staged) {
      const id = key.slice(key.lastIndexOf('/') + 1);
      const bytes = await readFile(join(folder.path, 'incoming', key));
      if (
        await decodeObject(bytes, id, null).then(
          () => true,
          () => false,
        )
      )
        whole.push(id);
    }
    // Each thread was writing one at most.
    expect(staged.length - whole.length).toBeLessThanOrEqual(4);
    await using writer = await repository.begin(NAME, 'shop', NEVER);
    expect(writer.name).toBe(NAME);
    const adopted = (await readdir(join(folder.path, 'incoming'), { recursive: true })).map((name) =>
      name.slice(name.lastIndexOf('/') + 1),
    );
    expect(adopted.filter((name) => /^[0-9a-f]{64}$/.test(name)).toSorted()).toEqual(whole.toSorted());
  });
});
