import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/domain/ports.ts';
import { testEngine } from '../support/engine.ts';
import { openTestEngine, pieces, startServer, testIo, type TestServer } from './postgres-fixture.ts';
import {
  build,
  fingerprint,
  FULL_CONTENT,
  FULL_DATABASE,
  FULL_PROPERTIES,
  restorer,
  ROLES,
  RUN,
  take,
  takeGlobals,
  type Taken,
  VERSIONS,
} from './postgres-restore-fixture.ts';

const NAMES = [
  'Weird "quoted" name',
  'with space',
  'Ünï→デ',
  'UPPER',
  '100%',
  "a=b 'c' \\d",
  'postgresql://x',
  'new\nline',
  `long${'→'.repeat(19)}xx`,
];

let engine: Engine;

beforeAll(async () => {
  engine = await openTestEngine();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

describe.each(['postgres15', 'postgres17'] as const)('a server of image %s', (image) => {
  let server: TestServer;
  let full: Taken;
  let globals: string;

  beforeAll(async () => {
    server = await startServer(engine, testEngine().images[image]);
    await server.psql(ROLES);
    await server.psql(FULL_DATABASE);
    await server.psql(FULL_PROPERTIES);
    await server.psql(FULL_CONTENT, 'shop');
    full = await take(engine, server, 'shop');
    globals = await takeGlobals(engine, server);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  it('brings a database back on another server, equal in schema, properties and rows', async () => {
    await using other = await startServer(engine, testEngine().images[image]);
    const target = await other.target();
    const io = testIo(engine, RUN);
    await restorer.waitReady(target, 60_000, io);
    expect(await restorer.check(target, full.source, io)).toEqual({ exists: false, findings: [] });
    expect((await restorer.missingRoles(target, globals, io)).toSorted()).toEqual(['Weird "role"', 'app', 'reader']);
    expect(await restorer.applyGlobals(target, globals, 'all', io)).toMatchObject({ findings: [] });
    const { temporary, kept } = restorer.names('shop', RUN);
    const built = await build(engine, target, full, temporary);
    expect(built).toEqual({ tables: 14, rows: 1363, findings: [] });
    await restorer.swap(target, [{ database: 'shop', temporary, kept }], io);
    await restorer.drop(target, [kept], io);
    expect(await fingerprint(other, 'shop')).toEqual(await fingerprint(server, 'shop'));
    expect(await takeGlobals(engine, other)).toBe(globals);
    expect((await take(engine, other, 'shop')).source.facts['properties']).toEqual({
      ...(full.source.facts['properties'] as object), // facts are JSON
      bytes: expect.any(Number),
    });
  });

  it('puts a database in the place of the one that is there, and back again', async () => {
    const target = await server.target();
    const io = testIo(engine, RUN);
    const before = await fingerprint(server, 'shop');
    const swap = { database: 'shop', ...restorer.names('shop', RUN) };
    await server.psql('set default_transaction_read_only = off; delete from plain; create table later (a int)', 'shop');
    const meanwhile = await fingerprint(server, 'shop');
    expect((await restorer.check(target, full.source, io)).exists).toBe(true);
    await build(engine, target, full, swap.temporary);
    await restorer.swap(target, [swap], io);
    expect(await fingerprint(server, 'shop')).toEqual(before);
    expect(await restorer.revert(target, [swap], io)).toEqual(['database shop of db is the one from before the restore again']);
    expect(await fingerprint(server, 'shop')).toEqual(meanwhile);
    await build(engine, target, full, swap.temporary);
    await restorer.swap(target, [swap], io);
    await restorer.drop(target, [swap.kept], io);
    expect(await fingerprint(server, 'shop')).toEqual(before);
    expect(await server.psql("select count(*) from pg_database where datname like '%mcads%'")).toBe('0');
  });

  it('brings back a database whose schema public and plpgsql were dropped, and one with an ICU locale', async () => {
    const target = await server.target();
    await server.psql('create database bare');
    await server.psql('drop schema public; drop extension plpgsql; create schema own; create table own.t as select 1 as a', 'bare');
    const icu = image === 'postgres15' ? '' : ` icu_rules '&a < g'`;
    await server.psql(
      `create database german template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C' locale_provider icu icu_locale 'de-DE'${icu}`,
    );
    await server.psql("create table t as select 'Ä' as v", 'german');
    for (const name of ['bare', 'german']) {
      const taken = await take(engine, server, name);
      const swap = { database: name, ...restorer.names(name, RUN) };
      const before = await fingerprint(server, name);
      await build(engine, target, taken, swap.temporary);
      await restorer.swap(target, [swap], testIo(engine, RUN));
      expect(await fingerprint(server, name)).toEqual(before);
      await restorer.drop(target, [swap.kept], testIo(engine, RUN));
    }
  });
});

describe.each(VERSIONS)('a server of image %s also', (image) => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startServer(engine, testEngine().images[image]);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  it('takes databases whatever their names, all in one swap', async () => {
    const target = await server.target();
    const io = testIo(engine, RUN);
    const takens: Taken[] = [];
    for (const name of NAMES) {
      await server.psql(`create database "${name.replaceAll('"', '""')}"`);
      await server.psql("create table t as select 'old' as v", name);
      takens.push(await take(engine, server, name));
      await server.psql("update t set v = 'new'", name);
    }
    const swaps = NAMES.map((database) => ({ database, ...restorer.names(database, RUN) }));
    for (const [at, taken] of takens.entries()) await build(engine, target, taken, swaps[at]?.temporary ?? '');
    await restorer.swap(target, swaps, io);
    for (const name of NAMES) expect(await server.psql('select v from t', name)).toBe('old');
    await restorer.revert(target, swaps, io);
    for (const name of NAMES) expect(await server.psql('select v from t', name)).toBe('new');
    expect(await server.psql("select count(*) from pg_database where datname like '%mcads%'")).toBe('0');
  });

  it('restores with several workers from a private file, and leaves none behind', async () => {
    const target = await server.target();
    await server.psql('create database big');
    await server.psql(
      'create table big as select g as id, repeat(md5(g::text), 8) as v from generate_series(1, 150000) g; create table second as select * from big limit 1000; create index on big (id)',
      'big',
    );
    const taken = await take(engine, server, 'big');
    const seen: number[] = [];
    const { temporary } = restorer.names('big', RUN);
    const options = { jobs: 2, onProgress: (bytes: number) => void seen.push(bytes) };
    const built = await restorer.build(target, taken.source, temporary, pieces(taken.dump), options, testIo(engine, RUN));
    expect(built).toEqual({ tables: 2, rows: 151_000, findings: [] });
    expect(seen.at(-1)).toBe(taken.dump.length);
    expect(await fingerprintRows(server, temporary)).toEqual(await fingerprintRows(server, 'big'));
    const files = await server.psql(`select count(*) from pg_ls_dir('/tmp', true, false) f where f like '%mcads%'`);
    expect(files).toBe('0');
    await restorer.revert(target, [{ database: 'big', ...restorer.names('big', RUN) }], testIo(engine, RUN));
  });

  it('swaps the database postgres itself', async () => {
    const target = await server.target();
    await server.psql("create table mine as select 'old' as v");
    const taken = await take(engine, server, 'postgres');
    await server.psql("update mine set v = 'new'");
    const swap = { database: 'postgres', ...restorer.names('postgres', RUN) };
    await build(engine, target, taken, swap.temporary);
    await restorer.swap(target, [swap], testIo(engine, RUN));
    expect(await server.psql('select v from mine')).toBe('old');
    await restorer.revert(target, [swap], testIo(engine, RUN));
    expect(await server.psql('select v from mine')).toBe('new');
  });
});

it('brings a database of an older server to a newer one', async () => {
  const { images } = testEngine();
  await using old = await startServer(engine, images.postgres15);
  await using recent = await startServer(engine, images.postgres17);
  await old.psql(ROLES);
  await old.psql(FULL_DATABASE);
  await old.psql(FULL_PROPERTIES);
  await old.psql(FULL_CONTENT, 'shop');
  const taken = await take(engine, old, 'shop');
  const globals = await takeGlobals(engine, old);
  const target = await recent.target();
  const io = testIo(engine, RUN);
  await restorer.applyGlobals(target, globals, 'missing', io);
  const swap = { database: 'shop', ...restorer.names('shop', RUN) };
  expect(await build(engine, target, taken, swap.temporary)).toEqual({ tables: 14, rows: 1363, findings: [] });
  await restorer.swap(target, [swap], io);
  await restorer.drop(target, [swap.kept], io);
  expect(await fingerprintRows(recent, 'shop')).toEqual(await fingerprintRows(old, 'shop'));
  await expect(restorer.check(await old.target(), (await take(engine, recent, 'shop')).source, io)).rejects.toThrow(
    /dumped from PostgreSQL 17, and the server is PostgreSQL 15/,
  );
});

it('brings a database back as a user who is no superuser but owns it', async () => {
  await using server = await startServer(engine, testEngine().images.postgres17);
  await server.psql("create role builder login createdb password 'right'; create database own owner builder");
  await server.psql("set role builder; create table t as select 'old' as v; revoke connect on database own from public", 'own');
  const taken = await take(engine, server, 'own');
  await server.psql("update t set v = 'new'", 'own');
  const target = await server.target({ postgres: { user: 'builder', passwordFile: null, port: null, databases: null } });
  const io = testIo(engine, RUN);
  expect(await restorer.check(target, taken.source, io)).toEqual({ exists: true, findings: [] });
  const swap = { database: 'own', ...restorer.names('own', RUN) };
  const before = await fingerprint(server, 'own');
  await build(engine, target, taken, swap.temporary);
  await restorer.swap(target, [swap], io);
  expect(await server.psql('select v from t', 'own')).toBe('old');
  await restorer.revert(target, [swap], io);
  expect(await fingerprint(server, 'own')).toEqual(before);
});

async function fingerprintRows(server: TestServer, database: string): Promise<Readonly<Record<string, string>>> {
  return (await fingerprint(server, database)).tables;
}
