import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { EventSink } from '../../src/domain/events.ts';
import { exportTo, importInto, storeSnapshot, writable } from '../support/archive-fixture.ts';
import { canMount, mountTmpfs } from '../support/filesystem-image.ts';
import { NEVER, noise } from '../support/repository-fixture.ts';
import { runCommand } from '../support/run-command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const PROGRAM = fileURLToPath(new URL('../support/export-program.ts', import.meta.url));
const NAME = 'mcads_system_backup_20260101_000000';
const MOUNTS = await canMount();
const ARCHIVE = `${NAME}.tar.gz`;

/** A repository whose snapshot takes a moment to export. */
async function madeSnapshot(path: string): Promise<void> {
  await using repository = await writable(path);
  const [one, two] = [noise(1, 12_000_000), noise(2, 6_000_000)];
  await storeSnapshot(repository, NAME, { 'sqlite/db.sqlite3': { bytes: one }, 'sqlite/other.sqlite3': { bytes: two } });
}

async function archivesIn(path: string): Promise<readonly string[]> {
  return (await readdir(path)).filter((name) => name.includes('_backup_')).toSorted();
}

describe('an export', () => {
  test('that is killed at any step leaves no archive under its name, and the next one writes it', async () => {
    await using folder = await temporaryFolder();
    await madeSnapshot(folder.path);
    const steps = new Set<string>();
    for (const last of ['export', 'check', 'publish', 'done']) {
      for (let nth = 1; nth <= (last === 'export' ? 2 : 1); nth += 1) {
        const child = spawn(process.execPath, [PROGRAM, folder.path, NAME], { stdio: ['ignore', 'pipe', 'inherit'] });
        const closed = new Promise<NodeJS.Signals | null>((resolve) => child.once('close', (_code, signal) => resolve(signal)));
        let seen = 0;
        for await (const line of createInterface(child.stdout)) {
          if (line.startsWith(last)) seen += 1;
          if (seen === nth && last !== 'done') child.kill('SIGKILL');
          steps.add(line.split(' ')[0] ?? '');
        }
        await closed;
        const finished = (await archivesIn(folder.path)).filter((name) => !name.startsWith('.'));
        // Either nothing, or the whole of it.
        if (finished.includes(ARCHIVE)) expect(await importInto(folder.path, join(folder.path, ARCHIVE))).toMatchObject({ isNew: false });
        if (last === 'export' || last === 'check') expect(finished).toEqual([]);
        if (last === 'done') expect(finished).toEqual([ARCHIVE, `${NAME}_verification.txt`]);
      }
    }
    expect([...steps]).toEqual(expect.arrayContaining(['export', 'check', 'publish', 'done']));
    // What the killed ones left is no archive to anybody, and goes once it is old.
    const left = (await readdir(folder.path)).filter((name) => name.endsWith('.part'));
    expect(left.length).toBeGreaterThan(0);
    await using repository = await writable(folder.path);
    expect((await repository.classicArchives()).map(({ file }) => file)).toEqual([ARCHIVE]);
    for (const name of left) await utimes(join(folder.path, name), new Date(0), new Date(0));
    await exportTo(repository, NAME, folder.path);
    expect((await readdir(folder.path)).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  test.each(['export', 'check'])('that is cancelled during %s leaves nothing', async (stage) => {
    await using folder = await temporaryFolder();
    await madeSnapshot(join(folder.path, 'backups'));
    await using repository = await writable(join(folder.path, 'backups'));
    const out = join(folder.path, 'out');
    await mkdir(out);
    const aborting = new AbortController();
    const abortAt: EventSink = (event) => {
      if (event.type === 'stage' && event.stage === stage) aborting.abort(new Error('stopped'));
    };
    await expect(exportTo(repository, NAME, out, aborting.signal, abortAt)).rejects.toThrow('stopped');
    expect(await readdir(out)).toEqual([]);
  });

  test('of a snapshot with a damaged chunk is refused and leaves nothing', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'backups');
    await madeSnapshot(path);
    const chunk = (await readdir(join(path, 'chunks'), { recursive: true, withFileTypes: true })).find((entry) => entry.isFile());
    const file = join(chunk?.parentPath ?? '', chunk?.name ?? '');
    const bytes = await readFile(file);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await writeFile(file, bytes);
    await using repository = await writable(path);
    await expect(exportTo(repository, NAME, path)).rejects.toMatchObject({ code: 'damaged' });
    expect(await archivesIn(path)).toEqual([]);
  });

  test.runIf(MOUNTS)('onto a full disk is store-failed and leaves nothing (needs root, to mount one of its own)', async () => {
    await using disk = await mountTmpfs('10m');
    await using folder = await temporaryFolder();
    await madeSnapshot(folder.path);
    await using repository = await writable(folder.path);
    for (let times = 0; times < 2; times += 1) {
      await expect(exportTo(repository, NAME, disk.path)).rejects.toMatchObject({
        code: 'store-failed',
        message: expect.stringContaining('ENOSPC') as string,
      });
      expect(await readdir(disk.path)).toEqual([]);
    }
    await disk.remount('size=200m');
    await exportTo(repository, NAME, disk.path);
    expect((await readdir(disk.path)).toSorted()).toEqual([ARCHIVE, `${NAME}_verification.txt`]);
  });
});

describe('an import', () => {
  test.runIf(MOUNTS)('into a full repository is store-failed and leaves no snapshot (needs root, to mount one of its own)', async () => {
    await using folder = await temporaryFolder();
    await using disk = await mountTmpfs('10m');
    // Not in walk order: its data goes through a file in the repository's spool first.
    const script = `mkdir -p ${NAME} media && head -c 15000000 /dev/urandom > media/z && echo a > media/a && tar czf ${NAME}/media.tar.gz media/z media/a && tar czf ${ARCHIVE} ${NAME}`;
    await runCommand('bash', ['-c', script], { cwd: folder.path });
    const path = join(disk.path, 'backups');
    await expect(importInto(path, join(folder.path, ARCHIVE))).rejects.toMatchObject({ code: 'store-failed' });
    await using repository = await writable(path);
    expect(await repository.snapshots()).toEqual([]);
    expect(await readdir(join(path, 'incoming'))).toEqual([]);
    await disk.remount('size=200m');
    await importInto(path, join(folder.path, ARCHIVE));
    expect((await repository.verify({ readData: true, signal: NEVER })).damaged).toEqual([]);
  });
});

test('prune keeps the last archives with their verification files, and every log file', async () => {
  await using folder = await temporaryFolder();
  await using repository = await writable(folder.path);
  await mkdir(join(folder.path, 'logs'));
  for (const day of [1, 2, 3]) {
    const name = `mcads_system_backup_2026010${day}_000000`;
    await storeSnapshot(repository, name, { 'globals/db': { bytes: Buffer.from(name) } });
    await exportTo(repository, name, folder.path);
    await writeFile(join(folder.path, `logs/backup_2026010${day}_000000.log`), '{}\n');
  }
  await repository.prune({ policy: { last: 2 }, dryRun: false, signal: NEVER });
  expect(await archivesIn(folder.path)).toEqual(
    [2, 3].flatMap((day) => [
      `mcads_system_backup_2026010${day}_000000.tar.gz`,
      `mcads_system_backup_2026010${day}_000000_verification.txt`,
    ]),
  );
  expect(await readdir(join(folder.path, 'logs'))).toHaveLength(3);
});
