import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPostgresAdapter } from '../../src/databases/postgres.ts';
import type { Engine } from '../../src/domain/ports.ts';
import { testEngine } from '../support/engine.ts';
import { drain, openTestEngine, pieces, startServer, testIo, type TestServer } from './postgres-fixture.ts';

const NAMES = ['Weird "quoted" name', 'with space', 'Ünï→デ', 'UPPER', 'postgres_template Name', "a=b 'c' \\d", 'postgresql://x'];

const AWKWARD = String.raw`
create schema "My Schema";
create table plain (id serial primary key, t text, b bytea, n numeric);
insert into plain (t, b, n) values (null, null, null), ('', '\x', 0), (E'\\.', '\x5c2e0a', 1.50), (E'a\nb\\.\n\tc\r', '\x00ff', 'NaN'), ('\N', null, -1), ('Ünï→', null, 2), (E'\n\\.\n', null, 3);
create table empty (a int);
create table nothing ();
insert into nothing default values; insert into nothing default values; insert into nothing default values;
create table "My Schema"."Quoted ""table"" (x)" ("a;b" text);
insert into "My Schema"."Quoted ""table"" (x)" select 'x;' || g from generate_series(1, 1000) g;
create table "new
line" (a int); insert into "new
line" values (1), (2);
create table parted (id int, k text) partition by list (k);
create table parted_a partition of parted for values in ('a');
create table "Parted B" partition of parted for values in ('b');
insert into parted select g, case when g % 3 = 0 then 'a' else 'b' end from generate_series(1, 300) g;
create table generated (a int, twice int generated always as (a * 2) stored, id int generated always as identity);
insert into generated (a) select g from generate_series(1, 50) g;
create table parent (a int); create table child (b int) inherits (parent);
insert into parent values (1); insert into child values (1, 2), (3, 4);
create unlogged table unlogged as select 1 as a;
create sequence counter; select setval('counter', 4711);
create type mood as enum ('sad; COPY x FROM stdin;', 'ok');
create view seen as select * from plain; create materialized view kept as select count(*) from plain;
create function trap() returns text language sql as $_$ select $$
COPY public.fake (a) FROM stdin;
1
\.
;$$::text $_$;
comment on table plain is E'it''s; \\ --
COPY public.fake (a) FROM stdin;';
alter table plain enable row level security;
select lo_from_bytea(0, decode(repeat('ab', 5000), 'hex')) is not null, lo_from_bytea(0, '') is not null;
`;

const ROWS = {
  'public.plain': 7,
  'public.empty': 0,
  'public.nothing': 3,
  '"My Schema"."Quoted ""table"" (x)"': 1000,
  'public."new\nline"': 2,
  'public.parted_a': 100,
  'public."Parted B"': 200,
  'public.generated': 50,
  'public.parent': 1,
  'public.child': 2,
  'public.unlogged': 1,
};

const adapter = createPostgresAdapter({ countFloorMs: 60_000 });
let engine: Engine;

