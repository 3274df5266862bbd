import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fingerprintTree } from '../support/awkward-tree.ts';
import { ensureComposeV1 } from '../support/debian-packages.ts';
import { createProject, docker, engineEnv, type TestProjectFolder } from '../support/engine.ts';
import { runCommand, type CommandResult } from '../support/run-command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { PASSWORD, psql, report, until } from '../engine/e2e-support.ts';

const COMPOSE = `
version: '2.4'
services:
  db:
    image: \${POSTGRES_IMAGE}
    environment: {POSTGRES_PASSWORD: "${PASSWORD}"}
    volumes: ['db:/var/lib/postgresql/data']
    healthcheck: {test: [CMD-SHELL, pg_isready -q -h 127.0.0.1], interval: 3s, retries: 40}
  web:
    image: \${WEB_IMAGE}
    init: true
    command: [sleep, infinity]
    depends_on: [db]
    volumes: ['media:/media', './one.conf:/etc/one.conf:ro', /scratch]
    networks: {default: {aliases: [shop]}, inner: {}}
volumes: {db: {}, media: {labels: {purpose: pictures}}}
networks: {inner: {internal: true}}
`;

let project: TestProjectFolder;
let repository: Awaited<ReturnType<typeof temporaryFolder>>;
let compose: (...args: readonly string[]) => Promise<CommandResult>;
beforeAll(async () => {
  project = await createProject({ 'docker-compose.yml': COMPOSE, 'one.conf': 'a = 1\n' });
  repository = await temporaryFolder('mcads-repository-');
  const v1 = await ensureComposeV1();
  compose = async (...args) =>
    runCommand('python3', [v1.program, '--no-ansi', ...args], { cwd: project.directory, env: { ...engineEnv(), ...v1.env } });
  await compose('up', '-d');
});
afterAll(async () => {
  await project[Symbol.asyncDispose]();
  await repository[Symbol.asyncDispose]();
});

const SQL = 'select count(*), sum(id) from orders';

async function state(): Promise<unknown> {
  const mountpoint = (await docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', `${project.name}_media`])).stdout.trim();
  const labels = await docker(['volume', 'inspect', '--format', '{{json .Labels}}', `${project.name}_media`]);
  return {
    media: fingerprintTree(mountpoint),
    labels: JSON.parse(labels.stdout) as unknown,
    rows: await psql(`${project.name}_db_1`, SQL),
    scratch: (await docker(['exec', `${project.name}_web_1`, 'cat', '/scratch/own'])).stdout,
    config: await readFile(join(project.directory, 'docker-compose.yml'), 'utf8'),
  };
}

async function containers(): Promise<readonly string[]> {
  const filter = ['--filter', `label=com.docker.compose.project=${project.name}`];
  return (await docker(['ps', '-a', '--no-trunc', ...filter, '--format', '{{.Names}} {{.ID}} {{.State}}'])).stdout
    .trim()
    .split('\n')
    .toSorted();
}

test('what Compose version 1 started comes back onto an empty engine, and docker-compose up -d makes nothing anew', async () => {
  await until(
    async () => (await docker(['inspect', '--format', '{{.State.Health.Status}}', `${project.name}_db_1`])).stdout.trim() === 'healthy',
  );
  await psql(`${project.name}_db_1`, 'create table orders (id int); insert into orders select generate_series(1, 500)');
  await docker([
    'exec',
    `${project.name}_web_1`,
    'sh',
    '-c',
    'mkdir /media/deep; echo picture > /media/deep/one.png; chmod 2755 /media; echo own > /scratch/own',
  ]);
  const before = await state();
  const options = { cwd: project.directory };
  const made = await report(['backup', '-r', repository.path], options);
  expect(made.code, `${made.stderr}\n${made.says}`).toBe(0);
  const names = (await containers()).map((line) => line.replace(/ \S+ /, ' '));
  await compose('down', '-v', '-t', '1');
  await rm(project.directory, { recursive: true });
  expect(existsSync(project.directory)).toBe(false);
  await mkdir(project.directory);

  const restored = await report(['restore', made.snapshot?.name ?? '', '--yes', '-r', repository.path], options);
  expect(restored.code, `${restored.stderr}\n${restored.says}`).toBe(0);
  expect(await state()).toEqual(before);
  const back = await containers();
  expect(back.map((line) => line.replace(/ \S+ /, ' '))).toEqual(names);
  const up = await compose('up', '-d');
  expect(up.stderr).toContain(`${project.name}_db_1 is up-to-date`);
  expect(up.stderr).toContain(`${project.name}_web_1 is up-to-date`);
  expect(await containers()).toEqual(back);
  expect(await state()).toEqual(before);
});
