import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPostgresAdapter } from '../../src/databases/postgres.ts';
import { countLive, type SnapshotTable } from '../../src/databases/postgres/live-counts.ts';
import { TABLES } from '../../src/databases/postgres/queries.ts';
import { openServer, openSession } from '../../src/databases/postgres/server.ts';
import type { CapturedDump } from '../../src/domain/database-ports.ts';
import type { Engine } from '../../src/domain/ports.ts';
import { docker, testEngine } from '../support/engine.ts';
import { drain, failureOf, openTestEngine, startServer, testIo, waitReady, type TestServer } from './postgres-fixture.ts';

/** Far more than the buffers between pg_dump and us hold: a dump that is not read on stays in the middle. */
const BIG = 'create table big as select g as id, repeat(md5(g::text), 8) as v from generate_series(1, 250000) g';
const OURS = "select count(*) = 0 from pg_stat_activity where application_name like 'mcads-%'";
const KILL_PG_DUMP = 'for p in /proc/[0-9]*; do if [ "$(cat $p/comm 2>/dev/null)" = pg_dump ]; then kill -9 "${p#/proc/}"; fi; done';

const adapter = createPostgresAdapter({ lockTimeoutMs: 200, lockAttempts: 2, lockDelayMs: 1, countFloorMs: 60_000 });
let engine: Engine;

