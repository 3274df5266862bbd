import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { treeState } from '../support/archive-fixture.ts';
import { HostApp, substituteSystemd } from '../support/host-app.ts';
import { runCommand } from '../support/run-command.ts';

const TIME = '20250801_142905';
const NAME = `mcads_system_backup_${TIME}`;
const TREES = ['media', 'staticfiles', 'static', 'logs', 'data_exports', 'models', 'tests', 'locale'];
const CODE = ['mcads', 'xrays'];
const CONFIGURATION = ['.env', 'nginx/proxy_params', 'scripts/restart.sh', 'gunicorn_config.py', 'mcads.service', 'requirements.txt'];

/** system_backup.sh as the MCADS documentation describes it; the application's code takes its scripts along, which are configuration too. */
const SCRIPT = String.raw`
set -eu
find . -depth -exec touch -h -d '2025-08-01 14:29:00' {} +   # the script's tar keeps whole seconds
work=backups/$NAME
mkdir -p "$work"
cp db.sqlite3 "$work/db.sqlite3"
for part in media staticfiles static logs data_exports models tests locale; do tar czf "$work/$part.tar.gz" "$part"; done
tar czf "$work/config.tar.gz" nginx scripts .env gunicorn_config.py mcads_nginx.conf mcads.service requirements.txt
tar czf "$work/app_code.tar.gz" --exclude=__pycache__ mcads xrays scripts manage.py
{ uname -a; python3 --version; } > "$work/system_info.txt"
cd backups
tar czf "$NAME.tar.gz" "$NAME"
rm -rf "$NAME"
echo ok > "$NAME"_verification.txt
`;

let app: HostApp;
let systemd: ReturnType<typeof substituteSystemd>;
beforeEach(async () => {
  app = await HostApp.create();
  systemd = substituteSystemd(app, { 'mcads.service': 'active' });
  app.write('.env', 'SECRET_KEY=old\n');
  mkdirSync(join(app.directory, 'logs'), { recursive: true });
  app.write('logs/mcads.log', 'started\n');
  await runCommand('bash', ['-c', SCRIPT], { cwd: app.directory, env: { NAME } });
});
afterEach(async () => app[Symbol.asyncDispose]());

const at = (name: string): string => join(app.directory, name);

/** Trees with owners, modes, times and content; the code and the configuration file by file; the database by its bytes. */
async function state(): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {};
  for (const tree of [...TREES, ...CODE]) found[tree] = existsSync(at(tree)) ? withoutStaging(await treeState(at(tree))) : 'missing';
  for (const file of ['manage.py', ...CONFIGURATION]) {
    if (!existsSync(at(file))) continue;
    const { mode, mtimeMs } = statSync(at(file));
    found[file] = `${mode.toString(8)} ${Math.floor(mtimeMs / 1000)} ${readFileSync(at(file), 'utf8')}`;
  }
  found['db.sqlite3'] = existsSync(at('db.sqlite3'))
    ? createHash('sha256')
        .update(readFileSync(at('db.sqlite3')))
        .digest('hex')
    : 'missing';
  return found;
}

/** Without what a restore keeps for rollback. */
function withoutStaging(text: string): string {
  const lines = text.split('\n');
  return lines.filter((line) => !line.includes('.mcads-restore-')).join('\n');
}

test.each([
  ['by its file', [join('backups', `${NAME}.tar.gz`)], null],
  ['by its time after import', [TIME], ['import', join('backups', `${NAME}.tar.gz`)]],
  ['by its time before there is a repository', [TIME], null],
])('an archive of the old scripts brings a destroyed application back, %s', async (_how, words, first) => {
  const before = await state();
  if (first !== null) await app.run(first);
  for (const name of readdirSync(app.directory)) if (name !== 'backups') rmSync(at(name), { recursive: true });
  const restored = await app.run(['restore', ...words, '--yes', '--log-dir', join(app.base, 'own-logs')]);
  expect(await state()).toEqual(before);
  expect(restored).toMatchObject({ databases: [{ component: 'sqlite/db.sqlite3', name: at('db.sqlite3'), rowsEqual: null }] });
  expect(execFileSync('sqlite3', [at('db.sqlite3'), 'PRAGMA integrity_check'], { encoding: 'utf8' })).toBe('ok\n');
});

