import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HostApp } from '../support/host-app.ts';
import { startCli } from '../support/paced-cli.ts';

/* Signals that come when what was asked for is done, or can no longer be left undone. */

let app: HostApp;
beforeEach(async () => {
  app = await HostApp.createSmall();
}, 600_000);
afterEach(async () => app[Symbol.asyncDispose](), 120_000);

/** A program of the scripts that, once it is armed, sends the tool that runs it a signal when an argument matches; then it does its work. */
function signalling(
  program: string,
  argument: string,
  signal: 'INT' | 'TERM',
): { readonly arm: () => void; readonly isArmed: () => boolean } {
  const armed = join(app.base, `armed-${program}`);
  app.program(
    program,
    `#!/bin/sh
case "$*" in
${argument})
  if [ -e "${armed}" ]; then
    /bin/rm "${armed}"; up=$PPID
    until tr '\\0' ' ' < "/proc/$up/cmdline" | grep -q main.ts; do up=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$up/status"); done
    kill -${signal} "$up"
  fi ;;
esac
exec /bin/${program} "$@"
`,
  );
  return { arm: () => writeFileSync(armed, ''), isArmed: () => existsSync(armed) };
}

test('a signal in the middle of a rollback leaves nothing half done: it is brought to its end, units run, and that is said', async () => {
  const unit = join(app.base, 'units/mcads.service');
  writeFileSync(unit, 'active\n');
  await app.run(['backup', '--no-prune']);
  app.write('xrays/models.py', 'changed = True\n');
  await app.run(['restore', 'latest', '--yes']);
  app.write('xrays/models.py', 'since = True\n');
  const moving = signalling('mv', '*-t*', 'INT');
  moving.arm();
  const done = await app.run(['rollback', '--yes']);
  expect(moving.isArmed()).toBe(false);
  expect(done).toMatchObject({ findings: [{ severity: 'warning', code: 'cancelled-late' }] });
  expect(readFileSync(unit, 'utf8').trim()).toBe('active');
  expect(readFileSync(join(app.directory, 'xrays/models.py'), 'utf8')).toBe('changed = True\n');
  await app.run(['rollback', '--yes'], 2); // nothing is left to go back to
});

test('a signal when everything is restored cancels nothing, and that is said', async () => {
  await app.run(['backup', '--no-prune']);
  app.write('xrays/models.py', 'changed = True\n');
  const tidying = signalling('rm', '*/plan*', 'TERM');
  tidying.arm();
  const done = await app.run(['restore', 'latest', '--yes', '--keep-old', '0']);
  expect(tidying.isArmed()).toBe(false);
  expect(done['findings']).toContainEqual(expect.objectContaining({ severity: 'warning', code: 'cancelled-late' }));
  expect(readFileSync(join(app.directory, 'xrays/models.py'), 'utf8')).not.toContain('changed');
  expect(readdirSync(app.directory).filter((name) => name.startsWith('.mcads-restore-'))).toEqual([]);
});

test('a signal when the snapshot is committed: it is there, and the run says what it left', async () => {
  const running = startCli(['backup', '--archive', '--no-prune'], { cwd: app.directory, env: app.env });
  const committing = await running.line(/commit/);
  const name = /\S+_system_backup_\S+/.exec(committing)?.[0] ?? '';
  const manifest = join(app.directory, 'backups/snapshots', name, 'manifest.json.sha256');
  while (!existsSync(manifest)) await new Promise((resolve) => setImmediate(resolve));
  running.signal('SIGTERM');
  const { code, stderr } = await running.end;
  expect(code, stderr).toBe(existsSync(join(app.directory, 'backups', `${name}.tar.gz`)) ? 0 : 3);
  if (code === 3) expect(stderr).toContain('which it stays');
  const { snapshots } = (await app.run(['list'])) as { readonly snapshots: readonly { readonly name: string }[] }; // design §8
  expect(snapshots.map((one) => one.name)).toContain(name);
});