beforeAll(async () => {
  engine = await openTestEngine();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

/** A dump of which one piece was read. */
async function inTheMiddle(dump: CapturedDump): Promise<CapturedDump> {
  const body = dump.stream.body[Symbol.asyncIterator]();
  await body.next();
  return { ...dump, stream: { body: { [Symbol.asyncIterator]: () => body }, done: dump.stream.done } };
}

describe('a server in trouble', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startServer(engine, testEngine().images.postgres15);
    await server.psql(BIG);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  it('fails the dump when pg_dump is killed, and leaves nothing on the server', async () => {
    const dump = await inTheMiddle(await adapter.dump(await server.target(), 'postgres', testIo(engine, 'killed')));
    // Detached: the engine tells no exec's end while another one that ended has output nobody has read.
    await docker(['exec', '-d', server.name, 'sh', '-c', KILL_PG_DUMP]);
    while ((await docker(['top', server.name, '-eo', 'pid,comm'])).stdout.includes('pg_dump'));
    expect(await failureOf(dump)).toMatchObject({
      code: 'component-failed',
      message: expect.stringMatching(/pg_dump of postgres failed: .*killed/),
    });
    await server.until(OURS);
  });

  it('fails the dump when the session that holds its snapshot is ended', async () => {
    const dump = await inTheMiddle(await adapter.dump(await server.target(), 'postgres', testIo(engine, 'holder')));
    await server.psql(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'mcads-%' and state like 'idle in transaction' and query not like 'COPY%'",
    );
    expect(await failureOf(dump)).toMatchObject({ code: 'component-failed' });
    await server.until(OURS);
  });

  it('ends pg_dump on the server when the run is cancelled', async () => {
    const cancel = new AbortController();
    const dump = await inTheMiddle(await adapter.dump(await server.target(), 'postgres', testIo(engine, 'cancelled', cancel.signal)));
    cancel.abort();
    expect(await failureOf(dump)).not.toBeNull();
    await server.until(OURS);
  });

  it('ends pg_dump on the server when its bytes are not wanted any more', async () => {
    const dump = await adapter.dump(await server.target(), 'postgres', testIo(engine, 'unwanted'));
    for await (const part of dump.stream.body) if (part.length > 0) break;
    await expect(dump.stream.done).rejects.toMatchObject({ code: 'cancelled' });
    await server.until(OURS);
  });

  it('gives up after some attempts on a locked table and says who holds the lock', async () => {
    await server.psql('create table locked (a int)');
    await server.psqlDetached('begin; lock table locked in access exclusive mode; select pg_sleep(600)', 'postgres', {
      PGAPPNAME: 'migration',
    });
    await server.until(
      "select exists (select from pg_locks l join pg_class c on c.oid = l.relation where c.relname = 'locked' and l.granted)",
    );
    await expect(adapter.dump(await server.target(), 'postgres', testIo(engine, 'locked'))).rejects.toMatchObject({
      code: 'component-failed',
      message: expect.stringMatching(
        /locked stayed locked for 0\.2 s by process \d+ of postgres \(migration\), active since .*, on locked \(2 attempts\)/,
      ),
      hint: expect.stringContaining('pg_terminate_backend'),
    });
    await server.until(OURS);
    await server.psql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'migration'");
    await server.until("select count(*) = 0 from pg_stat_activity where application_name = 'migration'");
    await drain(await adapter.dump(await server.target(), 'postgres', testIo(engine, 'unlocked')));
  });

  it('ends and reports what a run that died left on the server, and nothing of its own run', async () => {
    await server.psqlDetached('begin; select 1 from big limit 1; select pg_sleep(600)', 'postgres', {
      PGAPPNAME: 'mcads-20260101T000000.abcd',
    });
    await server.psqlDetached('select pg_sleep(600)', 'postgres', { PGAPPNAME: 'mcads-today.sibling' });
    await server.until("select count(*) = 2 from pg_stat_activity where application_name like 'mcads-%'");
    const io = testIo(engine, 'today');
    await drain(await adapter.dump(await server.target(), 'postgres', io));
    expect(io.warnings.map(({ code }) => code)).toEqual(['orphaned-dump']);
    expect(io.warnings[0]?.message).toContain('mcads-20260101T000000.abcd');
    await server.until(
      "select string_agg(application_name, ',') = 'mcads-today.sibling' from pg_stat_activity where application_name like 'mcads-%'",
    );
    await server.psql("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'mcads-%'");
    await server.until(OURS);
  });

  it('throws away the count of a table that was emptied after the snapshot', async () => {
    await server.psql('create table emptied as select 1 as a; create table kept as select 1 as a');
    const { server: found, session } = await openServer(await server.target(), testIo(engine, 'emptied'));
    await session.end();
    await using holder = await openSession(found, 'postgres', 'mcads');
    await holder.query('begin isolation level repeatable read read only');
    holder.surviveErrors();
    const tables = (await holder.json(TABLES)) as readonly SnapshotTable[]; // the adapter's own query
    await server.psql('truncate emptied');
    const counts = await countLive(holder, tables, 60_000, 'database/db/postgres');
    expect(counts.rows).toMatchObject({ 'public.kept': 1 });
    expect(counts.rows).not.toHaveProperty(['public.emptied']);
    expect(counts.notCounted).toEqual({ 'public.emptied': 'truncated, rewritten or dropped while the dump ran' });
    await holder.end();
  });

  it('keeps the transaction of its snapshot however often the time for counting is over at once', async () => {
    const { server: found, session } = await openServer(await server.target(), testIo(engine, 'no-time'));
    await session.end();
    await using holder = await openSession(found, 'postgres', 'mcads');
    await holder.query('begin isolation level repeatable read read only');
    holder.surviveErrors();
    const tables = (await holder.json(TABLES)) as readonly SnapshotTable[]; // the adapter's own query
    const names = tables.map(({ schema, table }) => `${schema}.${table}`).toSorted();
    for (let round = 0; round < 100; round += 1) {
      const counts = await countLive(holder, tables, 1, 'database/db/postgres');
      expect(Object.keys({ ...counts.rows, ...counts.notCounted }).toSorted()).toEqual(names);
    }
    expect(await holder.json(`select to_json(current_setting('statement_timeout'))`)).toBe('0');
    await holder.end();
  });

  it('says so when no more connections are possible', async () => {
    await server.psql('create role limited login connection limit 0');
    const target = await server.target({ postgres: { user: 'limited', passwordFile: null, port: null, databases: null } });
    await expect(adapter.list(target, testIo(engine, 'full'))).rejects.toMatchObject({
      code: 'component-failed',
      message: expect.stringContaining('accepts no more connections'),
    });
  });

  it('fails the dump when the server is restarted in the middle', async () => {
    const dump = await inTheMiddle(await adapter.dump(await server.target(), 'postgres', testIo(engine, 'restarted')));
    const restart = docker(['restart', '-t', '1', server.name]);
    while ((await docker(['top', server.name, '-eo', 'pid,comm'], { accept: 'any' })).stdout.includes('pg_dump'));
    expect(await failureOf(dump)).toMatchObject({ code: 'component-failed' });
    await restart;
    await waitReady(server.name);
    await drain(await adapter.dump(await server.target(), 'postgres', testIo(engine, 'after')));
  });

  it('says that the container does not run', async () => {
    const before = await server.target();
    await docker(['stop', '-t', '5', server.name]);
    await expect(adapter.list(await server.target(), testIo(engine, 'down'))).rejects.toMatchObject({
      code: 'component-failed',
      message: expect.stringContaining('is exited'),
    });
    await expect(adapter.dump(before, 'postgres', testIo(engine, 'down'))).rejects.toMatchObject({
      code: expect.stringMatching(/component-failed/),
    });
  });
});

describe('a server that wants a password on the socket', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startServer(engine, testEngine().images.postgres17, {
      environment: { POSTGRES_INITDB_ARGS: '--auth-local=scram-sha-256 --auth-host=scram-sha-256' },
    });
    await docker([
      'exec',
      server.name,
      'sh',
      '-c',
      'mkdir -p /run/secrets; echo right > /run/secrets/right; echo wrong > "/run/secrets/the wrong one"',
    ]);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  async function listWith(passwordFile: string | null) {
    return adapter.list(
      await server.target({ postgres: { user: null, passwordFile, port: null, databases: null } }),
      testIo(engine, 'scram'),
    );
  }

  it('is let in by the password of the environment or of a file', async () => {
    expect((await listWith(null)).databases.map(({ name }) => name)).toEqual(['postgres']);
    expect((await listWith('/run/secrets/right')).databases.map(({ name }) => name)).toEqual(['postgres']);
    await drain(await adapter.dump(await server.target(), 'postgres', testIo(engine, 'scram')));
  });

  it('says which password was refused, and never shows it', async () => {
    const refused = listWith('/run/secrets/the wrong one');
    await expect(refused).rejects.toMatchObject({
      code: 'component-failed',
      message: 'service db: the server refused user postgres: the password from mcads.postgres.passwordFile is wrong',
    });
    await expect(listWith('/run/secrets/none')).rejects.toThrow('/run/secrets/none (mcads.postgres.passwordFile) is not in the container');
  });

  it('keeps the password out of every process list', async () => {
    const dump = await inTheMiddle(
      await (async () => {
        await server.psql(BIG);
        return adapter.dump(await server.target(), 'postgres', testIo(engine, 'argv'));
      })(),
    );
    const { stdout } = await docker(['exec', server.name, 'sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "']);
    expect(stdout).toContain('pg_dump -Fc');
    expect(stdout).not.toContain('right');
    await drain(dump);
  });
});

