import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HostApp, substituteSystemd } from '../support/host-app.ts';
import { MAIN } from '../support/run-cli.ts';
import { runCommand } from '../support/run-command.ts';

let app: HostApp;
let systemd: ReturnType<typeof substituteSystemd>;
beforeEach(async () => {
  app = await HostApp.create();
  systemd = substituteSystemd(app, { 'mcads.service': 'active' });
  await app.run(['backup', '--no-prune']);
}, 120_000);
afterEach(async () => app[Symbol.asyncDispose]());

const read = (name: string): string => readFileSync(join(app.directory, name), 'utf8');
const messageOf = (json: Record<string, unknown>): string => JSON.stringify(json['error']);

test('a rollback of which one part is not there any more puts nothing back, and says which', async () => {
  app.write('xrays/models.py', 'changed = True\n');
  app.write('media/own.txt', 'of before');
  await app.run(['restore', 'latest', '--yes']);
  const restored = read('xrays/models.py');
  renameSync(join(app.directory, 'media'), join(app.directory, 'media.bak'));
  mkdirSync(join(app.directory, 'media'));
  const refused = await app.run(['rollback', '--yes'], 1);
  expect(messageOf(refused)).toMatch(/nothing was put back: what the restore replaced is not there any more of files\/media/);
  expect(read('xrays/models.py')).toBe(restored);
  expect(systemd.stateOf('mcads.service')).toBe('active');
  expect(systemd.calls().join(' ').match(/stop/g)?.length ?? 0, 'only the restore stopped it').toBe(1);

  rmSync(join(app.directory, 'media'), { recursive: true });
  renameSync(join(app.directory, 'media.bak'), join(app.directory, 'media'));
  await app.run(['rollback', '--yes']);
  expect(read('xrays/models.py')).toBe('changed = True\n');
  expect(read('media/own.txt')).toBe('of before');
});

test('a directory that is not the application’s is not replaced: refused, unless -p says that it is meant', async () => {
  const repository = join(app.directory, 'backups');
  const home = join(app.base, 'somebody');
  mkdirSync(join(home, '.ssh'), { recursive: true });
  writeFileSync(join(home, 'letter.txt'), 'dear');
  const options = { cwd: home, env: app.env, accept: 'any' } as const;
  const refused = await runCommand(process.execPath, [MAIN, 'restore', 'latest', '-r', repository, '--yes'], options);
  expect(refused.code, refused.stderr).toBe(2);
  expect(refused.stderr).toMatch(/is a snapshot of \S+, and \S+somebody holds something else/);
  expect(readFileSync(join(home, 'letter.txt'), 'utf8')).toBe('dear');
  const named = await runCommand(process.execPath, [MAIN, 'restore', 'latest', '-r', repository, '-p', 'mcads', '--dry-run'], options);
  expect(named.code, named.stderr).toBe(0);
  const empty = join(app.base, 'empty');
  mkdirSync(empty);
  const free = await runCommand(process.execPath, [MAIN, 'restore', 'latest', '-r', repository, '--yes'], { ...options, cwd: empty });
  expect(free.code, free.stderr).toBe(0);
});
