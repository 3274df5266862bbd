import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { JsonValue } from '../../src/domain/byte-stream.ts';
import type { DatabaseSource } from '../../src/domain/database-ports.ts';
import type { Engine } from '../../src/domain/ports.ts';
import { docker, testEngine, uniqueName } from '../support/engine.ts';
import { NO_SETTINGS } from '../support/project-builder.ts';
import { openTestEngine, pieces, startServer, testIo, type TestServer } from './postgres-fixture.ts';
import { build, restorer, RUN, take, VERSIONS, type Taken } from './postgres-restore-fixture.ts';

const OURS = "select count(*) from pg_database where datname like '%mcads%'";
const NOBODY = "select count(*) = 0 from pg_stat_activity where application_name like 'mcads-%'";
const APP = { postgres: { user: 'app', passwordFile: null, port: null, databases: null } };

let engine: Engine;

beforeAll(async () => {
  engine = await openTestEngine();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

describe.each(VERSIONS)('a restore into a server of image %s', (image) => {
  let server: TestServer;
  let taken: Taken;
  const { temporary } = restorer.names('shop', RUN);

  beforeAll(async () => {
    server = await startServer(engine, testEngine().images[image]);
    await server.psql(
      "create role app login password 'right'; create role builder login createdb password 'right'; create database shop owner app",
    );
    await server.psql(
      'create table t as select g as id, repeat(md5(g::text), 8) as v from generate_series(1, 150000) g; create table other (a int primary key); create view w as select * from t; alter table other owner to app',
      'shop',
    );
    taken = await take(engine, server, 'shop');
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  /** The recorded facts with some of them changed. */
  function recorded(change: Readonly<Record<string, JsonValue>>, properties: Readonly<Record<string, JsonValue>> = {}): DatabaseSource {
    const { facts } = taken.source;
    const known = facts['properties'] as Readonly<Record<string, JsonValue>>; // an object of the dump's
    return { database: 'shop', facts: { ...facts, properties: { ...known, ...properties }, ...change } };
  }

  it.each<[string, () => DatabaseSource, RegExp]>([
    ['from a newer server', () => recorded({ serverVersionNum: 990_001 }), /dumped from PostgreSQL 99, and the server is PostgreSQL 1[57]/],
    [
      'with an extension that is nowhere',
      () => recorded({}, { extensions: { plpgsql: '1.0', nowhere: '1.0' } }),
      /lacks the extensions it uses: nowhere/,
    ],
    ['in an encoding of no server', () => recorded({}, { encoding: 'KLINGON' }), /knows no encoding KLINGON/],
    ['in a locale that the image lacks', () => recorded({}, { collate: 'xx_XX.UTF-8' }), /no locale xx_XX\.UTF-8/],
    [
      'with ICU rules that are none',
      () => recorded({}, { localeProvider: 'i', locale: 'de', icuRules: '& nonsense <' }),
      /cannot use its ICU locale de/,
    ],
    ['that needs more room than there is', () => recorded({}, { bytes: 1e17 }), /needs \d+ bytes beside .* has \d+ free/],
  ])('is refused for a database %s, before anything is touched', async (_what, source, message) => {
    await expect(restorer.check(await server.target(), source(), testIo(engine, RUN))).rejects.toMatchObject({
      code: 'component-failed',
      message: expect.stringMatching(message),
    });
  });

  it('is refused to users without the rights, and over a closed database', async () => {
    const target = await server.target(APP);
    await expect(restorer.check(target, taken.source, testIo(engine, RUN))).rejects.toThrow('user app may not create databases');
    const builder = await server.target({ postgres: { ...APP.postgres, user: 'builder' } });
    await expect(restorer.check(builder, taken.source, testIo(engine, RUN))).rejects.toThrow('may not act as its owner app');
    await server.psql('alter database shop with allow_connections false');
    await expect(restorer.check(await server.target(), taken.source, testIo(engine, RUN))).rejects.toThrow('is closed');
    await server.psql('alter database shop with allow_connections true');
    expect(await restorer.check(await server.target(), taken.source, testIo(engine, RUN))).toEqual({ exists: true, findings: [] });
  });

  it('says what is older or elsewhere', async () => {
    const source = recorded({}, { extensions: { plpgsql: '99.0' }, tablespace: 'fast' });
    const { findings } = await restorer.check(await server.target(), source, testIo(engine, RUN));
    expect(findings.map(({ code }) => code)).toEqual(['extension-older', 'tablespace-missing']);
  });

  describe('that fails', () => {
    afterEach(async () => {
      expect(await server.psql(OURS)).toBe('0');
      await server.until(NOBODY);
      expect(await server.psql("select count(*) from pg_ls_dir('/tmp', true, false) f where f like '%mcads%'")).toBe('0');
      expect(await server.psql('select count(*) from t', 'shop')).toBe('150000');
    });

    it.each([1, 2])('for a dump that breaks off leaves nothing behind (%i jobs)', async (jobs) => {
      const cut = { ...taken, dump: taken.dump.subarray(0, taken.dump.length >> 1) };
      await expect(build(engine, await server.target(), cut, temporary, jobs)).rejects.toMatchObject({
        code: 'component-failed',
        message: expect.stringMatching(/pg_restore of shop failed: .*(end of file|could not read|unexpected)/),
      });
    });

    it('for a source that fails tells that, and leaves nothing behind', async () => {
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield* pieces(taken.dump.subarray(0, taken.dump.length >> 1));
        throw new Error('the chunk is damaged');
      }
      const options = { jobs: 1, onProgress: () => undefined };
      const target = await server.target();
      await expect(restorer.build(target, taken.source, temporary, failing(), options, testIo(engine, RUN))).rejects.toThrow(
        'the chunk is damaged',
      );
    });

    it.each<[string, () => DatabaseSource, RegExp]>([
      [
        'rows',
        () => recorded({ rowsLive: {}, archive: { 'public.t': { rows: 149_999, sha256: '' }, 'public.other': { rows: 0, sha256: '' } } }),
        /the rows of table public\.t: 150000 instead of 149999/,
      ],
      ['tables', () => recorded({ archive: { 'public.gone': { rows: 1, sha256: '' } } }), /table public\.gone missing instead of 1 rows/],
      ['objects', () => recorded({ objects: { tables: 2, views: 2 } }), /the number of .* instead of/],
      [
        'extensions',
        () => recorded({}, { extensions: { plpgsql: '1.0', dblink: '1.2' } }),
        /extensions \["plpgsql"\] instead of \["dblink","plpgsql"\]/,
      ],
    ])('the proof by its %s leaves nothing behind', async (_what, source, message) => {
      await expect(build(engine, await server.target(), { ...taken, source: source() }, temporary)).rejects.toMatchObject({
        code: 'proof-failed',
        message: expect.stringMatching(message),
      });
    });

    it('for roles that are not there names them', async () => {
      const source = recorded({}, { owner: 'nobody "x"' });
      await expect(build(engine, await server.target(), { ...taken, source }, temporary)).rejects.toMatchObject({
        code: 'component-failed',
        message: expect.stringContaining('there is no role nobody "x"'),
        hint: expect.stringContaining('globals'),
      });
      const granted = recorded({}, { acl: ['app=CTc/app', 'gone=c/app'] });
      await expect(build(engine, await server.target(), { ...taken, source: granted }, temporary)).rejects.toThrow(
        'name a role that is not there',
      );
    });

    it('because pg_restore was ended on the server tells its words', async () => {
      const started = Promise.withResolvers<void>();
      async function* held(): AsyncGenerator<Uint8Array> {
        yield taken.dump.subarray(0, taken.dump.length >> 1);
        started.resolve();
        await server.until(`select count(pg_terminate_backend(pid)) > 0 from pg_stat_activity where application_name like 'mcads-${RUN}%'`);
        yield taken.dump.subarray(taken.dump.length >> 1);
      }
      const options = { jobs: 1, onProgress: () => undefined };
      await expect(
        restorer.build(await server.target(), taken.source, temporary, held(), options, testIo(engine, RUN)),
      ).rejects.toMatchObject({
        code: 'component-failed',
        message: expect.stringContaining('pg_restore of shop failed'),
      });
      await started.promise;
    });

    it.each([1, 2])('because it was cancelled leaves nothing behind (%i jobs)', async (jobs) => {
      const cancel = new AbortController();
      const seen: number[] = [];
      const onProgress = (bytes: number): void => {
        seen.push(bytes);
        // With several jobs pg_restore is at work only when all was read.
        if (bytes >= (jobs === 1 ? taken.dump.length / 2 : taken.dump.length)) cancel.abort();
      };
      const built = restorer.build(
        await server.target(),
        taken.source,
        temporary,
        pieces(taken.dump),
        { jobs, onProgress },
        testIo(engine, RUN, cancel.signal),
      );
      await expect(built).rejects.toMatchObject({ code: 'cancelled' });
    });
  });
});

describe('waiting for a server', () => {
  it('waits through the first initialisation', async () => {
    const image = testEngine().images.postgres17;
    await using server = await startServer(engine, image, { waitReady: false });
    await restorer.waitReady(await server.target(), 120_000, testIo(engine, RUN));
    expect(await server.psql('select 1')).toBe('1');
    await docker(['restart', server.name]);
    await restorer.waitReady(await server.target(), 120_000, testIo(engine, RUN));
    expect(await server.psql('select 1')).toBe('1');
  });

  it('gives up on a container that exited, a password that is wrong, and when the time is over', async () => {
    const image = testEngine().images.postgres15;
    await using exited = await startServer(engine, image, { environment: { POSTGRES_PASSWORD: '' }, waitReady: false });
    await docker(['wait', exited.name]);
    await expect(restorer.waitReady(await exited.target(), 120_000, testIo(engine, RUN))).rejects.toMatchObject({
      code: 'component-failed',
      message: expect.stringMatching(/exited with code 1 before PostgreSQL was ready/),
      hint: `docker logs ${exited.name}`,
    });
    await using wrong = await startServer(engine, image, { environment: { POSTGRES_INITDB_ARGS: '--auth=scram-sha-256' } });
    const target = await wrong.target({ postgres: { user: 'stranger', passwordFile: null, port: null, databases: null } });
    await expect(restorer.waitReady(target, 600_000, testIo(engine, RUN))).rejects.toThrow(/refused user stranger/);
    const name = uniqueName('idle');
    await docker(['run', '-d', '--network', 'none', '--name', name, '--entrypoint', 'sleep', image, 'infinity']);
    const idle = { service: 'db', container: await engine.inspectContainer(name, new AbortController().signal), settings: NO_SETTINGS };
    await expect(restorer.waitReady(idle, 15_000, testIo(engine, RUN))).rejects.toMatchObject({
      code: 'component-failed',
      message: expect.stringMatching(/is not ready after 15 s: .*does not answer/),
    });
    await docker(['rm', '-f', '-v', name]);
  });
});