beforeAll(async () => {
  engine = await openTestEngine();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

describe.each(['postgres15', 'postgres17'] as const)('a server of image %s', (image) => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startServer(engine, testEngine().images[image]);
    for (const name of NAMES) await server.psql(`create database "${name.replaceAll('"', '""')}"`);
    await server.psql('create database awkward');
    await server.psql(AWKWARD, 'awkward');
    await server.psql(
      "alter database awkward set work_mem = '5MB'; create role app login password 'hidden'; alter database awkward owner to app; create table big as select g as id, repeat(md5(g::text), 8) as v from generate_series(1, 100000) g",
      'postgres',
    );
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  it('lists every database, whatever its name, and says what the server is', async () => {
    const listing = await adapter.list(await server.target(), testIo(engine, 'list'));
    expect(listing.databases.map(({ name }) => name).toSorted()).toEqual([...NAMES, 'awkward', 'postgres'].toSorted());
    expect(listing.databases.every(({ bytes }) => bytes > 1_000_000)).toBe(true);
    expect(listing).toMatchObject({
      dataDirectory: '/var/lib/postgresql/data',
      findings: [],
      facts: { superuser: true, engine: 'postgres' },
    });
    expect(listing.facts['pgDumpVersion']).toMatch(/^pg_dump \(PostgreSQL\) 1[57]\./);
  });

  it('dumps and reads back every database by name', async () => {
    for (const name of NAMES) {
      const target = await server.target();
      const { bytes, verdict } = await drain(await adapter.dump(target, name, testIo(engine, 'names')));
      expect(verdict.facts?.['database']).toBe(name);
      const checked = await adapter.check(target, verdict.facts ?? {}, pieces(bytes), testIo(engine, 'names'));
      expect(checked.facts['archive']).toEqual({});
    }
  });

  it('counts the same rows live and in the archive, hashes them, and records what a restore needs', async () => {
    const target = await server.target();
    const { bytes, verdict } = await drain(await adapter.dump(target, 'awkward', testIo(engine, 'rows')));
    const facts = verdict.facts ?? {};
    expect(facts['rowsLive']).toEqual(ROWS);
    expect(facts['rowsNotCounted']).toEqual({});
    expect(facts['bytes']).toBe(bytes.length);
    expect(facts['objects']).toMatchObject({
      tables: 11,
      partitionedTables: 1,
      views: 1,
      materializedViews: 1,
      functions: 1,
      largeObjects: 2,
      sequences: 3,
    });
    expect(facts['properties']).toMatchObject({ owner: 'app', encoding: 'UTF8', settings: [{ role: null, settings: ['work_mem=5MB'] }] });
    expect(verdict.findings).toEqual([]);

    const checked = await adapter.check(target, facts, pieces(bytes, 1000), testIo(engine, 'rows'));
    const archive = checked.facts['archive'] as Record<string, { rows: number; sha256: string }>; // what check hands out
    expect(Object.fromEntries(Object.entries(archive).map(([table, { rows }]) => [table, rows]))).toEqual(ROWS);
    const copied = await server.psql('copy plain to stdout', 'awkward');
    expect(archive['public.plain']?.sha256).toBe(createHash('sha256').update(`${copied}\n`).digest('hex'));
    expect(checked.facts).toMatchObject({
      archiveLargeObjects: 2,
      archiveSequences: 3,
      archiveEntries: { 'TABLE DATA': 11, 'MATERIALIZED VIEW': 1, FUNCTION: 1 },
    });
  });

  it('counts in the snapshot of the dump although a writer goes on', async () => {
    const target = await server.target();
    await server.psql(
      'create table busy as select g as id from generate_series(1, 1000) g; create table emptied as select 1 as a',
      'postgres',
    );
    const dump = await adapter.dump(target, 'postgres', testIo(engine, 'writer'));
    const body = dump.stream.body[Symbol.asyncIterator]();
    const first = await body.next();
    await server.psql('insert into busy select g from generate_series(1, 500) g', 'postgres');
    const parts = [Buffer.from(first.value ?? [])];
    for (let next = await body.next(); next.done !== true; next = await body.next()) parts.push(Buffer.from(next.value));
    const { facts = {} } = await dump.stream.done;
    expect(facts['rowsLive']).toMatchObject({ 'public.busy': 1000, 'public.big': 100_000 });
    await adapter.check(target, facts, pieces(Buffer.concat(parts)), testIo(engine, 'writer'));
    expect(await server.psql('select count(*) from busy')).toBe('1500');
  });

  it('refuses a stored dump that was cut, altered in its tables or belongs to another count', async () => {
    const target = await server.target();
    const { bytes, verdict } = await drain(await adapter.dump(target, 'awkward', testIo(engine, 'damage')));
    const facts = verdict.facts ?? {};
    const check = async (stored: Buffer, told = facts) => adapter.check(target, told, pieces(stored), testIo(engine, 'damage'));
    for (const length of [0, 4, 2000, Math.floor(bytes.length / 2), bytes.length - 1]) {
      await expect(check(bytes.subarray(0, length))).rejects.toMatchObject({
        code: 'component-failed',
        message: expect.stringContaining('not whole'),
      });
    }
    await expect(check(Buffer.concat([Buffer.from('XX'), bytes]))).rejects.toMatchObject({ code: 'component-failed' });
    await expect(check(bytes, { ...facts, rowsLive: { ...ROWS, 'public.plain': 8 } })).rejects.toThrow(
      'holds 7 rows of table public.plain, the database had 8',
    );
    await expect(check(bytes, { ...facts, rowsNotCounted: { 'public.gone': 'no time left' } })).rejects.toThrow(
      'lacks the data of table public.gone',
    );
    await expect(check(bytes, { ...facts, bytes: bytes.length + 1 })).rejects.toThrow(/has \d+ bytes, pg_dump wrote/);
  });

  it('leaves tables out of the live counts when the time is over, and still finds them in the archive', async () => {
    const target = await server.target();
    const { bytes, verdict } = await drain(
      await createPostgresAdapter({ countFloorMs: 0, countShare: 0 }).dump(target, 'awkward', testIo(engine, 'hurry')),
    );
    expect(verdict.facts?.['rowsLive']).toEqual({});
    expect(Object.keys(verdict.facts?.['rowsNotCounted'] ?? {}).toSorted()).toEqual(Object.keys(ROWS).toSorted());
    await adapter.check(target, verdict.facts ?? {}, pieces(bytes), testIo(engine, 'hurry'));
  });

  it('saves roles with their passwords', async () => {
    const { bytes, verdict } = await drain(await adapter.globals(await server.target(), testIo(engine, 'globals')));
    expect(bytes.toString()).toMatch(/ALTER ROLE app WITH .* PASSWORD 'SCRAM-SHA-256/);
    expect(verdict.facts).toMatchObject({ withPasswords: true, bytes: bytes.length });
  });

  it('saves roles without passwords through a user who is no superuser, and says so', async () => {
    const target = await server.target({ postgres: { user: 'app', passwordFile: null, port: null, databases: null } });
    const listing = await adapter.list(target, testIo(engine, 'app'));
    expect(listing.findings.map(({ code }) => code)).toEqual(['not-superuser']);
    const { bytes, verdict } = await drain(await adapter.globals(target, testIo(engine, 'app')));
    expect(bytes.toString()).not.toContain('SCRAM');
    expect(verdict.findings?.map(({ code }) => code)).toEqual(['globals-without-passwords']);
  });

  it('takes only the databases that are asked for, and says which of them do not exist', async () => {
    const listing = await adapter.list(
      await server.target({ postgres: { user: null, passwordFile: null, port: null, databases: ['UPPER', 'none'] } }),
      testIo(engine, 'some'),
    );
    expect(listing.databases.map(({ name }) => name)).toEqual(['UPPER']);
    expect(listing.findings.map(({ severity, code }) => [severity, code])).toEqual([
      ['error', 'database-missing'],
      ['info', 'database-not-selected'],
    ]);
  });
});

it('dumps two servers at once', async () => {
  const { images } = testEngine();
  await using one = await startServer(engine, images.postgres15);
  await using two = await startServer(engine, images.postgres17);
  for (const [at, server] of [one, two].entries())
    await server.psql(`create table t as select g from generate_series(1, ${(at + 1) * 1000}) g`);
  const rows = await Promise.all(
    [one, two].map(
      async (server) =>
        (await drain(await adapter.dump(await server.target(), 'postgres', testIo(engine, 'both')))).verdict.facts?.['rowsLive'],
    ),
  );
  expect(rows).toEqual([{ 'public.t': 1000 }, { 'public.t': 2000 }]);
});
