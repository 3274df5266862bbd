import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Finding } from '../../src/domain/finding.ts';
import { NO_HOST_SETTINGS, type HostApplication, type HostSettings } from '../../src/domain/host.ts';
import { hostRuntime } from '../../src/host/runtime.ts';
import { asUser } from '../support/as-user.ts';
import { fastFolder } from '../support/host-app.ts';
import { runJson } from '../support/run-cli.ts';
import { runCommand } from '../support/run-command.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');

let base: string;
let directory: string;
beforeEach(() => {
  base = fastFolder('mcads-findings-');
  directory = join(base, 'app');
  write('manage.py', "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')");
  write('shop/settings.py', '');
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function write(name: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(directory, name)), { recursive: true });
  writeFileSync(join(directory, name), content);
}

async function look(settings: Partial<HostSettings> = {}): Promise<HostApplication> {
  const request = {
    directory,
    model: null,
    settings: { ...NO_HOST_SETTINGS, ...settings },
    anyDirectory: true,
    exclude: [],
    neverCapture: [join(directory, 'backups')],
    logDirectory: join(directory, 'logs'),
    projectName: null,
  };
  const found = await hostRuntime().survey(request, new AbortController().signal);
  if (found === null) throw new Error('no application is found');
  return found;
}

function environment(): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: base,
    MCADS_STRATEGY: 'host',
    DOCKER_HOST: '',
    DOCKER_CONTEXT: '',
    XDG_RUNTIME_DIR: '',
  };
}

interface Made {
  readonly snapshot: { readonly name: string; readonly completeness: string };
  readonly findings: readonly Finding[];
  readonly components: readonly { readonly id: string; readonly outcome: string }[];
}

/** A backup by a user without rights, which is partial. */
async function backUpAsNobody(args: readonly string[]): Promise<Made> {
  const argv = [process.execPath, MAIN, 'backup', '--json', ...args];
  const [program, ...rest] = asUser(['--reuid=65534', '--regid=65534', '--clear-groups'], argv);
  const { code, stdout, stderr } = await runCommand(program, rest, { cwd: directory, env: environment(), accept: 'any' });
  expect(code, stderr).toBe(3);
  return JSON.parse(stdout) as Made; // design §8
}

/** The tool itself, in the application's directory. */
async function run(args: readonly string[], exit: number): Promise<Record<string, unknown>> {
  const result = await runJson(args, { cwd: directory, env: environment() });
  if (result.code !== exit) throw new Error(`${args.join(' ')} ended with ${result.code}\n${result.stderr}`);
  return result.json;
}

test('a database whose place only Python knows makes the backup partial, until its file or its URL is named', async () => {
  write(
    'shop/settings.py',
    "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': os.path.join(DATA_DIR, 'db.sqlite3')}}",
  );
  expect(await run(['backup'], 3)).toMatchObject({
    snapshot: { completeness: 'partial' },
    findings: expect.arrayContaining([expect.objectContaining({ severity: 'error', code: 'database-not-covered' })]) as unknown,
  });
  await run(['status'], 4); // nothing that can be relied on
  const codes = async (settings: Partial<HostSettings>): Promise<readonly string[]> =>
    (await look(settings)).findings.map(({ code }) => code);
  expect(await codes({})).toContain('database-not-covered');
  expect(await codes({ databases: [join(directory, 'elsewhere.db')] })).not.toContain('database-not-covered');
  write('.env', 'DATABASE_URL=sqlite:///x.db\n');
  expect(await codes({})).not.toContain('database-not-covered');
});

test('a place of media that only Python knows is told with what is captured instead, until it is named', async () => {
  const told = async (settings: Partial<HostSettings> = {}): Promise<readonly Partial<Finding>[]> =>
    (await look(settings)).findings.filter(({ code }) => code === 'settings-unread');
  write('shop/settings.py', 'MEDIA_ROOT = where()\nSTATIC_ROOT = where()\n');
  const nothing = expect.stringContaining('nothing is captured as files/media') as unknown;
  expect(await told()).toMatchObject([
    { severity: 'error', subject: 'MEDIA_ROOT', message: nothing },
    { severity: 'info', subject: 'STATIC_ROOT' },
  ]);
  write('media/a.txt', 'x');
  const instead = expect.stringContaining(`files/media is ${join(directory, 'media')}`) as unknown;
  expect((await told())[0]).toMatchObject({ severity: 'warning', message: instead });
  expect(await told({ paths: { media: join(directory, 'media'), staticfiles: false } })).toEqual([]);
  write('shop/settings.py', "MEDIA_ROOT = BASE_DIR / 'media'\n");
  expect(await told()).toEqual([]);
  write('shop/settings.py', "STORAGES = {'default': {'BACKEND': 'storages.backends.s3.S3Storage'}}\n");
  expect((await look()).findings).toContainEqual(expect.objectContaining({ severity: 'info', code: 'uploads-elsewhere' }));
  rmSync(join(directory, 'shop/settings.py'));
  expect(await told()).toMatchObject([{ severity: 'warning', subject: 'manage.py' }]);
});

