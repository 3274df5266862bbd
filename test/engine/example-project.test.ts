import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fingerprintTree } from '../support/awkward-tree.ts';
import { createProject, docker, engineEnv, type TestProjectFolder } from '../support/engine.ts';
import { runCli, runJson } from '../support/run-cli.ts';

const example = join(import.meta.dirname, '../../compose/examples/mcads');

let project: TestProjectFolder;
const env = (): Readonly<Record<string, string | undefined>> => ({
  ...engineEnv(),
  COMPOSE_PROJECT_NAME: project.name,
  HTTP_PORT: '0',
});
beforeAll(async () => {
  project = await createProject();
  await cp(example, project.directory, { recursive: true });
  await project.compose(['up', '-d', '--wait'], { env: env() });
});
afterAll(async () => project[Symbol.asyncDispose]());

test('the MCADS example comes up healthy, with its seed data in every place', async () => {
  const query = async (database: string, sql: string): Promise<string> => {
    const psql = ['exec', '-T', 'db', 'psql', '-U', 'mcads', '-At', '-d', database, '-c', sql];
    return (await project.compose(psql, { env: env() })).stdout.trim();
  };
  expect(await query('mcads', 'SELECT count(*) FROM prediction')).toBe('10000');
  expect(await query('statistics', 'SELECT count(*) FROM daily_count')).toBe('365');

  const { stdout: address } = await project.compose(['port', 'nginx', '80'], { env: env() });
  const site = `http://${address.trim()}`;
  expect(await (await fetch(`${site}/health`)).json()).toEqual({ database: true, models: ['densenet121.weights', 'resnet50.weights'] });
  const image = new Uint8Array(300_000).map((_, index) => index * 31);
  expect((await fetch(`${site}/upload/new.png`, { method: 'PUT', body: image })).status).toBe(201);
  expect(new Uint8Array(await (await fetch(`${site}/media/uploads/new.png`)).arrayBuffer())).toEqual(image);
});

test("README's first command backs the example up completely and ends with where it is, what is missing and the way back", async () => {
  const elsewhere = join(project.directory, '..');
  const run = await runCli(['--project-directory', project.directory, 'backup'], { cwd: elsewhere, env: env() });
  expect(run.code, run.stderr).toBe(0);
  expect(run.stdout).toBe('');
  const [verdict, ...closing] = run.stderr.trimEnd().split('\n').slice(-4);
  expect(verdict).toMatch(/^Complete: /);
  const name = `${project.name}_backup_\\d{8}_\\d{6}`;
  const repository = `${project.directory}/backups`;
  expect(closing[0]).toMatch(new RegExp(`^Where it is: {2}${repository}/snapshots/${name}$`));
  expect(closing[1]).toBe('Not covered:  nothing that is known to hold state');
  expect(closing[2]).toMatch(
    new RegExp(`^Bring back:   (?:npx )?mcads-orchestrate --project-directory ${project.directory} restore ${name} -r ${repository}$`),
  );
  const password = (await readFile(join(project.directory, 'db_password.txt'), 'utf8')).trim();
  expect(run.stderr).not.toContain(password);

  const target = ['extract', new RegExp(name).exec(closing[0] ?? '')?.[0] ?? '', '-r', repository, '--target', './restored'];
  expect((await runCli(target, { cwd: elsewhere, env: { DOCKER_HOST: 'unix:///nowhere.sock' } })).code).toBe(0);
  for (const volume of ['media', 'static', 'models']) {
    const source = (await docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', `${project.name}_${volume}`])).stdout.trim();
    const expected = fingerprintTree(source).filter((line) => !line.endsWith('.partial'));
    expect(fingerprintTree(join(elsewhere, 'restored/volume', volume))).toEqual(expected);
  }
  for (const database of ['mcads', 'statistics'])
    expect((await readFile(join(elsewhere, `restored/database/db/${database}.dump`), 'latin1')).slice(0, 5)).toBe('PGDMP');
});

test('what was lost since comes back, with the services; then the snapshot is proven to level 6', async () => {
  const options = { cwd: project.directory, env: env() };
  const volume = (name: string): Promise<string> =>
    docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', `${project.name}_${name}`]).then(({ stdout }) => stdout.trim());
  const files = async (): Promise<unknown> => fingerprintTree(await volume('media'));
  const query = async (sql: string): Promise<string> =>
    (await project.compose(['exec', '-T', 'db', 'psql', '-U', 'mcads', '-At', '-d', 'mcads', '-c', sql], { env: env() })).stdout.trim();
  const before = await files();
  await rm(join(await volume('media'), 'uploads'), { recursive: true });
  await query('DROP TABLE prediction CASCADE');

  const restored = await runCli(['restore', 'latest', '--yes'], options);
  expect(restored.code, restored.stderr).toBe(0);
  expect(await files()).toEqual(before);
  expect(await query('SELECT count(*) FROM prediction')).toBe('10000');
  const { stdout: address } = await project.compose(['port', 'nginx', '80'], { env: env() });
  expect((await fetch(`http://${address.trim()}/health`)).status).toBe(200);

  const drilled = await runJson(['drill', '--services'], options);
  expect(drilled.code, `${drilled.stderr}\n${drilled.stdout}`).toBe(0);
  expect(drilled.json).toMatchObject({ level: 6 });
  const asserted = (drilled.json['checks'] as readonly { readonly level: number; readonly subject: string; readonly ok: boolean }[]) // the contract
    .filter(({ level }) => level === 5)
    .map(({ subject, ok }) => [subject, ok]);
  expect(asserted).toEqual([
    ['predictions', true],
    ['health page', true],
    ['front page', true],
  ]);
});
