import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createProject, docker, engineEnv, type TestProjectFolder, testEngine } from '../support/engine.ts';
import { runCli, runJson } from '../support/run-cli.ts';
import { runCommand } from '../support/run-command.ts';
import { containerOf, psql, report, stateOf } from './e2e-support.ts';
import { snapshotOf, startShop } from './restore-support.ts';

const sleeper = (extra: object): object => ({ image: testEngine().images.debian, command: ['sleep', 'infinity'], init: true, ...extra });
const compose = (more: object = {}): string =>
  JSON.stringify({
    services: { web: sleeper({ volumes: ['media:/media', './site:/site'] }), ...more },
    volumes: { media: {} },
  });

let project: TestProjectFolder;
beforeEach(async () => {
  project = await createProject({ 'compose.yaml': compose(), 'site/index.html': 'first' });
  await project.compose(['up', '-d']);
  await inside('web', 'echo first > /media/a.txt');
  const made = await report(['backup'], { cwd: project.directory });
  expect(made.code, made.stderr).toBe(0);
});
afterEach(async () => project[Symbol.asyncDispose]());

const inside = async (service: string, script: string): Promise<string> =>
  (await docker(['exec', await containerOf(project, service), 'sh', '-c', script])).stdout.trim();
const run = (args: readonly string[]): ReturnType<typeof report> => report(args, { cwd: project.directory, env: engineEnv() });
const startedAt = async (id: string): Promise<string> => (await docker(['inspect', '--format', '{{.State.StartedAt}}', id])).stdout;

test('a rollback stops whoever uses now what it puts back, also a service that came since', async () => {
  await inside('web', 'echo second > /media/a.txt');
  expect((await run(['restore', 'latest', '--yes'])).code).toBe(0);
  await project.write('compose.yaml', compose({ worker: sleeper({ volumes: ['media:/media'] }), apart: sleeper({}) }));
  await project.compose(['up', '-d']);
  const [worker, apart] = [await containerOf(project, 'worker'), await containerOf(project, 'apart')];
  const before = [await startedAt(worker), await startedAt(apart)];
  const back = await run(['rollback', '--yes']);
  expect(back.code, back.stderr).toBe(0);
  expect(await inside('worker', 'cat /media/a.txt')).toBe('second');
  expect(await startedAt(worker)).not.toBe(before[0]);
  expect(await startedAt(apart)).toBe(before[1]);
});

test('what others write to is not replaced under them: a bind of somebody else, refused before anything happens, and told by a backup', async () => {
  const other = `${project.name}-other`;
  const image = testEngine().images.debian;
  await docker(['run', '-d', '--init', '--name', other, '-v', `${project.directory}/site:/s`, image, 'sleep', 'infinity']);
  const watcher = `${project.name}-watcher`;
  await docker(['run', '-d', '--init', '--name', watcher, '-v', '/:/host:ro', '-v', `${project.directory}:/p:ro`, image, 'sleep', '9999']);
  try {
    const refused = await run(['restore', 'latest', '--yes']);
    expect(refused.code, refused.stderr).toBe(2);
    expect(JSON.stringify(refused.json)).toContain(`is also used by ${other}, which would see its files replaced`);
    expect(JSON.stringify(refused.json)).not.toContain(watcher);
    await project.compose(['stop']);
    const made = await run(['backup']);
    expect(made.json['components']).toContainEqual(expect.objectContaining({ id: 'bind/web/site', consistency: 'live' }));
    expect(made.json['components']).toContainEqual(expect.objectContaining({ id: 'volume/media', consistency: 'cold' }));
  } finally {
    await docker(['rm', '--force', other, watcher]);
  }
  expect((await run(['restore', 'latest', '--yes'])).code).toBe(0);
});

test('after `docker compose down`: containers that are made run again if they ran in the snapshot, and a rollback knows them', async () => {
  await inside('web', 'echo second > /media/a.txt');
  await project.compose(['down']);
  const plan = await runJson(['restore', 'latest', '--dry-run'], { cwd: project.directory, env: engineEnv() });
  expect((plan.json['plan'] as Record<string, unknown>)['services']).toContainEqual(expect.objectContaining({ name: 'web', starts: true }));
  const restored = await run(['restore', 'latest', '--yes']);
  expect(restored.code, restored.stderr).toBe(0);
  expect(await stateOf(project, 'web')).toBe('running');
  expect(await inside('web', 'cat /media/a.txt')).toBe('first');
  const before = await startedAt(await containerOf(project, 'web'));
  expect((await run(['rollback', '--yes'])).code).toBe(0);
  expect(await inside('web', 'cat /media/a.txt')).toBe('second');
  expect(await startedAt(await containerOf(project, 'web'))).not.toBe(before);

  await project.compose(['down']);
  expect((await run(['restore', 'latest', '--yes', '--no-start'])).code).toBe(0);
  expect(await stateOf(project, 'web')).toBe('created');
});