test('a filesystem that is mounted inside is told each time, until it is excluded or captured by itself', async () => {
  write('media/2025/inner/photo.jpg', 'below the mount');
  write('media/a.txt', 'x');
  write('.env', 'A=1');
  const script = 'mount -t tmpfs none "$1/media/2025" && echo family > "$1/media/2025/photo.jpg" && shift && exec "$@"';
  const backUp = async (): Promise<Made & { readonly code: number | null }> => {
    const argv = ['--mount', 'sh', '-c', script, 'sh', directory, process.execPath, MAIN, 'backup', '--json'];
    const { code, stdout } = await runCommand('unshare', argv, { cwd: directory, env: environment(), accept: 'any' });
    return { code, ...(JSON.parse(stdout) as Made) }; // design §8
  };
  for (const attempt of ['first', 'unchanged']) {
    const { code, findings } = await backUp();
    expect(code, attempt).toBe(3);
    expect(findings, attempt).toContainEqual(expect.objectContaining({ severity: 'error', code: 'other-filesystem' }));
  }
  write('mcads.yaml', JSON.stringify({ host: { components: { y2025: 'media/2025' } } }));
  const { code, findings, components } = await backUp();
  expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
  expect(code).toBe(0);
  expect(components).toContainEqual(expect.objectContaining({ id: 'files/y2025', outcome: 'captured' }));
  write('mcads.yaml', JSON.stringify({ host: { exclude: ['2025'] } }));
  expect(await backUp()).toMatchObject({ code: 0 });
});

test('two applications of one name in one repository are told by the backup and by the plan of a restore', async () => {
  const args = ['--repository', join(base, 'shared')];
  write('media/who', 'a');
  expect(((await run([...args, 'backup'], 0))['findings'] as readonly Finding[]).map(({ code }) => code)).not.toContain('other-directory');
  const first = directory;
  directory = join(base, 'second');
  write('manage.py', readFileSync(join(first, 'manage.py')));
  write('shop/settings.py', '');
  write('media/who', 'b');
  const told = (subject: string): unknown =>
    expect.arrayContaining([
      expect.objectContaining({
        severity: 'warning',
        code: 'other-directory',
        subject,
        message: expect.stringContaining(first) as unknown,
      }),
    ]);
  expect(await run([...args, 'restore', 'latest', '--dry-run'], 0)).toMatchObject({ findings: told(await newest(args)) });
  expect(await run([...args, 'backup'], 0)).toMatchObject({ findings: told('shop') });
  rmSync(first, { recursive: true });
  expect(((await run([...args, 'backup'], 0))['findings'] as readonly Finding[]).map(({ code }) => code)).not.toContain('other-directory');
});

async function newest(args: readonly string[]): Promise<string> {
  const { snapshots } = (await run([...args, 'list'], 0)) as { readonly snapshots: readonly { readonly name: string }[] }; // design §8
  return snapshots.at(-1)?.name ?? '';
}

test.each([
  ['config', 'shop/releases/42', 'shop'],
  ['core', 'my-shop', 'my-shop'],
  ['shop', 'releases/42', 'shop'],
  ['mysite', '42', 'app'],
])('with settings in %s an application in %s is project %s', async (settings, folder, name) => {
  directory = join(directory, folder);
  write('manage.py', `os.environ.setdefault('DJANGO_SETTINGS_MODULE', '${settings}.settings')`);
  write(`${settings}/settings.py`, '');
  expect(await run(['plan'], 0)).toMatchObject({ project: { name } });
});

