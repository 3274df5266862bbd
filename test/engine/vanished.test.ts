import { cp, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createProject, docker, engineEnv, testEngine } from '../support/engine.ts';
import { runCli } from '../support/run-cli.ts';
import { backUp, containerOf, PASSWORD, report, serverReady } from './e2e-support.ts';

const sleeper = (extra: object): object => ({ image: testEngine().images.debian, command: ['sleep', 'infinity'], init: true, ...extra });

test('a volume and a database that the files declare and the engine has no more are errors, every time, until they are taken out', async () => {
  const web = sleeper({ volumes: ['media:/media'] });
  const db = {
    image: testEngine().images.postgres15,
    environment: { POSTGRES_PASSWORD: PASSWORD },
    volumes: ['pg:/var/lib/postgresql/data'],
  };
  const full = JSON.stringify({ services: { web, db }, volumes: { media: {}, pg: {} } });
  await using project = await createProject({ 'compose.yaml': full });
  await project.compose(['up', '-d']);
  await serverReady(await containerOf(project, 'db'));
  const first = await backUp(project);
  expect(first.code, first.stderr).toBe(0);
  await project.compose(['down', '--volumes']);
  for (let night = 0; night < 2; night += 1) {
    const made = await backUp(project);
    expect(made.code, made.stderr).toBe(3);
    expect(made.snapshot?.completeness).toBe('partial');
    expect(made.says).toMatch(/vanished volume\/media the engine has no volume \S+_media any more; \S+ holds it/);
    expect(made.says).toMatch(/vanished database\/db\/postgres service db has no container any more/);
  }
  const plan = await report(['restore', 'latest', '--yes'], { cwd: project.directory });
  expect(plan.code, plan.stderr).toBe(0);
  expect((await backUp(project)).code).toBe(0);
  await project.compose(['down', '--volumes']);
  await project.write('compose.yaml', JSON.stringify({ services: { other: sleeper({}) } }));
  const without = await backUp(project);
  expect(without.code, without.stderr).toBe(0);
});

test('a project that was moved while it runs, or that was started from other files, says so', async () => {
  const file = (more: object): string => JSON.stringify({ name, services: { web: sleeper({ volumes: ['./data:/data'], ...more }) } });
  const name = `mt-moved-${Date.now().toString(36)}`;
  await using project = await createProject({ 'compose.yaml': '{}', 'data/file': 'x' });
  await project.write('compose.yaml', file({}));
  await project.write('prod.yaml', JSON.stringify({ services: { web: { environment: { MODE: 'prod' } } } }));
  try {
    const at = join(project.directory, 'one');
    await cp(project.directory, join(project.directory, '../copy'), { recursive: true });
    await rename(join(project.directory, '../copy'), at);
    const env = engineEnv();
    await docker(['compose', '--project-directory', at, '-f', join(at, 'compose.yaml'), '-f', join(at, 'prod.yaml'), 'up', '-d'], { env });
    const run = async (cwd: string): Promise<{ readonly code: number | null; readonly stderr: string }> =>
      runCli(['backup', '-r', join(project.directory, 'repository')], { cwd, env });
    const plain = await run(at);
    expect(plain.code, plain.stderr).toBe(0);
    expect(plain.stderr).toMatch(/its containers were started from \S+compose.yaml, \S+prod.yaml, and these are \S+compose.yaml/);
    const list = await runCli(
      ['extract', 'latest', 'config', '--target', join(project.directory, 'out'), '-r', join(project.directory, 'repository')],
      {
        cwd: at,
        env,
      },
    );
    expect(list.code, list.stderr).toBe(0);
    await writeFile(join(at, 'data/since'), 'y');
    await rename(at, join(project.directory, 'two'));
    const moved = await run(join(project.directory, 'two'));
    expect(moved.code, moved.stderr).toBe(3);
    expect(moved.stderr).toMatch(/runs on \S+\/one\/data, and nothing is there any more: it was moved, or removed/);
  } finally {
    await docker(['rm', '--force', `${name}-web-1`]);
    await docker(['network', 'rm', `${name}_default`]).catch(() => undefined);
  }
});
