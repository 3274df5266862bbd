import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openLog } from '../../src/logger.ts';
import { MAIN } from '../support/run-cli.ts';
import { runCommand } from '../support/run-command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const AT = new Date('2026-01-02T03:04:05Z');

test.each([['list', '--json'], ['config', 'show'], ['list']])('a full disk behind stdout is no defect: %s %s', async (...args) => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, 'app'));
  await writeFile(join(folder.path, 'app/manage.py'), '');
  const options = { cwd: join(folder.path, 'app'), env: { MCADS_STRATEGY: 'host', DOCKER_HOST: '' } };
  await runCommand(process.execPath, [MAIN, 'backup', '-q', '-p', 'shop'], options);
  const told = await runCommand('sh', ['-c', `"$0" "$@" -p shop > /dev/full`, process.execPath, MAIN, ...args], {
    ...options,
    accept: 'any',
  });
  expect(told.code).toBe(1);
  expect(told.stderr).toMatch(/error {2}ENOSPC.*\n.*is full \(stdout may be one\)/);
  expect(told.stderr).not.toContain('defect');
});

test('a log file on a full disk is given up, told once, and fails nothing', async () => {
  await using folder = await temporaryFolder();
  const disk = join(folder.path, 'disk');
  await mkdir(disk);
  await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', disk]);
  const told: string[] = [];
  try {
    const log = await openLog(disk, 'backup', AT, '1', (why) => told.push(why));
    for (let line = 0; line < 200; line += 1) log.write({ type: 'log', level: 'info', message: 'x'.repeat(500) }, AT);
    log.end(0, null);
    await log[Symbol.asyncDispose]();
  } finally {
    await runCommand('umount', [disk]);
  }
  expect(told).toEqual([expect.stringMatching(/backup_20260102_030405\.log is not whole: ENOSPC/) as string]);
});

test('no link is followed where a log is to be, and no file of somebody else is added to', async () => {
  await using folder = await temporaryFolder();
  const target = join(folder.path, 'target');
  await writeFile(target, 'of root');
  await symlink(target, join(folder.path, 'backup_20260102_030405.log'));
  await expect(openLog(folder.path, 'backup', AT, '1', () => undefined)).rejects.toMatchObject({ code: 'forbidden' });
  await writeFile(join(folder.path, 'prune_20260102_030405.log'), '');
  await runCommand('chown', ['12345', join(folder.path, 'prune_20260102_030405.log')]);
  await expect(openLog(folder.path, 'prune', AT, '1', () => undefined)).rejects.toMatchObject({ code: 'forbidden' });
  expect(await readFile(target, 'utf8')).toBe('of root');
  expect(await readdir(folder.path)).toHaveLength(3);
});