test('what nobody needs is told by a backup and no concern of status; a socket stays where it is in a restore', async () => {
  write('.git/HEAD', 'ref');
  write('venv/pyvenv.cfg', '');
  write('media/__pycache__/a.pyc', '');
  write('media/a.txt', 'before');
  write('.env', 'A=1');
  mkdirSync(join(directory, 'media/run'));
  const server = createServer().listen(join(directory, 'media/run/app.sock'));
  await once(server, 'listening');
  try {
    const { uncovered } = (await run(['backup', '--repository', join(base, 'away')], 0)) as {
      readonly uncovered: HostApplication['uncovered'];
    }; // design §8
    expect(uncovered.map(({ subject }) => subject).toSorted()).toEqual(['.git', 'media/__pycache__', 'media/run/app.sock', 'venv']);
    await run(['status', '--repository', join(base, 'away')], 0);
    write('media/a.txt', 'after');
    rmSync(join(directory, '.git'), { recursive: true });
    await run(['restore', 'latest', '--yes', '--repository', join(base, 'away')], 0);
    expect(readFileSync(join(directory, 'media/a.txt'), 'utf8')).toBe('before');
    const client = connect(join(directory, 'media/run/app.sock'));
    await once(client, 'connect');
    client.destroy();
  } finally {
    server.close();
  }
});

test('who has a database open that a restore would replace, and is of no service, is told', async () => {
  const database = new DatabaseSync(join(directory, 'db.sqlite3'));
  database.exec('CREATE TABLE t (a)');
  database.close();
  const args = ['--repository', join(base, 'away')];
  await run([...args, 'backup'], 0);
  const opens = `const { DatabaseSync } = require('node:sqlite'); const db = new DatabaseSync('db.sqlite3'); db.exec('INSERT INTO t VALUES (1)'); console.log('open'); setInterval(() => db, 1e6)`;
  const holder = spawn(process.execPath, ['-e', opens], { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] });
  const codes = async (): Promise<readonly (Finding | undefined)[]> =>
    ((await run([...args, 'restore', 'latest', '--dry-run'], 0))['findings'] as readonly Finding[]).filter(
      ({ code }) => code === 'still-open',
    );
  try {
    await once(holder.stdout, 'data');
    expect(await codes()).toMatchObject([
      { severity: 'warning', message: expect.stringContaining(`process ${holder.pid} (node`) as unknown },
    ]);
  } finally {
    holder.kill();
    await once(holder, 'close');
  }
  expect(await codes()).toEqual([]);
});

test('a configuration file with an access list comes back closed to its group, and is told', async () => {
  write('.env', 'SECRET_KEY=kept\n');
  write('requirements.txt', 'django\n');
  chmodSync(join(directory, '.env'), 0o600);
  execFileSync('setfacl', ['-m', 'u:33:r', join(directory, '.env')]);
  chmodSync(join(directory, 'requirements.txt'), 0o664);
  const { findings } = (await run(['backup'], 0)) as { readonly findings: readonly Finding[] }; // design §8
  expect(findings.filter(({ code }) => code === 'config-acl').map(({ subject }) => subject)).toEqual([join(directory, '.env')]);
  rmSync(join(directory, '.env'));
  rmSync(join(directory, 'requirements.txt'));
  await run(['restore', 'latest', '-y'], 0);
  const modes = ['.env', 'requirements.txt'].map((name) => (statSync(join(directory, name)).mode & 0o777).toString(8));
  expect(modes).toEqual(['600', '664']);
});

test('a part that is left out is in no other component, and neither are its databases', async () => {
  write('media/a.txt', 'x');
  write('static/a.txt', 'x');
  write('media/cache.db', Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(1008)]));
  symlinkSync(join(base, 'elsewhere'), join(directory, 'logs'));
  const { trees, databases, uncovered } = await look({ paths: { media: false, logs: false } });
  const code = trees.find(({ id }) => id === 'files/app_code');
  expect(code?.exclude).toEqual(expect.arrayContaining(['static', 'media', 'logs']));
  expect(databases).toEqual([]);
  expect(uncovered.map(({ subject }) => subject)).toEqual(expect.arrayContaining(['media', 'logs']));
});

test('where the settings name another place for a part, the folder of its usual name stays captured and is told', async () => {
  write('media/a.txt', 'x');
  mkdirSync(join(base, 'new-media'));
  const { trees, findings } = await look({ paths: { media: join(base, 'new-media') } });
  expect(trees.find(({ id }) => id === 'files/app_code')?.exclude).not.toContain('media');
  expect(findings).toContainEqual(expect.objectContaining({ severity: 'info', code: 'part-elsewhere' }));
});

