import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Manifest } from '../../src/domain/manifest.ts';
import { HostApp } from '../support/host-app.ts';
import { createAwkwardTree, fingerprintTree } from '../support/awkward-tree.ts';
import { runCommand } from '../support/run-command.ts';

let app: HostApp;
beforeEach(async () => {
  app = await HostApp.create();
}, 120_000);
afterEach(async () => app[Symbol.asyncDispose](), 120_000);

interface Made {
  readonly repository: string;
  readonly snapshot: { readonly name: string; readonly completeness: string };
  readonly components: readonly { readonly id: string; readonly outcome: string }[];
  readonly uncovered: readonly { readonly subject: string; readonly reason: string }[];
  readonly findings: readonly { readonly severity: string; readonly code: string; readonly message: string }[];
}

async function backUp(exit = 0): Promise<Made> {
  return (await app.run(['backup'], exit)) as unknown as Made; // design §8
}

async function extracted(name: string, component: string): Promise<string> {
  const target = join(app.base, 'out', component.replaceAll('/', '-'));
  mkdirSync(dirname(target), { recursive: true });
  await app.run(['extract', name, component, '--target', target]);
  return target;
}

test('the sample is captured whole while its writer runs, and what was committed before is in it', async () => {
  let before: number;
  let made: Made;
  {
    await using writer = await app.startWriter();
    before = writer.committed();
    made = await backUp();
    expect(writer.committed()).toBeGreaterThan(before); // it did go on
  }
  expect(made.snapshot).toMatchObject({
    name: expect.stringMatching(/^mcads_system_backup_\d{8}_\d{6}$/) as string,
    completeness: 'complete',
  });
  expect(made.components.map(({ id }) => id).toSorted()).toEqual([
    'config',
    'files/app_code',
    'files/data_exports',
    'files/locale',
    'files/logs',
    'files/media',
    'files/models',
    'files/static',
    'files/staticfiles',
    'files/tests',
    'sqlite/db.sqlite3',
    'state',
  ]);
  const folder = await extracted(made.snapshot.name, 'sqlite/db.sqlite3');
  const file = execFileSync('find', [folder, '-type', 'f'], { encoding: 'utf8' }).trim();
  const database = new DatabaseSync(file);
  expect(database.prepare('SELECT max(id) AS newest FROM xrays_study').get()).toMatchObject({ newest: expect.any(Number) as number });
  expect(Number(database.prepare('SELECT count(*) AS amount FROM xrays_study WHERE id <= ?').get(before)?.['amount'])).toBe(before);
  database.close();
  // Of what nobody touched nothing is read again, once its times are older than the two seconds for which they are not trusted.
  await backUp();
  const again = await backUp();
  expect(again.components.find(({ id }) => id === 'files/media')?.outcome).toBe('reused');
}, 600_000);

test('where the older list of files is damaged the backup says so, verify sets it aside, and the next backup mends every snapshot', async () => {
  await backUp();
  await backUp();
  const { snapshot, repository } = await backUp();
  const manifest = JSON.parse(readFileSync(join(repository, 'snapshots', snapshot.name, 'manifest.json'), 'utf8')) as Manifest;
  const media = manifest.components.find(({ id }) => id === 'files/media');
  const [page = ''] = media?.artifacts.find(({ name }) => name === 'catalogue')?.pages ?? [];
  const file = join(repository, 'segments', page.slice(0, 2), page);
  const bytes = readFileSync(file);
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 0xff, bytes.length >> 1);
  writeFileSync(file, bytes);

  const told = await backUp(3);
  expect(told.findings).toContainEqual(expect.objectContaining({ severity: 'error', code: 'catalogue-damaged' }));
  expect(told.components.find(({ id }) => id === 'files/media')?.outcome).toBe('reused');
  await app.run(['verify', '--read-data'], 30);
  expect((await backUp()).snapshot.completeness).toBe('complete');
  await app.run(['verify', '--read-data']);
}, 600_000);

test('one database that is corrupt fails alone: the others are there, and the exit code says partial', async () => {
  app.write('data_exports/broken.sqlite3', Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(8176, 1)]));
  const second = new DatabaseSync(join(app.directory, 'second.db'));
  second.exec('CREATE TABLE t (a); INSERT INTO t VALUES (1)');
  second.close();
  const made = await backUp(3);
  const failed = made.components.filter(({ outcome }) => outcome === 'failed');
  expect(failed.map(({ id }) => id)).toEqual(['sqlite/data_exports/broken.sqlite3']);
  expect(made.components.map(({ id }) => id)).toContain('sqlite/second.db');
  expect(made.snapshot.completeness).toBe('partial');
}, 600_000);

