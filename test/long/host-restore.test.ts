import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HostApp, substituteSystemd } from '../support/host-app.ts';
import { createAwkwardTree, fingerprintLive } from '../support/awkward-tree.ts';
import { runCommand } from '../support/run-command.ts';
import { MAIN } from '../support/run-cli.ts';

let app: HostApp;
beforeEach(async () => {
  app = await HostApp.create();
}, 600_000);
afterEach(async () => app[Symbol.asyncDispose](), 120_000);

const COMPARED = ['media', 'static', 'xrays', 'mcads', 'scripts', 'nginx'];
/** Configuration is kept file by file, with its times as exactly as Node sets them. */
const CONFIGURATION = ['scripts', 'nginx'];

/** Content, owners, modes, times, links and attributes of the application's folders; its database by what is in it. */
function stateOf(directory: string): readonly string[] {
  const files = COMPARED.filter((part) => existsSync(join(directory, part))).flatMap((part) =>
    fingerprintLive(join(directory, part)).map((line) => `${part}: ${CONFIGURATION.includes(part) ? withoutFractions(line) : line}`),
  );
  const rows = execFileSync('sqlite3', [join(directory, 'db.sqlite3'), '.dump'], { encoding: 'utf8', maxBuffer: 1e8 });
  return [...files, rows];
}

/** The time of a file in seconds, none of a folder. */
function withoutFractions(line: string): string {
  return line.replace(/^(\S+ \S+ \S+ )(\S+) \S+ \S+ \S+ /, (_, start: string, seconds: string) =>
    line.startsWith('4') ? start : `${start}${seconds} `,
  );
}

/** The live state goes another way than the snapshot's. */
function change(): void {
  app.write('media/xrays/0001.png', 'overwritten');
  app.write('media/new.txt', 'new');
  rmSync(join(app.directory, 'static'), { recursive: true });
  app.write('xrays/models.py', 'changed = True\n');
  execFileSync('sqlite3', [join(app.directory, 'db.sqlite3'), 'PRAGMA journal_mode = WAL; DELETE FROM xrays_study WHERE id > 100;']);
}

async function backUp(): Promise<string> {
  const made = (await app.run(['backup', '--no-prune'])) as { readonly snapshot: { readonly name: string } };
  return made.snapshot.name;
}

test('a restore stops the units, brings everything back to the last bit, starts those that ran, and rollback undoes it', async () => {
  const systemd = substituteSystemd(app, { 'mcads.service': 'active', 'nginx.service': 'active' });
  const before = stateOf(app.directory);
  const snapshot = await backUp();
  change();
  const changed = stateOf(app.directory);
  const restored = await app.run(['restore', snapshot, '--yes']);
  expect(stateOf(app.directory)).toEqual(before);
  expect(systemd.calls()).toEqual(['stop nginx.service', 'stop mcads.service', 'start mcads.service', 'start nginx.service']);
  expect(restored).toMatchObject({
    services: expect.arrayContaining([expect.objectContaining({ name: 'mcads.service', state: 'running', health: 'healthy' })]) as unknown,
    databases: [{ name: join(app.directory, 'db.sqlite3'), rowsEqual: true }],
  });
  await app.run(['rollback', '--yes']);
  expect(stateOf(app.directory)).toEqual(changed);
  expect(systemd.stateOf('mcads.service')).toBe('active');
  expect(readdirSync(app.directory).filter((name) => name.startsWith('.mcads-restore-'))).toEqual([]);
}, 600_000);

test('a unit that was stopped stays stopped; one that does not come up has everything undone', async () => {
  const systemd = substituteSystemd(app, { 'mcads.service': 'active', 'nginx.service': 'inactive' });
  const snapshot = await backUp();
  change();
  const changed = stateOf(app.directory);
  writeFileSync(join(app.base, 'units', 'mcads.service.broken'), '');
  const refused = await app.run(['restore', snapshot, '--yes'], 40);
  expect(refused).toMatchObject({ error: { code: 'proof-failed' } });
  expect(stateOf(app.directory)).toEqual(changed);
  expect(systemd.calls()).not.toContain('start nginx.service');
}, 600_000);

test('an empty directory gets everything, modes and times too', async () => {
  substituteSystemd(app, {});
  const before = stateOf(app.directory);
  const snapshot = await backUp();
  const elsewhere = join(app.base, 'elsewhere');
  await app.run([
    'restore',
    snapshot,
    '--yes',
    '--project-directory',
    elsewhere,
    '-r',
    join(app.directory, 'backups'),
    '--log-dir',
    join(app.base, 'logs'),
  ]);
  expect(stateOf(elsewhere)).toEqual(before);
}, 600_000);

test('the classic archive of backup --archive is enough to bring the application back, and rollback undoes that too', async () => {
  substituteSystemd(app, {});
  const content = (): readonly string[] => stateOf(app.directory).map((line) => line.replace(/ \S+ \S+\.\d+ \+0000/, ''));
  const before = content();
  const made = (await app.run(['backup', '--archive'])) as { readonly archive: { readonly path: string } };
  expect(made.archive.path).toMatch(/\/backups\/mcads_system_backup_\d{8}_\d{6}\.tar\.gz$/);
  const elsewhere = join(app.base, 'kept.tar.gz');
  renameSync(made.archive.path, elsewhere);
  rmSync(join(app.directory, 'backups'), { recursive: true });
  change();
  const changed = content();
  await app.run(['restore', elsewhere, '--yes']);
  expect(content()).toEqual(before);
  await app.run(['rollback', '--yes']);
  expect(content()).toEqual(changed);
}, 600_000);