test('restored over a live application, what the archive does not hold stays, and rollback brings the state before back', async () => {
  const old = await state();
  await app.run(['import', join('backups', `${NAME}.tar.gz`)]);
  app.write('.env', 'SECRET_KEY=new\n');
  app.write('scripts/restart.sh', 'new\n');
  app.write('media/new.txt', 'new');
  app.write('mcads/settings.py', 'DEBUG = True\n');
  mkdirSync(at('venv/bin'), { recursive: true });
  app.write('venv/bin/python', 'python');
  app.write('notes.txt', 'notes');
  app.write('logs/backup_20260101_000000.log', 'of ours\n');
  execFileSync('sqlite3', [at('db.sqlite3'), 'DELETE FROM xrays_study']);
  chownSync(at('db.sqlite3'), 33, 33);
  chmodSync(at('db.sqlite3'), 0o660);
  const changed = await state();
  await app.run(['restore', TIME, '--yes']);
  expect(systemd.calls()).toEqual(['stop mcads.service', 'start mcads.service']);
  const now = await state();
  for (const part of ['media', 'db.sqlite3', 'mcads', 'xrays', 'manage.py']) expect(now[part], part).toBe(old[part]);
  for (const part of ['.env', 'scripts/restart.sh']) expect(now[part], part).toBe(changed[part]);
  for (const file of ['venv/bin/python', 'notes.txt', 'logs/backup_20260101_000000.log', `backups/${NAME}.tar.gz`])
    expect(existsSync(at(file)), file).toBe(true);
  expect(statSync(at('db.sqlite3'))).toMatchObject({ uid: 33, gid: 33, mode: 0o100660 });
  await app.run(['rollback', '--yes']);
  const { logs: ownLogs, ...back } = await state();
  expect({ logs: changed['logs'], ...back }).toEqual(changed);
  expect(ownLogs).toContain('backup_20260101_000000.log');
});

test('without GNU tar and a shell an old archive goes to the same places', async () => {
  const old = await state();
  app.write('notes.txt', 'notes');
  app.write('mcads/settings.py', 'DEBUG = True\n');
  chmodSync(app.directory, 0o750);
  app.env['PATH'] = '/nonexistent';
  await app.run(['restore', join('backups', `${NAME}.tar.gz`), '--yes', '--keep-old', '0', '--log-dir', join(app.base, 'own-logs')]);
  const content = (state: Readonly<Record<string, string>>, part: string): readonly string[] =>
    (state[part] ?? '').split('\n').filter((line) => /^[0-9a-f]{64} /.test(line));
  const now = await state();
  for (const part of [...TREES, ...CODE]) expect(content(now, part), part).toEqual(content(old, part));
  expect(now['db.sqlite3']).toBe(old['db.sqlite3']);
  expect(readFileSync(at('notes.txt'), 'utf8')).toBe('notes');
  expect(statSync(app.directory).mode).toBe(0o40750);
});

test('list, restore and its errors know archives that were never imported, before and after the first backup', async () => {
  expect(await app.run(['list'])).toMatchObject({ snapshots: [], classic: [{ file: `${NAME}.tar.gz`, project: 'mcads' }] });
  expect(readdirSync(at('backups')).toSorted()).toEqual([`${NAME}.tar.gz`, `${NAME}_verification.txt`]);
  expect(await app.run(['restore', 'latest', '--yes'], 10)).toMatchObject({ error: { hint: expect.stringContaining(NAME) as string } });
  expect(await app.run(['restore', '2024', '--yes'], 10)).toMatchObject({ error: { hint: expect.stringContaining(NAME) as string } });
  expect(await app.run(['restore', TIME, '--dry-run'])).toMatchObject({ plan: {} });
  await app.run(['backup', '--no-prune']);
  rmSync(at('media'), { recursive: true });
  expect(await app.run(['restore', '20', '--yes'], 2)).toMatchObject({
    error: { message: expect.stringContaining('fits 2 snapshots') as string },
  });
  await app.run(['restore', '2025', '--yes', '--component', 'files/media']);
  expect(existsSync(at('media/xrays/0001.png'))).toBe(true);
  expect(await app.run(['list'])).toMatchObject({ snapshots: [{ name: NAME }, {}], classic: [{ file: `${NAME}.tar.gz` }] });
});