it('reads user, password and database names from files, and finds a server on another port', async () => {
  const script =
    'mkdir -p /run/secrets; echo owner > /run/secrets/user; echo right > /run/secrets/pw; exec docker-entrypoint.sh postgres -p 6543';
  await using server = await startServer(engine, testEngine().images.postgres15, {
    environment: {
      POSTGRES_PASSWORD: '',
      POSTGRES_PASSWORD_FILE: '/run/secrets/pw',
      POSTGRES_USER_FILE: '/run/secrets/user',
      POSTGRES_DB: 'shop',
      POSTGRES_INITDB_ARGS: '--auth-local=scram-sha-256',
      PGPORT: '6543',
    },
    command: ['bash', '-c', script],
  });
  const listing = await adapter.list(await server.target(), testIo(engine, 'files'));
  expect(listing.databases.map(({ name }) => name)).toEqual(['postgres', 'shop']);
  expect(listing.facts['user']).toBe('owner');
});

it('does not take a server in its first initialisation for ready', async () => {
  await using server = await startServer(engine, testEngine().images.postgres15, {
    command: [
      'bash',
      '-c',
      'mkdir -p /docker-entrypoint-initdb.d; echo "touch /tmp/initialising; until [ -e /tmp/go ]; do sleep 0.05; done" > /docker-entrypoint-initdb.d/wait.sh; exec docker-entrypoint.sh postgres',
    ],
    waitReady: false,
  });
  await docker(['exec', server.name, 'sh', '-c', 'until [ -e /tmp/initialising ]; do sleep 0.05; done']);
  await expect(adapter.list(await server.target(), testIo(engine, 'init'))).rejects.toThrow('still in its first initialisation');
  await docker(['exec', server.name, 'touch', '/tmp/go']);
  await waitReady(server.name);
  expect((await adapter.list(await server.target(), testIo(engine, 'init'))).databases).toHaveLength(1);
});

it('says that an image has no PostgreSQL client', async () => {
  await using server = await startServer(engine, testEngine().images.busybox, {
    command: ['sleep', '1000'],
    arguments: ['--init'],
    waitReady: false,
  });
  await expect(adapter.list(await server.target({ engine: 'postgres' }), testIo(engine, 'none'))).rejects.toMatchObject({
    code: 'component-failed',
    message: expect.stringContaining('no psql that can be run'),
  });
});
