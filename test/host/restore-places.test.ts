import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { HostApp, substituteSystemd } from '../support/host-app.ts';
import { asUser } from '../support/as-user.ts';
import { MAIN, runCli } from '../support/run-cli.ts';
import { runCommand } from '../support/run-command.ts';

function make(database: string): void {
  const open = new DatabaseSync(database);
  open.exec('create table kept(a); insert into kept values (1), (2)');
  open.close();
}

function rows(database: string): number {
  const open = new DatabaseSync(database, { readOnly: true });
  const { count } = open.prepare('select count(*) as count from kept').get() as { count: number };
  open.close();
  return count;
}

function staging(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.includes('.mcads-restore-') && !name.includes('state'),
  );
}

test('a database in a folder of its own comes back where that folder is gone, and beside what else is in it', async () => {
  await using app = await HostApp.create();
  const data = join(app.directory, 'data');
  mkdirSync(join(data, 'deep'), { recursive: true });
  for (const name of ['shop.sqlite3', 'deep/other.sqlite3']) make(join(data, name));
  app.write('data/beside.txt', 'beside');
  const repository = join(app.base, 'repository');
  await app.run(['-r', repository, 'backup']);

  rmSync(data, { recursive: true });
  await app.run(['-r', repository, 'restore', 'latest', '--yes', '--keep-old', '0']);
  expect([rows(join(data, 'shop.sqlite3')), rows(join(data, 'deep/other.sqlite3'))]).toEqual([2, 2]);
  expect(readdirSync(data).toSorted()).toEqual(['beside.txt', 'deep', 'shop.sqlite3']);

  const elsewhere = join(app.base, 'elsewhere');
  mkdirSync(elsewhere);
  await app.run(['-r', repository, '--project-directory', elsewhere, 'restore', 'latest', '--yes', '--keep-old', '0']);
  expect(rows(join(elsewhere, 'data/deep/other.sqlite3'))).toBe(2);
  expect(staging(elsewhere)).toEqual([]);
});

test('a unit that does one thing and is over counts as started', async () => {
  await using app = await HostApp.create();
  const systemd = substituteSystemd(app, { 'job.service': 'activating' }, ['job.service']);
  app.write('mcads.yaml', 'host:\n  services: [job]\n');
  await app.run(['backup']);
  await app.run(['restore', 'latest', '--yes']);
  expect(systemd.calls()).toEqual(['stop job.service', 'start job.service']);
  expect(systemd.stateOf('job.service')).toBe('inactive');
});

test('a part that is left out stays out and is left alone, a single file is a component, and a database nobody understands is an error', async () => {
  await using app = await HostApp.create();
  const key = join(app.base, 'single.key');
  writeFileSync(key, 'key');
  app.write('mcads.yaml', JSON.stringify({ host: { paths: { media: false }, components: { key } } }));
  const settings = readFileSync(join(app.directory, 'mcads/settings.py'), 'utf8');
  app.write(
    'mcads/settings.py',
    settings.replace(
      /^DATABASES[^]*?^\}$/m,
      "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': os.path.join(DATA_DIR, 'far.sqlite3')}}",
    ),
  );
  const made = await app.run(['backup'], 3);
  expect(made['findings']).toContainEqual(expect.objectContaining({ severity: 'error', code: 'database-not-covered' }));
  const snapshot = (made['snapshot'] as { name: string }).name;
  const { stdout } = await runCli(['files', snapshot], { cwd: app.directory, env: app.env });
  expect(stdout).toContain('static');
  expect(stdout).not.toContain('media');

  writeFileSync(key, 'lost');
  app.write('media/late.txt', 'late');
  await app.run(['restore', snapshot, '--yes']);
  expect(readFileSync(key, 'utf8')).toBe('key');
  expect(readFileSync(join(app.directory, 'media/late.txt'), 'utf8')).toBe('late');
});

test('what symbolic links lead to, outside and in no component, is told as not covered', async () => {
  await using app = await HostApp.create();
  const [far, named] = [join(app.base, 'far'), join(app.base, 'named')];
  for (const folder of [far, named]) mkdirSync(folder);
  writeFileSync(join(far, 'env'), 'SECRET=1');
  rmSync(join(app.directory, '.env'), { force: true });
  symlinkSync(join(far, 'env'), join(app.directory, '.env'));
  symlinkSync(far, join(app.directory, 'media/uploads'));
  symlinkSync(named, join(app.directory, 'named'));
  symlinkSync('/usr/bin/env', join(app.directory, 'system'));
  symlinkSync('media', join(app.directory, 'inside'));
  symlinkSync('/nowhere', join(app.directory, 'dangling'));
  app.write('mcads.yaml', JSON.stringify({ host: { components: { named } } }));
  const { uncovered } = await app.run(['backup']);
  expect((uncovered as { subject: string }[]).map(({ subject }) => subject).filter((subject) => !subject.includes('pycache'))).toEqual([
    '.env',
    'media/uploads',
  ]);
});

test('a configuration file that may not be read is an error of its own, and the others are stored', async () => {
  await using app = await HostApp.create();
  app.write('.env', 'SECRET=1');
  chmodSync(join(app.directory, '.env'), 0o000);
  const argv = [process.execPath, MAIN, 'backup', '--json'];
  const [command = '', ...args] = process.getuid?.() === 0 ? asNobody(app, argv) : argv;
  const run = await runCommand(command, args, { cwd: app.directory, env: app.env, accept: [3] });
  const made = JSON.parse(run.stdout) as { findings: { code: string; message: string }[]; components: { id: string; outcome: string }[] };
  expect(made.findings.filter(({ code }) => code === 'config-file-unreadable').map(({ message }) => message)).toEqual([
    expect.stringContaining('/.env') as string,
  ]);
  expect(made.components.find(({ id }) => id === 'config')?.outcome).toBe('captured');
});

/** Root may read everything: the application becomes somebody else's, but for its .env. */
function asNobody(app: HostApp, argv: readonly string[]): readonly string[] {
  chmodSync(app.base, 0o755);
  for (const folder of [app.directory, app.env['HOME'] ?? '']) execFileSync('chown', ['-R', '65534:65534', folder]);
  chownSync(join(app.directory, '.env'), 0, 0);
  return asUser(['--reuid=65534', '--regid=65534', '--clear-groups'], argv);
}