test('a component may be a single file, in the directory and outside of it; a database is one in any case', async () => {
  mkdirSync(join(base, 'keys'));
  writeFileSync(join(base, 'keys/single.key'), 'secret');
  write('inside.key', 'four');
  const database = new DatabaseSync(join(base, 'keys/other.db'));
  database.exec('CREATE TABLE t (a)');
  database.close();
  const components = { key: join(base, 'keys/single.key'), inside: join(directory, 'inside.key'), other: join(base, 'keys/other.db') };
  const { trees, databases } = await look({ components });
  expect(trees).toContainEqual(expect.objectContaining({ id: 'files/key', bytes: 6 }));
  expect(trees).toContainEqual(expect.objectContaining({ id: 'files/inside', bytes: 4 }));
  expect(databases.map(({ path }) => path)).toEqual([join(base, 'keys/other.db')]);

  write('mcads.yaml', `host:\n  components:\n    key: ${components.key}\n`);
  await run(['backup'], 0);
  rmSync(components.key);
  await run(['restore', 'latest', '--component', 'files/key', '-y'], 0);
  expect(readFileSync(components.key, 'utf8')).toBe('secret');
});

test.runIf(process.getuid?.() === 0)('a directory that may not be entered says so and what to do', async () => {
  write('models/a.bin', 'x');
  write('.env', 'A=1\n');
  write('requirements.txt', 'django\n');
  execFileSync('chown', ['-R', '65534:65534', base]);
  execFileSync('chmod', ['755', base]);
  for (const name of ['models', '.env']) {
    chmodSync(join(directory, name), 0o700);
    chownSync(join(directory, name), 0, 0);
  }
  const { findings, components } = await backUpAsNobody([]);
  expect(findings).toContainEqual(
    expect.objectContaining({ subject: 'files/models', message: `no permission to read the directory ${join(directory, 'models')}` }),
  );
  expect(findings.find(({ subject }) => subject === 'files/models')?.hint).toContain('sudo');
  expect(findings).toContainEqual(expect.objectContaining({ code: 'config-file-unreadable', subject: join(directory, '.env') }));
  expect(components.find(({ id }) => id === 'config')?.outcome).toBe('captured');
});

test.runIf(process.getuid?.() === 0)(
  'what the backup could not read stays where it is when the rest is restored, and is told',
  async () => {
    write('media/open.txt', 'before');
    write('media/sub/secret.txt', 'only for root');
    write('media/locked/inner.txt', 'only for root');
    const odd = Buffer.concat([Buffer.from(join(directory, 'media/')), Buffer.of(0xff)]); // a name that JSON cannot tell
    writeFileSync(odd, 'only for root', { mode: 0o600 });
    execFileSync('chown', ['-R', '65534:65534', base]);
    execFileSync('chmod', ['755', base]);
    for (const [name, mode] of [
      ['media/sub/secret.txt', 0o600],
      ['media/locked', 0o700],
    ] as const) {
      chmodSync(join(directory, name), mode);
      chownSync(join(directory, name), 0, 0);
    }
    chownSync(odd, 0, 0);
    const { snapshot } = await backUpAsNobody([]);
    write('media/open.txt', 'after');
    write('media/new.txt', 'after');
    const restored = await run(['restore', snapshot.name, '--yes'], 0);
    const told = (path: string): unknown => expect.objectContaining({ code: 'not-restored', subject: `files/media: ${path}` });
    expect(restored['findings']).toEqual(expect.arrayContaining([told('sub/secret.txt'), told('locked'), told('more')]));
    const content = (name: string): string | null =>
      existsSync(join(directory, name)) ? readFileSync(join(directory, name), 'utf8') : null;
    expect(['media/open.txt', 'media/new.txt', 'media/sub/secret.txt', 'media/locked/inner.txt'].map(content)).toEqual([
      'before',
      null,
      'only for root',
      'only for root',
    ]);
    await run(['rollback', '--yes'], 0);
    expect(['media/open.txt', 'media/new.txt', 'media/sub/secret.txt'].map(content)).toEqual(['after', 'after', 'only for root']);
  },
);