/** Where the tool runs a program: the place to be killed at, the same in every run. */
const COUNTING = ['mv', 'sync', 'tar', 'systemctl'] as const;

function countPrograms(): void {
  const own = readFileSync(join(app.bin, 'systemctl'), 'utf8');
  writeFileSync(join(app.bin, 'systemctl.real'), own);
  chmodSync(join(app.bin, 'systemctl.real'), 0o755);
  for (const name of COUNTING) {
    const real =
      name === 'systemctl'
        ? join(app.bin, 'systemctl.real')
        : execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
    app.program(
      name,
      `#!/bin/sh
[ -e "${app.base}/pid" ] || exec ${real} "$@"
echo x >> "${app.base}/count"
if [ "$(wc -l < "${app.base}/count")" = "$(cat "${app.base}/kill-at")" ]; then kill -9 "$(cat "${app.base}/pid")"; rm -f "${app.base}/pid"; exit 1; fi
exec ${real} "$@"
`,
    );
  }
}

async function restoreKilledAt(step: number, snapshot: string): Promise<{ readonly code: number; readonly steps: number }> {
  writeFileSync(join(app.base, 'kill-at'), String(step));
  rmSync(join(app.base, 'count'), { force: true });
  const { code } = await runCommand(
    'sh',
    ['-c', `echo $$ > "${app.base}/pid"; exec "$@"`, 'sh', process.execPath, MAIN, 'restore', snapshot, '--yes', '-q'],
    {
      cwd: app.directory,
      env: { ...app.env, NO_COLOR: '1' },
      accept: 'any',
    },
  );
  rmSync(join(app.base, 'pid'), { force: true });
  return { code, steps: readFileSync(join(app.base, 'count'), 'utf8').split('\n').length - 1 };
}

test('SIGKILL anywhere in a restore, then one ordinary command: data and units are as before', async () => {
  for (const part of ['staticfiles', 'data_exports', 'models', 'tests', 'locale', 'logs'])
    rmSync(join(app.directory, part), { recursive: true });
  const systemd = substituteSystemd(app, { 'mcads.service': 'active', 'nginx.service': 'active' });
  const snapshot = await backUp();
  change();
  const changed = stateOf(app.directory);
  countPrograms();
  const whole = await restoreKilledAt(-1, snapshot);
  expect(whole.code).toBe(0);
  await app.run(['rollback', '--yes']);
  expect(stateOf(app.directory)).toEqual(changed);
  const points = Array.from({ length: KILLS }, (_, index) => Math.floor(((index + 0.5) * whole.steps) / KILLS) + 1);
  let before = 0;
  for (const step of points) {
    const { code } = await restoreKilledAt(step, snapshot);
    expect(code, `killed at ${step} of ${whole.steps}`).toBe(128);
    await app.run(['list']);
    const now = stateOf(app.directory);
    // From the moment that it is done, a restore is kept.
    if (readdirSync(app.directory).includes('static')) {
      expect(step).toBeGreaterThan((whole.steps * 2) / 3);
      await app.run(['rollback', '--yes']);
    } else {
      before += 1;
      expect(now, `killed at ${step} of ${whole.steps}`).toEqual(changed);
    }
    expect([systemd.stateOf('mcads.service'), systemd.stateOf('nginx.service')], `killed at ${step} of ${whole.steps}`).toEqual([
      'active',
      'active',
    ]);
  }
  expect(before).toBeGreaterThan(KILLS / 2);
}, 900_000);

const KILLS = Number(process.env['MCADS_TEST_KILLS'] ?? 20);

test('without GNU tar, find or a shell: captured by tar-fs and restored by Node, content, owners, modes, links and seconds alike', async () => {
  const bare = join(app.base, 'bare');
  mkdirSync(bare);
  symlinkSync(process.execPath, join(bare, 'node'));
  const media = join(app.directory, 'media');
  rmSync(media, { recursive: true });
  mkdirSync(media);
  createAwkwardTree(media);
  // What it says that it cannot keep.
  for (const name of readdirSync(media, { encoding: 'buffer' })) {
    const text = name.toString('latin1');
    const isKept =
      !/^(?:fifo|.*-device|huge-sparse|holes|only-hole|xattrs|acl.*|capable|odd-target)$/.test(text) &&
      Buffer.from(name.toString('utf8')).equals(name);
    if (!isKept) rmSync(Buffer.concat([Buffer.from(`${media}/`), name]), { recursive: true });
  }
  execFileSync(
    'sh',
    ['-c', 'find . -exec setfattr -h -x user.root {} + 2>/dev/null; find . -exec setfattr -h -x user.on-dir {} + 2>/dev/null; true'],
    { cwd: media },
  );
  const seconds = (): readonly string[] =>
    fingerprintLive(media).map((line) => line.replace(/^(\S+ \S+ \S+ )\S+ (\S+ \S+?)\.\d+ /, '$1$2 '));
  const before = seconds();
  app.env['PATH'] = bare;
  const made = (await app.run(['backup'])) as {
    readonly snapshot: { readonly name: string };
    readonly findings: readonly { readonly code: string }[];
  };
  expect(made.findings.map(({ code }) => code)).toContain('no-gnu-tar');
  rmSync(media, { recursive: true });
  mkdirSync(media);
  app.write('media/other.txt', 'other');
  await app.run(['restore', made.snapshot.name, '--yes', '--component', 'files/media', '--component', 'sqlite']);
  expect(seconds()).toEqual(before);
  await app.run(['rollback', '--yes']);
  expect(readdirSync(media)).toEqual(['other.txt']);
  expect(existsSync(join(app.directory, '.mcads-restore-state'))).toBe(false);
}, 600_000);
