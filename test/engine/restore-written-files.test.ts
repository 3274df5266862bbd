import { chown } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProject, docker, type TestProjectFolder, testEngine } from '../support/engine.ts';
import { backUp, containerOf, PASSWORD, psql, report, serverReady } from './e2e-support.ts';

/** A server that logs into a volume of its own, which is captured, and two services that share a network and a host name. */
const COMPOSE = (): string => `
services:
  db:
    image: ${testEngine().images.postgres15}
    command: [postgres, -c, logging_collector=on, -c, log_directory=/logs, -c, log_filename=postgresql.log]
    environment: { POSTGRES_PASSWORD: ${PASSWORD}, POSTGRES_INITDB_ARGS: --auth-local=scram-sha-256 }
    volumes: [data:/var/lib/postgresql/data, logs:/logs]
  web:
    image: ${testEngine().images.debian}
    hostname: shop.example
    command: [sleep, infinity]
    init: true
  side:
    image: ${testEngine().images.debian}
    command: [sleep, infinity]
    init: true
    network_mode: service:web
volumes: { data: , logs: }
`;

let project: TestProjectFolder;
beforeAll(async () => {
  project = await createProject({ 'compose.yaml': COMPOSE() });
  await project.compose(['create']);
  const logs = await docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', `${project.name}_logs`]);
  await chown(logs.stdout.trim(), 999, 999); // the image's user
  await project.compose(['up', '-d']);
  const db = await containerOf(project, 'db');
  await serverReady(db);
  await psql(db, 'create table predictions as select g as id from generate_series(1, 100) g');
  const made = await backUp(project);
  expect(made.code, made.stderr).toBe(0);
});
afterAll(async () => project[Symbol.asyncDispose]());

const rows = async (): Promise<string> => psql(await containerOf(project, 'db'), 'select count(*) from predictions');

test('a drill starts what shares a network, and proves what the server writes to', async () => {
  const run = await report(['drill', '--services'], { cwd: project.directory });
  expect(run.code, run.stderr).toBe(0);
  expect(run.json).toMatchObject({ level: 6 });
});

test('what a server writes while it is started for a restore is no difference, where it is down and where nothing is left', async () => {
  await project.compose(['stop']);
  const stopped = await report(['restore', 'latest', '--yes'], { cwd: project.directory });
  expect(stopped.code, stopped.stderr).toBe(0);
  await project.compose(['down', '-v']);
  const gone = await report(['restore', 'latest', '--yes'], { cwd: project.directory });
  expect(gone.code, gone.stderr).toBe(0);
  expect(await rows()).toBe('100');
});
