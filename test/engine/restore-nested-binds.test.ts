import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createProject, docker, testEngine } from '../support/engine.ts';
import { backUp, containerOf, PASSWORD, psql, report, serverReady } from './e2e-support.ts';

const COMPOSE = (): string => `
services:
  web:
    image: ${testEngine().images.debian}
    command: [sleep, infinity]
    init: true
    volumes: ["./app:/app"]
  inner:
    image: ${testEngine().images.debian}
    command: [sleep, infinity]
    init: true
    labels: {mcads.exclude: '*.tmp'}
    volumes: ["./app/inner:/inner"]
  db:
    image: ${testEngine().images.postgres15}
    environment: { POSTGRES_PASSWORD: ${PASSWORD} }
    volumes: ["./app/pgdata:/var/lib/postgresql/data"]
`;

test('binds inside of a bind that are components of their own come back, and are not moved away with the outer one', async () => {
  await using project = await createProject({ 'compose.yaml': COMPOSE(), 'app/page.txt': 'first', 'app/inner/file.txt': 'first' });
  await project.compose(['up', '-d']);
  const db = await containerOf(project, 'db');
  await serverReady(db);
  await psql(db, 'create table kept as select 1 as a');
  await project.compose(['stop', 'db']);
  const made = await backUp(project);
  expect(made.code, made.stderr).toBe(0);
  expect(Object.values(made.components)).toContain('captured cold');
  for (const name of ['page.txt', 'inner/file.txt']) await writeFile(join(project.directory, 'app', name), 'changed');

  const text = (name: string): Promise<string> => readFile(join(project.directory, 'app', name), 'utf8');
  const outer = await report(['restore', 'latest', '--yes', '--component', 'bind/web/app'], { cwd: project.directory });
  expect(outer.code, outer.stderr).toBe(0);
  expect([await text('page.txt'), await text('inner/file.txt')]).toEqual(['first', 'changed']);

  const whole = await report(['restore', 'latest', '--yes'], { cwd: project.directory });
  expect(whole.code, whole.stderr).toBe(0);
  expect([await text('page.txt'), await text('inner/file.txt')]).toEqual(['first', 'first']);
  await project.compose(['start', 'db']);
  await serverReady(db);
  expect(await psql(db, 'select count(*) from kept')).toBe('1');

  const back = await report(['rollback', '--yes'], { cwd: project.directory });
  expect(back.code, back.stderr).toBe(0);
  expect([await text('page.txt'), await text('inner/file.txt')]).toEqual(['first', 'changed']);
  await docker(['kill', await containerOf(project, 'web'), await containerOf(project, 'inner')]);
  await project.compose(['stop', 'db']);
  await rm(join(project.directory, 'app'), { recursive: true });
  const anew = await report(['restore', 'latest', '--yes'], { cwd: project.directory });
  expect(anew.code, anew.stderr).toBe(0);
  expect([await text('page.txt'), await text('inner/file.txt')]).toEqual(['first', 'first']);
  await project.compose(['start', 'db']);
  await serverReady(db);
  expect(await psql(db, 'select count(*) from kept')).toBe('1');
});

test('a volume that is bound to a folder inside of a bind is a component of its own, and its database runs on where it is', async () => {
  const text = COMPOSE().replace('./app/pgdata:/var', 'pg:/var').replace('./app/inner:/inner', 'twin:/inner');
  const bound = (folder: string): string => `{driver_opts: {type: none, o: bind, device: '${folder}'}}`;
  await using project = await createProject({ 'app/page.txt': 'first', 'app/inner/file.txt': 'first', 'app/pgdata/.keep': '' });
  const app = join(project.directory, 'app');
  await rm(join(app, 'pgdata/.keep'));
  const third = `  third: { image: '${testEngine().images.debian}', command: [sleep, infinity], init: true, volumes: ["./app/inner:/inner"] }\n`;
  await project.write(
    'compose.yaml',
    `${text}${third}volumes:\n  pg: ${bound(join(app, 'pgdata'))}\n  twin: ${bound(join(app, 'inner'))}\n`,
  );
  await project.compose(['up', '-d']);
  const db = await containerOf(project, 'db');
  await serverReady(db);
  await psql(db, 'create table kept as select 1 as a');
  const made = await backUp(project);
  expect(made.code, made.stderr).toBe(0);
  expect(
    Object.keys(made.components)
      .filter((id) => /^(?:bind|volume)/.test(id))
      .toSorted(),
  ).toEqual(['bind/web/app', 'volume/twin']);
  await writeFile(join(app, 'page.txt'), 'changed');
  await writeFile(join(app, 'inner/file.txt'), 'changed');
  const restored = await report(['restore', 'latest', '--yes'], { cwd: project.directory });
  expect(restored.code, restored.stderr).toBe(0);
  expect(await readFile(join(app, 'page.txt'), 'utf8')).toBe('first');
  expect(await readFile(join(app, 'inner/file.txt'), 'utf8')).toBe('first');
  await psql(db, 'insert into kept values (2)');
  await docker(['restart', db]);
  await serverReady(db);
  expect(await psql(db, 'select count(*) from kept')).toBe('2');
  expect((await docker(['exec', await containerOf(project, 'third'), 'cat', '/inner/file.txt'])).stdout).toBe('first');
});