test('what is made again by itself is left out and named; the repository and our logs never get in', async () => {
  for (const folder of ['xrays/__pycache__', '.git/objects', 'venv/bin', 'node_modules/x'])
    mkdirSync(join(app.directory, folder), { recursive: true });
  app.write('venv/pyvenv.cfg', 'home = /usr/bin\n');
  app.write('xrays/__pycache__/models.pyc', 'x');
  symlinkSync('models.py', join(app.directory, 'xrays/link.py'));
  await backUp();
  const made = await backUp();
  expect(made.uncovered.map(({ subject }) => subject).toSorted()).toEqual(['.git', 'node_modules', 'venv', 'xrays/__pycache__']);
  const listed = await runCommand(process.execPath, [join(import.meta.dirname, '../../src/main.ts'), 'files', made.snapshot.name], {
    cwd: app.directory,
    env: { ...app.env, NO_COLOR: '1' },
  });
  expect(listed.stdout).toContain('xrays/link.py');
  const files = listed.stdout.split('\n').filter((line) => !line.includes('sqlite/'));
  expect(files.filter((line) => /__pycache__|\.git\/|pyvenv|chunks\/|backup_\d{8}_\d{6}\.log|db\.sqlite3/.test(line))).toEqual([]);
}, 600_000);

test('parts that are missing are reported and no error; a directory where nothing is found is exit 2 and gets no folder', async () => {
  const plan = (await app.run(['plan', '--project-directory', app.directory])) as unknown as Made;
  expect(plan.findings.filter(({ severity }) => severity === 'error')).toEqual([]);
  const empty = join(app.base, 'empty');
  mkdirSync(empty);
  const refused = await app.run(['backup', '--project-directory', empty], 2);
  expect(refused).toMatchObject({ error: { code: 'nothing-found' } });
  expect(execFileSync('ls', ['-A', empty], { encoding: 'utf8' })).toBe('');
  await runCommand('rm', ['-r', join(app.directory, 'locale'), join(app.directory, 'tests')]);
  expect(((await app.run(['plan'])) as unknown as Made).findings).toContainEqual(
    expect.objectContaining({ severity: 'info', code: 'part-missing', message: 'django profile: not there: tests, locale' }),
  );
}, 600_000);

test('a socket that refuses is exit 20 with the cure, never a backup of the host', async () => {
  app.env['MCADS_STRATEGY'] = 'auto';
  app.env['DOCKER_HOST'] = `unix://${app.base}/refuses.sock`;
  const refused = await app.run(['backup'], 20);
  expect(refused).toMatchObject({ error: { code: 'engine-unreachable' } });
  expect((await app.run(['backup', '--strategy', 'host']))['ok']).toBe(true);
}, 600_000);

test('the project is named by -p, mcads.yaml, the settings package, the newest classic archive, the directory', async () => {
  const nameOf = async (...args: readonly string[]): Promise<unknown> =>
    ((await app.run(['plan', ...args])) as { project: { name: string } }).project.name;
  expect(await nameOf('-p', 'given')).toBe('given');
  expect(await nameOf()).toBe('mcads');
  app.write('mcads.yaml', 'project: written\n');
  expect(await nameOf()).toBe('written');
  app.write('mcads.yaml', '');
  app.write('manage.py', 'no settings module\n');
  expect(await nameOf()).toBe('app');
  mkdirSync(join(app.directory, 'backups'));
  app.write('backups/xray_system_backup_20250801_142905.tar.gz', 'old');
  expect(await nameOf()).toBe('xray');
}, 600_000);

test.runIf(process.getuid?.() === 0)(
  'files that may not be read are named, the others are stored, and the exit code says so',
  async () => {
    const secret = join(app.directory, 'media/secret.bin');
    writeFileSync(secret, 'x');
    chmodSync(secret, 0o000);
    const program = join(import.meta.dirname, '../../src/main.ts');
    await runCommand('chmod', ['755', app.base]);
    await runCommand('chown', ['-R', '65534:65534', app.base]);
    await runCommand('chown', ['0:0', secret]);
    const result = await runCommand(
      'setpriv',
      ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, program, 'backup', '--json'],
      {
        cwd: app.directory,
        env: { ...app.env, MCADS_REPOSITORY: undefined },
        accept: 'any',
      },
    );
    expect(result.code, result.stderr).toBe(3);
    const made = JSON.parse(result.stdout) as Made; // design §8
    expect(made.findings).toContainEqual(
      expect.objectContaining({ severity: 'error', code: 'unreadable', subject: expect.stringContaining('secret.bin') as string }),
    );
    expect(made.components.find(({ id }) => id === 'files/media')?.outcome).toBe('captured');
  },
  120_000,
);

test('what is captured with GNU tar comes back to the last bit', async () => {
  const awkward = join(app.directory, 'media');
  createAwkwardTree(awkward);
  execFileSync('rm', ['-f', join(awkward, 'huge-sparse')]);
  const before = fingerprintTree(awkward);
  const made = await backUp();
  const target = join(await extracted(made.snapshot.name, 'files/media'), 'files/media');
  expect(fingerprintTree(target)).toEqual(before);
  expect(existsSync(join(target, 'xattrs'))).toBe(true);
  expect(readFileSync(join(target, 'plain.txt'), 'utf8')).toBe('plain text\n');
}, 600_000);
