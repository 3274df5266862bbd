import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createProject, docker, engineEnv, type TestProjectFolder, testEngine } from '../support/engine.ts';
import { startCli } from '../support/paced-cli.ts';
import { backUp, containerOf, holdDump, PASSWORD, psql, type Report, report, serverReady, snapshotsOf, until } from './e2e-support.ts';

const COMPOSE = (): string => `
services:
  db:
    image: ${testEngine().images.postgres15}
    environment: { POSTGRES_PASSWORD: ${PASSWORD}, POSTGRES_INITDB_ARGS: --auth-local=scram-sha-256 }
    volumes: [data:/var/lib/postgresql/data]
  web:
    image: ${testEngine().images.debian}
    command: [sleep, infinity]
    init: true
    volumes: [media:/media]
volumes: { data: , media: }
`;

/** How many server processes work for us. They end a moment after they were told to. */
const ours = `select count(*) from pg_stat_activity where application_name like 'mcads-%'`;
const KILL_PG_DUMP = 'for p in /proc/[0-9]*; do if [ "$(cat $p/comm 2>/dev/null)" = pg_dump ]; then kill -9 "${p#/proc/}"; fi; done';

describe('a project whose database is in trouble', () => {
  let project: TestProjectFolder;
  let db: string;
  /** The newest complete snapshot: it must stay the one that `latest` means. */
  let complete: string;

  beforeAll(async () => {
    project = await createProject({ 'compose.yaml': COMPOSE() });
    await project.compose(['up', '-d']);
    await project.compose(['exec', '-T', 'web', 'sh', '-c', 'echo picture > /media/picture.png']);
    db = await containerOf(project, 'db');
    await serverReady(db);
    await psql(db, 'create table predictions as select g as id, md5(g::text) as v from generate_series(1, 1000) g');
  });
  afterAll(async () => {
    await project[Symbol.asyncDispose]();
  });

  /** What holds for every run that could not dump: the rest is captured, nothing is pruned, `latest` stays, the dump is nowhere called good. */
  async function expectPartial(run: Report): Promise<void> {
    expect(run.code, run.stderr).toBe(3);
    expect(run.snapshot?.completeness).toBe('partial');
    expect(run.json['pruned']).toEqual([]);
    expect(run.components['volume/media']).toMatch(/^(captured|reused) live$/);
    expect(run.components['config']).toMatch(/^captured|^reused/);
    expect(run.components['state']).toMatch(/^captured|^reused/);
    const shown = await report(['show', run.snapshot?.name ?? ''], { cwd: project.directory });
    const stored = (shown.json['components'] as readonly { readonly id: string; readonly outcome: string }[]) // as the contract has it
      .filter(({ outcome }) => outcome !== 'failed')
      .map(({ id }) => id);
    expect(stored).not.toContain('database/db/postgres');
    expect(stored).toContain('volume/media');
    const latest = await report(['show', 'latest'], { cwd: project.directory });
    expect(latest.stdout).toContain(complete);
    expect(await snapshotsOf(project.directory)).toContain(complete);
  }

  test('is backed up whole while all is well, and the policy is applied then', async () => {
    const first = await backUp(project);
    expect(first.code, first.stderr).toBe(0);
    expect(first.components).toMatchObject({ 'database/db/postgres': 'captured dump', 'globals/db': 'captured dump' });
    expect(Object.keys(first.components)).not.toContain('volume/data');
    const second = await backUp(project, ['--keep-last', '1']);
    expect(second.json['pruned']).toEqual([first.snapshot?.name]);
    complete = second.snapshot?.name ?? '';
    expect(await snapshotsOf(project.directory)).toEqual([complete]);
  });

  test('paused: the dump fails with that reason, the raw volume is a crash copy', async () => {
    await project.compose(['pause', 'db']);
    const run = await backUp(project, ['--keep-last', '1']);
    await project.compose(['unpause', 'db']);
    await expectPartial(run);
    expect(run.components).toMatchObject({ 'database/db': 'failed', 'volume/data': 'captured crash' });
    expect(run.says).toMatch(/db is paused; a dump needs it running/);
  });

  test('a wrong password: said without showing it', async () => {
    const other = 'Zz3-no-word-either';
    await psql(db, `alter user postgres password '${other}'`);
    const run = await backUp(project, ['--keep-last', '1']);
    await psql(db, `alter user postgres password '${PASSWORD}'`, other);
    await expectPartial(run);
    expect(run.components).toMatchObject({ 'database/db': 'failed', 'volume/data': expect.stringMatching(/^(captured|reused) crash$/) });
    expect(run.says).toMatch(/refused user postgres: the password from .* is wrong/);
    for (const secret of [PASSWORD, other]) expect(run.stdout + run.stderr).not.toContain(secret);
  });

  test('one that allows no connections is named as not covered', async () => {
    await psql(db, 'create database hidden');
    await psql(db, 'alter database hidden allow_connections false');
    const run = await backUp(project, ['--keep-last', '1']);
    await psql(db, 'alter database hidden allow_connections true');
    await psql(db, 'drop database hidden');
    expect(run.code, run.stderr).toBe(0);
    expect(run.json['uncovered']).toContainEqual(expect.objectContaining({ subject: 'database/db/hidden' }));
    complete = run.snapshot?.name ?? '';
  });

  test('pg_dump killed in its middle: no dump, no rest of it on the server', async () => {
    const held = await holdDump(project);
    const running = backUp(project, ['--keep-last', '1']);
    await held.waits();
    await docker(['exec', '-d', db, 'sh', '-c', KILL_PG_DUMP]);
    const run = await running;
    await held.release();
    await expectPartial(run);
    expect(run.components['database/db/postgres']).toBe('failed');
    expect(run.says).toMatch(/pg_dump of postgres failed: .*killed/);
    await until(async () => (await psql(db, ours)) === '0');
  });

  test('restarted in the middle of the dump', async () => {
    const held = await holdDump(project);
    const running = backUp(project, ['--keep-last', '1']);
    await held.waits();
    await docker(['restart', db]);
    const run = await running;
    await serverReady(db);
    await expectPartial(run);
    expect(run.components['database/db/postgres']).toBe('failed');
    expect(run.says).toMatch(/restart|shut|terminat|connection/i);
  });

  test('cancelled in the middle of the dump: nothing of it stays, neither on the server nor in the repository', async () => {
    const before = await snapshotsOf(project.directory);
    const held = await holdDump(project);
    const running = startCli(['backup', '--json'], { cwd: project.directory, env: engineEnv() });
    await held.waits();
    running.signal('SIGINT');
    const run = await running.end;
    expect(run.code, run.stderr).toBe(130);
    expect(JSON.parse(run.stdout)).toMatchObject({ ok: false, exitCode: 130, error: { code: 'cancelled' } });
    await until(async () => (await psql(db, ours)) === '0');
    await held.release();
    expect(await snapshotsOf(project.directory)).toEqual(before);
    expect(await readdir(join(project.directory, 'backups/incoming'))).toEqual([]);
  });

  test('killed in the middle of the dump: the next run ends what it left on the server, says so, and is whole', async () => {
    const before = await snapshotsOf(project.directory);
    const held = await holdDump(project);
    const running = startCli(['backup'], { cwd: project.directory, env: engineEnv() });
    await held.waits();
    running.signal('SIGKILL');
    expect((await running.end).code).toBe(null);
    expect(await snapshotsOf(project.directory)).toEqual(before);
    const orphan = await psql(db, `select string_agg(pid::text, ',') from pg_stat_activity where application_name like 'mcads-%'`);
    const next = backUp(project, ['--no-prune']);
    await held.waits(orphan);
    await held.release();
    const run = await next;
    expect(run.code, run.stdout).toBe(0);
    expect(run.says).toContain('orphaned-dump');
    expect(run.components['database/db/postgres']).toBe('captured dump');
    await until(async () => (await psql(db, ours)) === '0');
    expect(await readdir(join(project.directory, 'backups/incoming'))).toEqual([]);
    complete = run.snapshot?.name ?? '';
  });

  test('a table that somebody has locked for a while is waited for', async () => {
    const lock = `begin; lock table predictions in access exclusive mode; select pg_sleep(3600)`;
    await docker(['exec', '-d', '-e', `PGPASSWORD=${PASSWORD}`, '-e', 'PGAPPNAME=migration', db, 'psql', '-U', 'postgres', '-c', lock]);
    const asks = async (condition: string): Promise<boolean> =>
      (await psql(db, `select exists (select from pg_stat_activity where ${condition})`)) === 't';
    while (!(await asks(`application_name = 'migration' and wait_event = 'PgSleep'`)));
    const running = backUp(project, ['--no-prune']);
    while (!(await asks(`application_name like 'mcads-%' and query like 'LOCK TABLE%' and wait_event_type = 'Lock'`)));
    await psql(db, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'migration'`);
    const run = await running;
    expect(run.code, run.stderr).toBe(0);
    expect(run.components['database/db/postgres']).toBe('captured dump');
    complete = run.snapshot?.name ?? '';
  });

  test('stopped cleanly: its volume is captured cold, which is complete', async () => {
    await project.compose(['stop', 'db']);
    const run = await backUp(project, ['--no-prune']);
    expect(run.code, run.stderr).toBe(0);
    expect(run.components).toMatchObject({ 'volume/data': 'captured cold' });
    expect(run.says).toMatch(/db is exited since .*shut down cleanly/);
    expect(run.snapshot?.completeness).toBe('complete');
    complete = run.snapshot?.name ?? '';
  });

  test('killed: its volume is a crash copy, and the first line says since when it is down', async () => {
    await project.compose(['start', 'db']);
    await serverReady(db);
    await docker(['kill', '--signal', 'KILL', db]);
    await docker(['wait', db]);
    const run = await backUp(project, ['--keep-last', '1']);
    await expectPartial(run);
    expect(run.components).toMatchObject({ 'database/db': 'failed', 'volume/data': 'captured crash' });
    expect(run.says).toMatch(/db is exited since .* was not shut down cleanly/);
    const spoken = await startCli(['backup', '--no-prune'], { cwd: project.directory, env: engineEnv() }).end;
    expect(spoken.code).toBe(3);
    expect(spoken.stderr.split('\n').find((line) => line.includes('database/db'))).toMatch(/since .* not shut down cleanly/);
  });

  test('recreated and never started: captured cold, without a time of year 1', async () => {
    await project.compose(['up', '-d', 'db']);
    await serverReady(await containerOf(project, 'db'));
    await project.compose(['stop', 'db']);
    await project.compose(['up', '--no-start', '--force-recreate', 'db']);
    db = await containerOf(project, 'db');
    const run = await backUp(project, ['--no-prune']);
    expect(run.code, run.stderr).toBe(0);
    expect(run.components).toMatchObject({ 'volume/data': 'captured cold' });
    expect(run.says).toMatch(/db was never started, shut down cleanly/);
    expect(run.says).not.toContain('0001-');
  });

  test('removed by down: captured cold through the image of the Compose file', async () => {
    await project.compose(['start', 'db']);
    await serverReady(db);
    await project.compose(['down']);
    const run = await backUp(project, ['--no-prune']);
    expect(run.code, run.stderr).toBe(0);
    expect(run.components).toMatchObject({ 'volume/data': 'captured cold', 'volume/media': expect.stringMatching(/cold$/) });
    expect(run.says).toMatch(/db has no container.*shut down cleanly/);
    complete = run.snapshot?.name ?? '';
  });

  test('restarting again and again: no dump, the raw volume is a crash copy', async () => {
    const broken = COMPOSE().replace(
      'volumes: [data',
      'command: [postgres, -c, no_such_setting=1]\n    restart: always\n    volumes: [data',
    );
    await project.write('compose.yaml', broken);
    await project.compose(['up', '-d']);
    const id = await containerOf(project, 'db');
    while ((await docker(['inspect', '--format', '{{.RestartCount}}', id])).stdout.trim() === '0');
    const run = await backUp(project, ['--keep-last', '1']);
    await expectPartial(run);
    expect(run.components).toMatchObject({ 'database/db': 'failed', 'volume/data': expect.stringMatching(/crash$/) });
  });
});
