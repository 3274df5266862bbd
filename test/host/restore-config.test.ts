import { chmodSync, chownSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hostFiles } from '../../src/host/host-files.ts';
import { hostWriter } from '../../src/host/host-writer.ts';
import { configTar } from '../../src/pipeline/config-tar.ts';
import { asUser } from '../support/as-user.ts';
import { HostApp } from '../support/host-app.ts';
import { MAIN } from '../support/run-cli.ts';
import { runCommand } from '../support/run-command.ts';

const OWNER = 10_123;
const GROUP = 3_000_000; // more than a plain header has room for

let app: HostApp;
beforeEach(async () => {
  app = await HostApp.createSmall();
}, 600_000);
afterEach(async () => app[Symbol.asyncDispose](), 120_000);

async function backUp(): Promise<string> {
  const made = (await app.run(['backup', '--no-prune'])) as { readonly snapshot: { readonly name: string } };
  return made.snapshot.name;
}

function attributesOf(name: string): readonly unknown[] {
  const { mode, uid, gid } = statSync(join(app.directory, name));
  return [mode & 0o7777, uid, gid];
}

async function touch(name: string): Promise<void> {
  await runCommand('touch', ['-d', '2024-05-06 07:08:09.123456789Z', join(app.directory, name)]);
}

const isRoot = process.getuid?.() === 0;

test.runIf(isRoot)('configuration comes back with its owner, group, mode and fraction of a second, missing or changed', async () => {
  for (const name of ['.env', 'nginx/proxy_params']) {
    chownSync(join(app.directory, name), OWNER, GROUP);
    await touch(name);
  }
  chmodSync(join(app.directory, '.env'), 0o640);
  const before = attributesOf('.env');
  const snapshot = await backUp();
  rmSync(join(app.directory, '.env'));
  rmSync(join(app.directory, 'nginx'), { recursive: true });
  await app.run(['restore', snapshot, '--yes', '--component', 'config']);
  expect(attributesOf('.env')).toEqual(before);
  // As exactly as Node sets times.
  expect(Math.round(statSync(join(app.directory, '.env')).mtimeMs * 1000)).toBe(1_714_979_289_123_457);
  expect(statSync(join(app.directory, 'nginx/proxy_params'))).toMatchObject({ uid: OWNER, gid: GROUP });
  expect(statSync(join(app.directory, 'nginx'))).toMatchObject({ uid: OWNER, gid: GROUP });
  app.write('.env', 'OTHER=1\n');
  chownSync(join(app.directory, '.env'), 0, 0);
  await app.run(['restore', snapshot, '--yes', '--component', 'config', '--with-config']);
  expect(attributesOf('.env')).toEqual(before);
});

test.runIf(isRoot)('the classic archive and the database have them too', async () => {
  for (const name of ['.env', 'db.sqlite3']) {
    chownSync(join(app.directory, name), OWNER, GROUP);
    await touch(name);
  }
  const made = (await app.run(['backup', '--archive'])) as { readonly archive: { readonly path: string } };
  rmSync(join(app.directory, '.env'));
  rmSync(join(app.directory, 'db.sqlite3'));
  await app.run(['restore', made.archive.path, '--yes']);
  expect(attributesOf('.env').slice(1)).toEqual([OWNER, GROUP]);
  expect(attributesOf('db.sqlite3').slice(1)).toEqual([OWNER, GROUP]);
  for (const name of ['.env', 'db.sqlite3']) expect(Math.floor(statSync(join(app.directory, name)).mtimeMs)).toBe(1_714_979_289_123);
});

test.runIf(isRoot)('whoever may not give files away has them all the same, and is told', async () => {
  chownSync(join(app.directory, '.env'), OWNER, GROUP);
  chmodSync(join(app.directory, '.env'), 0o4644);
  const snapshot = await backUp();
  rmSync(join(app.directory, '.env'));
  await runCommand('chown', ['-R', '65534:65534', app.base]);
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  const [program, ...args] = asUser(nobody, [process.execPath, MAIN, 'restore', snapshot, '--yes', '--component', 'config', '--json']);
  chmodSync(app.base, 0o755);
  const { stdout } = await runCommand(program, args, { cwd: app.directory, env: app.env });
  expect(JSON.parse(stdout)).toMatchObject({ findings: [{ code: 'owner-not-set', message: expect.stringContaining('.env') as unknown }] });
  expect(attributesOf('.env')).toEqual([0o644, 65_534, 65_534]);
});

test('a file whose owner an older version did not keep belongs to whoever restores it', async () => {
  const path = join(app.directory, '.env');
  const file = await hostFiles().readFile(path);
  expect(file?.owner).toEqual({ uid: statSync(path).uid, gid: statSync(path).gid });
  const member = { name: 'project/.env', path, role: 'file', bytes: Buffer.from('A=1\n'), mode: 0o600, owner: null, mtime: '5' };
  let header = '';
  for await (const piece of configTar({ files: [member], findings: [], resolved: {} }).body)
    header += Buffer.from(piece).toString('latin1');
  expect(header).not.toContain('uid=');
  await hostWriter().write(path, member.bytes, member);
  expect(statSync(path)).toMatchObject({ uid: process.getuid?.(), mtimeMs: 5000 });
});
