import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fingerprintLive } from '../support/awkward-tree.ts';
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

test('what was lost since comes back, with the services; then the snapshot is proven to level 6', async () => {
  const options = { cwd: project.directory, env: env() };
  const volume = (name: string): Promise<string> =>
    docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', `${project.name}_${name}`]).then(({ stdout }) => stdout.trim());
  const files = async (): Promise<unknown> => fingerprintLive(await volume('media'));
  const query = async (sql: string): Promise<string> =>
    (await project.compose(['exec', '-T', 'db', 'psql', '-U', 'mcads', '-At', '-d', 'mcads', '-c', sql], { env: env() })).stdout.trim();
  expect((await runCli(['backup'], options)).code).toBe(0);
  const before = await files();
  await rm(await volume('media').then((path) => join(path, 'xrays')), { recursive: true, force: true });
  expect(await files()).not.toEqual(before);
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
    ['nginx configuration', true],
  ]);
});
