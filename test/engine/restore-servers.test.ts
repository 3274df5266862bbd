import { expect, test } from 'vitest';
import { createProject, docker, testEngine } from '../support/engine.ts';
import { backUp, containerOf, report, serverReady } from './e2e-support.ts';

test('on an empty engine: a server whose password was changed since it was made comes back, and what of its configuration does not is named', async () => {
  const secrets = { app: { file: './app.pw' } };
  const db = {
    image: testEngine().images.postgres15,
    environment: { POSTGRES_USER: 'boss', POSTGRES_PASSWORD: 'first', POSTGRES_INITDB_ARGS: '--auth-local=scram-sha-256' },
    volumes: ['pg:/var/lib/postgresql/data'],
    secrets: ['app'],
    labels: { 'mcads.postgres.passwordFile': '/run/secrets/app' },
  };
  const file = JSON.stringify({ services: { db }, volumes: { pg: {} }, secrets });
  await using project = await createProject({ 'compose.yaml': file, 'app.pw': 'second\n' });
  await project.compose(['up', '-d']);
  const sql = async (password: string, text: string): Promise<string> => {
    const argv = [
      'exec',
      '-e',
      `PGPASSWORD=${password}`,
      await containerOf(project, 'db'),
      'psql',
      '-XAtq',
      '-U',
      'boss',
      '-d',
      'postgres',
      '-c',
      text,
    ];
    return (await docker(argv)).stdout.trim();
  };
  await serverReady(await containerOf(project, 'db'));
  await sql('first', 'create table kept as select 1 as a');
  await sql('first', "alter system set work_mem = '7MB'");
  const hba = 'echo "host shop all all reject" >> "$PGDATA/pg_hba.conf"';
  await docker(['exec', await containerOf(project, 'db'), 'sh', '-c', hba]);
  await sql('first', 'select pg_reload_conf()');
  await sql('first', "alter role boss password 'second'");
  const made = await backUp(project);
  expect(made.code, made.stderr).toBe(0);

  const drilled = await report(['drill', 'latest'], { cwd: project.directory });
  expect(drilled.code, drilled.stderr + JSON.stringify(drilled.json)).toBe(0);
  await project.compose(['down', '--volumes']);
  const restored = await report(['restore', 'latest', '--yes'], { cwd: project.directory });
  expect(restored.code, restored.stderr + JSON.stringify(restored.json)).toBe(0);
  expect(restored.says).toMatch(
    /server-settings service db the server is not configured as the recorded one was: pg_hba.conf \(other rules\), work_mem \(was 7168\)/,
  );
  expect(await sql('second', 'select count(*) from kept')).toBe('1');
  const again = await backUp(project);
  expect(again.code, again.stderr).toBe(0);
});

test('configs and secrets that only Compose had put into a container are in a container that is made again, and in that of a drill', async () => {
  const file = JSON.stringify({
    services: {
      web: {
        image: testEngine().images.debian,
        command: ['sh', '-c', 'test "$(cat /run/secrets/token)" = "from outside" && exec sleep infinity'],
        init: true,
        volumes: ['data:/data'],
        configs: ['inline', { source: 'placed', target: '/etc/deep/placed.conf', mode: 0o440, uid: '33', gid: '33' }],
        secrets: ['token'],
        healthcheck: { test: ['CMD', 'test', '-s', '/run/secrets/token'], interval: '1s' },
      },
    },
    volumes: { data: {} },
    configs: { inline: { content: 'one\ntwo\n' }, placed: { content: 'placed' } },
    secrets: { token: { environment: 'TOKEN' } },
  });
  await using project = await createProject({ 'compose.yaml': file });
  await project.compose(['up', '-d', '--wait'], { env: { TOKEN: 'from outside' } });
  const inside = async (script: string): Promise<string> =>
    (await docker(['exec', await containerOf(project, 'web'), 'sh', '-c', script])).stdout;
  const look = 'cat /inline /etc/deep/placed.conf /run/secrets/token; stat -c "%a %u %g" /etc/deep/placed.conf /inline';
  const before = await inside(look);
  expect(before).toContain('from outside');
  const made = await backUp(project);
  expect(made.code, made.stderr).toBe(0);
  const drilled = await report(['drill', 'latest', '--services'], { cwd: project.directory });
  expect(drilled.code, drilled.stderr + JSON.stringify(drilled.json)).toBe(0);
  await project.compose(['down', '--volumes'], { env: { TOKEN: 'x' } });
  const restored = await report(['restore', 'latest', '--yes'], { cwd: project.directory });
  expect(restored.code, restored.stderr + JSON.stringify(restored.json)).toBe(0);
  expect(await inside(look)).toBe(before);
});