test('a database that cannot be copied is kept byte by byte, with its log, and comes back beside the one that is there', async () => {
  const file = join(directory, 'db.sqlite3');
  write('shop/settings.py', `DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': BASE_DIR / 'db.sqlite3'}}`);
  write('db.sqlite3', Buffer.alloc(8192, 0xa7));
  write('db.sqlite3-wal', 'log');
  const made = (await run(['backup', '--no-prune'], 3)) as unknown as Made; // design §8
  expect(made.snapshot.completeness).toBe('partial');
  expect(made.findings.find(({ subject }) => subject === 'sqlite/db.sqlite3')?.message).toContain(
    'its header is damaged, or it is encrypted',
  );
  expect(made.findings).toContainEqual(expect.objectContaining({ code: 'database-raw', subject: 'files/damaged/db.sqlite3' }));

  await run(['extract', made.snapshot.name, 'files/damaged/db.sqlite3', '--target', join(base, 'out')], 0);
  expect(readFileSync(join(base, 'out/files/damaged/db.sqlite3/db.sqlite3'))).toEqual(Buffer.alloc(8192, 0xa7));
  expect(readFileSync(join(base, 'out/files/damaged/db.sqlite3/db.sqlite3-wal'), 'utf8')).toBe('log');

  write('db.sqlite3', 'another one');
  rmSync(join(directory, 'db.sqlite3-wal'));
  await run(['restore', made.snapshot.name, '-y'], 0);
  expect(readFileSync(file, 'utf8')).toBe('another one');
  expect(readFileSync(join(directory, 'db.sqlite3.mcads-damaged/db.sqlite3'))).toEqual(Buffer.alloc(8192, 0xa7));
  expect((await look()).uncovered).toContainEqual(expect.objectContaining({ subject: 'db.sqlite3.mcads-damaged' }));
});

test('a database that was cut off in its middle is still one: told, and not a file like others', async () => {
  const database = new DatabaseSync(join(directory, 'shop.sqlite3'));
  database.exec(
    'create table kept(a); with recursive n(i) as (values (1) union all select i + 1 from n where i < 5000) insert into kept select i from n',
  );
  database.close();
  await run(['backup', '--no-prune'], 0);
  truncateSync(join(directory, 'shop.sqlite3'), 5001);
  const made = (await run(['backup', '--no-prune'], 3)) as unknown as Made; // design §8
  expect(made.findings).toContainEqual(expect.objectContaining({ severity: 'error', subject: 'sqlite/shop.sqlite3' }));
  expect(made.findings).toContainEqual(expect.objectContaining({ code: 'database-raw', subject: 'files/damaged/shop.sqlite3' }));
});

test('of a configuration file that is a link out of the application the content is kept', async () => {
  mkdirSync(join(base, 'ext'));
  writeFileSync(join(base, 'ext/env'), 'SECRET_KEY=kept\n');
  symlinkSync('../ext/env', join(directory, '.env'));
  write('deploy/web.txt', 'x');
  symlinkSync('deploy/web.txt', join(directory, 'requirements.txt'));
  const { configFiles, findings, uncovered } = await look();
  expect(configFiles).toEqual([join(directory, '.env')]); // the other one leads to what files/app_code has
  expect(findings).toContainEqual(expect.objectContaining({ code: 'config-link', subject: join(directory, '.env') }));
  expect(uncovered).toEqual([]);

  await run(['backup'], 0);
  writeFileSync(join(base, 'ext/env'), 'SECRET_KEY=new\n');
  const links = { findings: expect.arrayContaining([expect.objectContaining({ severity: 'warning', code: 'config-link' })]) as unknown };
  expect(await run(['restore', 'latest', '--dry-run', '--with-config'], 0)).toMatchObject(links);
  rmSync(join(directory, '.env'));
  await run(['restore', 'latest', '-y'], 0);
  expect(readFileSync(join(directory, '.env'), 'utf8')).toBe('SECRET_KEY=kept\n');
  expect(readlinkSync(join(directory, 'requirements.txt'))).toBe('deploy/web.txt');
});

