import { createHash } from 'node:crypto';
import { createPostgresAdapter } from '../../src/databases/postgres.ts';
import type { JsonValue } from '../../src/domain/byte-stream.ts';
import type { DatabaseSource, DatabaseTarget } from '../../src/domain/database-ports.ts';
import type { Engine } from '../../src/domain/ports.ts';
import { docker } from '../support/engine.ts';
import { drain, pieces, testIo, type TestServer } from './postgres-fixture.ts';

/**
 * Whose every state is gone through: the newest server's, as what is asked of it is the same for all. Tests of what differs between versions name both
 * themselves; `MCADS_TEST_POSTGRES=all` goes through all of it with both.
 */
export const VERSIONS: readonly ('postgres15' | 'postgres17')[] =
  process.env['MCADS_TEST_POSTGRES'] === 'all' ? ['postgres15', 'postgres17'] : ['postgres17'];

export const RUN = '0123456789ab';
export const adapter = createPostgresAdapter({ countFloorMs: 60_000 });
export const { restorer } = adapter;

export const ROLES = String.raw`
create role app login password 'hidden' connection limit 7;
create role "Weird ""role""" nologin;
create role reader;
grant reader to app;
alter role app set search_path = 'a b', public;
comment on role app is E'it''s; -- \\ a role';
`;

/** Creates database `shop` in its awkward form. */
export const FULL_DATABASE = `create database shop template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C.UTF-8' owner app connection limit 20`;

export const FULL_PROPERTIES = String.raw`
comment on database "shop" is E'it''s; \\ a
comment';
alter database "shop" set search_path = public, "My Schema", "a,b";
alter database "shop" set "app.key" = E'va''lue; \\n';
alter database "shop" set default_transaction_read_only = on;
alter role app in database "shop" set work_mem = '5MB';
revoke all on database "shop" from public;
grant connect, temporary on database "shop" to "Weird ""role""" with grant option;
grant connect on database "shop" to reader;
`;

export const FULL_CONTENT = String.raw`
set default_transaction_read_only = off;
create schema "My Schema" authorization app;
create table plain (id serial primary key, t text, b bytea, n numeric);
insert into plain (t, b, n) values (null, null, null), ('', '\x', 0), (E'\\.', '\x5c2e0a', 1.50), (E'a\nb\\.\n\tc\r', '\x00ff', 'NaN'), ('Ünï→', null, 2);
create table empty (a int);
create table nothing (); insert into nothing default values; insert into nothing default values;
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
insert into parent values (1); insert into child values (1, 2);
create unlogged table unlogged as select 1 as a;
create sequence counter; select setval('counter', 4711);
create type mood as enum ('sad; COPY x FROM stdin;', 'ok');
create table moods (m mood, check (m <> 'ok') not valid);
create domain positive as int check (value > 0);
create view seen as select * from plain; create materialized view kept as select count(*) from plain; create materialized view unfilled as select 1 as a with no data;
create function trap() returns text language sql as $_$ select $$
COPY public.fake (a) FROM stdin;
1
\.
;$$::text $_$;
create function noticed() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger noticing before insert on plain for each row execute function noticed();
create table policed (owner text, v int); insert into policed values ('app', 1);
alter table policed enable row level security; alter table policed force row level security;
create policy mine on policed using (owner = current_user);
alter table policed owner to app; grant select on policed to reader, "Weird ""role""";
create collation german (provider = icu, locale = 'de-DE');
create table worded (w text collate german); create index worded_w on worded (w);
create publication everything for table plain;
select lo_from_bytea(0, decode(repeat('ab', 5000), 'hex')) is not null, lo_from_bytea(0, '') is not null;
`;

export interface Taken {
  readonly source: DatabaseSource;
  readonly dump: Buffer;
}

/** A checked dump as a snapshot would hold it. */
export async function take(engine: Engine, server: TestServer, database: string): Promise<Taken> {
  const target = await server.target();
  const { bytes, verdict } = await drain(await adapter.dump(target, database, testIo(engine, 'take')));
  const facts: Readonly<Record<string, JsonValue>> = verdict.facts ?? {};
  const checked = await adapter.check(target, facts, pieces(bytes), testIo(engine, 'take'));
  return { source: { database, facts: { ...facts, ...checked.facts } }, dump: bytes };
}

export async function takeGlobals(engine: Engine, server: TestServer): Promise<string> {
  const { bytes } = await drain(await adapter.globals(await server.target(), testIo(engine, 'take')));
  // A new word each time.
  return bytes.toString().replaceAll(/^\\(un)?restrict .*$/gm, '');
}

export async function build(
  engine: Engine,
  target: DatabaseTarget,
  taken: Taken,
  temporary: string,
  jobs = 1,
): Promise<Awaited<ReturnType<typeof restorer.build>>> {
  return restorer.build(target, taken.source, temporary, pieces(taken.dump), { jobs, onProgress: () => undefined }, testIo(engine, RUN));
}

const MARK = '---- end of a table ----';

export interface Fingerprint {
  readonly schema: string;
  readonly tables: Readonly<Record<string, string>>;
}

/** Schema text with the database's own properties, and a hash of every table's rows. */
export async function fingerprint(server: TestServer, database: string): Promise<Fingerprint> {
  const schema = await dumpSchema(server, database);
  const list = await server.psql(
    `select coalesce(json_agg(json_build_array(c.oid::regclass::text, c.relkind) order by 1), '[]') from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'm', 'S') and c.relispopulated and n.nspname !~ '^(pg_|information_schema)'`,
    database,
  );
  const relations = [...(JSON.parse(list) as readonly [string, string][]), ['pg_largeobject', 'r'] as const];
  const copies = relations.map(([name, kind]) => {
    const columns = kind === 'S' ? 'last_value, is_called' : '*';
    const order = name === 'pg_largeobject' ? ' order by 1, 2' : '';
    return `copy (select ${columns} from only ${name}${order}) to stdout;\n\\echo ${MARK}\n`;
  });
  const rows = await server.psql(`set synchronize_seqscans = off;\n${copies.join('')}`, database);
  const hashes = rows.split(`${MARK}\n`).map((text) => createHash('sha256').update(text.replace(MARK, '')).digest('hex'));
  return { schema, tables: Object.fromEntries(relations.map(([name], at) => [name, hashes[at] ?? ''])) };
}

async function dumpSchema(server: TestServer, database: string): Promise<string> {
  const connection = `dbname='${database.replaceAll(/[\\']/g, (char) => `\\${char}`)}'`;
  const args = ['exec', '-e', 'PGPASSWORD=right', server.name, 'pg_dump', '-U', 'postgres', '--schema-only', '--create', '-d', connection];
  const { stdout } = await docker(args);
  return stdout.replaceAll(/^\\(un)?restrict .*$/gm, '');
}