test('a rollback of which a volume was made anew since puts nothing back', async () => {
  expect((await run(['restore', 'latest', '--yes'])).code).toBe(0);
  await project.compose(['down', '--volumes']);
  await project.compose(['up', '-d']);
  await inside('web', 'echo third > /media/a.txt');
  const before = await startedAt(await containerOf(project, 'web'));
  const refused = await run(['rollback', '--yes']);
  expect(refused.code).toBe(1);
  expect(JSON.stringify(refused.json)).toMatch(/nothing was put back: what the restore replaced is not there any more of volume\/media/);
  expect(await startedAt(await containerOf(project, 'web'))).toBe(before);
  expect(await readFile(join(project.directory, 'site/index.html'), 'utf8')).toBe('first');
});

test('a rollback of which a database is gone puts nothing back', async () => {
  await using shop = await startShop();
  const snapshot = await snapshotOf(shop);
  const db = await containerOf(shop.folder, 'db');
  await psql(db, '\\c shop\ndelete from orders');
  const restored = await report(['restore', snapshot, '--yes'], { cwd: shop.directory, env: shop.env });
  expect(restored.code, restored.stderr).toBe(0);
  const kept = (await psql(db, "select datname from pg_database where datname like 'shop%' and datname <> 'shop'")).trim();
  expect(kept).not.toBe('');
  await psql(db, `drop database "${kept}"`);
  const refused = await report(['rollback', '--yes'], { cwd: shop.directory, env: shop.env });
  expect(refused.code).toBe(1);
  expect(JSON.stringify(refused.json)).toMatch(/is not there any more of database\/db\/shop/);
  expect(await psql(db, '\\c shop\nselect count(*) from orders')).toContain('2000');
});

test('another repository among the files of a bind is neither captured nor moved away', async () => {
  const own = join(project.directory, 'site/backups');
  const made = await run(['backup', '-r', own]);
  expect(made.code, made.stderr).toBe(0);
  await inside('web', 'mkdir -p /site/deep/er && cp -r /site/backups /site/deep/er/copy');
  const apart = join(project.directory, 'apart');
  const also = await run(['backup', '-r', apart]);
  expect(also.says).toMatch(/other-repository \S*site\/backups/);
  const files = await runCli(['files', 'latest', '-r', apart, 'bind/web/site'], { cwd: project.directory, env: engineEnv() });
  expect(files.stdout).not.toContain('backups/chunks');
  const restored = await run(['restore', 'latest', '--yes', '--keep-old', '0', '-r', apart]);
  expect(restored.code, restored.stderr).toBe(0);
  for (const repository of [own, join(project.directory, 'site/deep/er/copy')]) {
    const verified = await run(['verify', '--read-data', '-r', repository]);
    expect(verified.code, verified.stderr).toBe(0);
  }
});

test('files of a folder on which another filesystem is mounted by now cannot come back: said before anything stops', async () => {
  await inside('web', 'mkdir /site/uploads && echo 1 > /site/uploads/one');
  expect((await run(['backup'])).code).toBe(0);
  await inside('web', 'rm /site/uploads/one');
  const before = await startedAt(await containerOf(project, 'web'));
  const uploads = join(project.directory, 'site/uploads');
  await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', uploads]);
  try {
    const failed = await run(['restore', 'latest', '--yes']);
    expect(failed.code).toBe(1);
    expect(JSON.stringify(failed.json)).toMatch(
      /bind\/web\/site: 1 entries of the snapshot lie in uploads, where another filesystem is mounted now/,
    );
    expect(await startedAt(await containerOf(project, 'web'))).toBe(before);
  } finally {
    await runCommand('umount', [uploads]);
  }
  expect((await run(['restore', 'latest', '--yes'])).code).toBe(0);
  expect(await inside('web', 'cat /site/uploads/one')).toBe('1');
});

test('configuration inside of a bind: kept unless asked for, also where only the bind is chosen; replaced, it comes back with a rollback and with an undo', async () => {
  await project.write('site/app.env', 'A=recorded\n');
  await project.write('compose.yaml', compose({ app: sleeper({ env_file: './site/app.env', volumes: ['./site:/srv'] }) }));
  await project.compose(['up', '-d']);
  expect((await run(['backup'])).code).toBe(0);
  const environment = async (): Promise<string> => readFile(join(project.directory, 'site/app.env'), 'utf8');
  await project.write('site/app.env', 'A=live\n');
  await project.write('site/index.html', 'second');
  const chosen = await run(['restore', 'latest', '--yes', '--component', 'bind/*']);
  expect(chosen.code, chosen.stderr).toBe(0);
  expect(chosen.says).toMatch(/config-kept config configuration that differs is kept: \S+\/site\/app.env/);
  expect(await readFile(join(project.directory, 'site/index.html'), 'utf8')).toBe('first');
  expect(await environment()).toBe('A=live\n');

  expect((await run(['restore', 'latest', '--yes', '--with-config'])).code).toBe(0);
  expect(await environment()).toBe('A=recorded\n');
  expect((await run(['rollback', '--yes'])).code).toBe(0);
  expect(await environment()).toBe('A=live\n');

  await rm(join(project.directory, 'site/app.env'));
  expect((await run(['restore', 'latest', '--yes'])).code).toBe(0);
  expect(await environment()).toBe('A=recorded\n');
});