test.each(['with GNU find', 'without programs'])('links to what is in no component are told as not covered, %s', async (how) => {
  const path = process.env['PATH'];
  if (how === 'without programs') process.env['PATH'] = join(base, 'nothing');
  try {
    for (const folder of ['outside', 'known', 'named']) mkdirSync(join(base, folder));
    writeFileSync(join(base, 'outside/a'), 'x');
    write('media/b', 'x');
    symlinkSync(join(base, 'outside'), join(directory, 'media/uploads'));
    symlinkSync(join(base, 'outside'), join(directory, 'stuff'));
    symlinkSync(join(base, 'outside/a'), join(directory, 'skipped'));
    symlinkSync(join(base, 'known'), join(directory, 'static'));
    symlinkSync(join(base, 'named'), join(directory, 'data'));
    symlinkSync('/usr/bin/env', join(directory, 'env'));
    symlinkSync(join(base, 'gone'), join(directory, 'gone'));
    symlinkSync('media/b', join(directory, 'inside'));
    const { uncovered } = await look({ components: { data: join(base, 'named') }, exclude: ['skipped'] });
    expect(uncovered.map(({ reason }) => reason)).toEqual([
      `a link to ${join(base, 'outside')}, which is in no component: name it under \`host: components:\``,
    ]);
    expect(uncovered[0]?.subject).toMatch(/^(?:media\/uploads|stuff) and 1 more$/);
  } finally {
    process.env['PATH'] = path;
  }
});

test.runIf(process.getuid?.() === 0)(
  'a database in WAL mode in a folder that is not ours says who may read it, and its files are kept',
  async () => {
    const database = new DatabaseSync(join(directory, 'db.sqlite3'));
    database.exec('PRAGMA journal_mode = wal; CREATE TABLE t (a)');
    database.close();
    mkdirSync(join(base, 'own'));
    execFileSync('chmod', ['-R', 'a+rX', base]);
    execFileSync('chown', ['65534:65534', join(base, 'own')]);
    const { findings, components } = await backUpAsNobody(['--repository', join(base, 'own/repository')]);
    const told = findings.find(({ subject }) => subject === 'sqlite/db.sqlite3');
    expect(told?.message).toContain('cannot be opened');
    expect(told?.hint).toContain('run with sudo');
    expect(components.find(({ id }) => id === 'files/damaged/db.sqlite3')?.outcome).toBe('captured');
  },
);

test('a folder that is empty all at once is told, and the last snapshot that has its content is never pruned', async () => {
  write('media/photo.jpg', 'photo');
  const first = (await run(['backup'], 0)) as unknown as Made; // design §8
  rmSync(join(directory, 'media/photo.jpg'));
  const second = (await run(['backup', '--keep-last', '1'], 0)) as unknown as Made; // as above
  expect(second.findings).toContainEqual(expect.objectContaining({ severity: 'warning', code: 'became-empty', subject: 'files/media' }));
  for (let night = 0; night < 2; night += 1) await run(['backup', '--keep-last', '1'], 0);
  const { snapshots } = (await run(['list'], 0)) as { readonly snapshots: readonly { readonly name: string }[] }; // as above
  expect(snapshots.map(({ name }) => name)).toContain(first.snapshot.name);
  expect(snapshots).toHaveLength(2);
  write('media/photo.jpg', 'again');
  await run(['backup', '--keep-last', '1'], 0);
  expect(((await run(['list'], 0)) as { readonly snapshots: readonly unknown[] }).snapshots).toHaveLength(1);
});

test('another repository in the directory is left out, and stays as it is in a restore', async () => {
  await run(['backup'], 0);
  await run(['-r', join(base, 'usb'), 'backup'], 0);
  await run(['backup'], 0);
  const local = async (): Promise<unknown> => ((await run(['list'], 0)) as { readonly snapshots: unknown }).snapshots; // design §8
  const before = await local();
  expect(before).toHaveLength(2);
  await run(['-r', join(base, 'usb'), 'restore', 'latest', '--yes', '--keep-old', '0'], 0);
  expect(await local()).toEqual(before);
  await run(['-r', join(base, 'usb'), 'extract', 'latest', '--target', join(base, 'out')], 0);
  expect(existsSync(join(base, 'out/files/app_code/manage.py'))).toBe(true);
  expect(existsSync(join(base, 'out/files/app_code/backups'))).toBe(false);
});

test('a component with the name of a part of the profile is refused, for each is restored by its id alone', async () => {
  write('media/photo.jpg', 'photo');
  mkdirSync(join(base, 'other'));
  write('mcads.yaml', `host: {components: {media: ${join(base, 'other')}}}\n`);
  const refused = await run(['backup'], 2);
  expect(refused['error']).toMatchObject({
    message: expect.stringContaining('files/media would be both') as string,
    hint: expect.stringContaining('paths: {media:') as string,
  });
});
