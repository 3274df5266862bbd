import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/domain/ports.ts';
import { docker, testEngine } from '../support/engine.ts';
import { openTestEngine, startServer, testIo, type TestServer } from './postgres-fixture.ts';
import { restorer, RUN, takeGlobals } from './postgres-restore-fixture.ts';

const SAVED = String.raw`
create role app login password 'saved' connection limit 7 valid until '2030-01-01';
create role "odd ""role"" ';
x" createdb login password 'odd';
create role reader; create role boss;
grant reader to app; grant app to boss with admin option; grant pg_read_all_data to "odd ""role"" ';
x";
alter role app set search_path = 'a b', public;
alter role "odd ""role"" ';
x" set "app.key" = E'it''s \\ ;';
comment on role app is E'it''s; -- \\ a role';
grant set on parameter log_min_messages to reader;
`;

let engine: Engine;

beforeAll(async () => {
  engine = await openTestEngine();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

describe.each(['postgres15', 'postgres17'] as const)('roles of a server of image %s', (image) => {
  let saved: string;
  let server: TestServer;

  beforeAll(async () => {
    await using source = await startServer(engine, testEngine().images[image]);
    await source.psql(SAVED);
    saved = await takeGlobals(engine, source);
    server = await startServer(engine, testEngine().images[image]);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  it('that are missing are made with all that belongs to them, and those that exist stay as they are; and all of them go again', async () => {
    const target = await server.target();
    const io = testIo(engine, RUN);
    await server.psql("create role app login password 'mine' connection limit 3; create role bystander; grant bystander to app");
    const before = await takeGlobals(engine, server);
    const missing = await restorer.missingRoles(target, saved, io);
    expect(missing.toSorted()).toEqual(['boss', 'odd "role" \';\nx', 'reader']);
    expect(await restorer.applyGlobals(target, saved, 'missing', io)).toEqual({ undo: null, findings: [] });
    const after = await takeGlobals(engine, server);
    for (const line of before.split('\n').filter((one) => one.startsWith('ALTER ROLE app'))) expect(after).toContain(line);
    expect(after).not.toContain('ALTER ROLE app SET');
    expect(
      await server.psql(
        "select string_agg(r.rolname || '<' || m.rolname, ' ' order by r.rolname, m.rolname) from pg_auth_members a join pg_roles r on r.oid = a.roleid join pg_roles m on m.oid = a.member where r.rolname !~ '^pg_'",
      ),
    ).toMatch(/app<boss.*bystander<app.*reader<app/);
    expect(await restorer.missingRoles(target, saved, io)).toEqual([]);
    await restorer.dropRoles(target, [...missing, 'never there'], io);
    await restorer.dropRoles(target, missing, io);
    expect(await takeGlobals(engine, server)).toBe(before);
    await server.psql('drop role bystander; drop role app');
  });

  it('are altered to what was saved when all is asked for, and back to what they were', async () => {
    const target = await server.target();
    const io = testIo(engine, RUN);
    await server.psql(
      "create role app createrole password 'mine'; alter role app set work_mem = '1MB'; comment on role app is 'before'; create role reader login connection limit 2; create role owner; grant app to owner with admin option",
    );
    const before = await takeGlobals(engine, server);
    const { undo, findings } = await restorer.applyGlobals(target, saved, 'all', io);
    expect(findings).toEqual([]);
    const after = await takeGlobals(engine, server);
    const alters = saved.split('\n').filter((one) => one.startsWith('ALTER ROLE app') || one.startsWith('ALTER ROLE postgres'));
    expect(alters.length).toBeGreaterThan(2);
    for (const line of alters) expect(after).toContain(line);
    await restorer.dropRoles(target, ['boss', 'odd "role" \';\nx'], io);
    await restorer.runGlobals(target, undo ?? '', io);
    expect((await takeGlobals(engine, server)).replace(" VALID UNTIL 'infinity'", '')).toBe(before);
    await restorer.runGlobals(target, undo ?? '', io);
    await server.psql('drop role app; drop role reader; drop role owner');
  });

  it('are all made or none, and no verifier is told or logged', async () => {
    const target = await server.target();
    const before = await takeGlobals(engine, server);
    const broken = `${saved}\nCREATE ROLE late;\nALTER ROLE late WITH LOGIN PASSWORD 'SCRAM-SHA-256$4096:leak' NONSENSE;\n`;
    const failure: unknown = await restorer.applyGlobals(target, broken, 'all', testIo(engine, RUN)).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'component-failed', message: expect.stringContaining('role late') });
    expect(`${String(failure)} ${JSON.stringify(failure)} ${String((failure as Error).cause)}`).not.toMatch(/SCRAM-SHA-256\$|leak/);
    expect(await takeGlobals(engine, server)).toBe(before);
    const logs = await docker(['logs', server.name]);
    expect(logs.stdout + logs.stderr).not.toContain('leak');
  });

  it('bring no tablespace with them, and say so', async () => {
    const text = "CREATE TABLESPACE fast OWNER postgres LOCATION '/fast';\nALTER GROUP x ADD USER y;\n";
    const { findings } = await restorer.applyGlobals(await server.target(), text, 'all', testIo(engine, RUN));
    expect(findings.map(({ code }) => code)).toEqual(['tablespace-missing', 'globals-unknown']);
  });

  it('cannot be dropped while something depends on them', async () => {
    await server.psql('create role keeper; create table kept (a int); alter table kept owner to keeper');
    await expect(restorer.dropRoles(await server.target(), ['keeper'], testIo(engine, RUN))).rejects.toMatchObject({
      code: 'component-failed',
    });
    await server.psql('drop table kept; drop role keeper');
  });
});

it('older roles are brought to a newer server', async () => {
  const { images } = testEngine();
  await using old = await startServer(engine, images.postgres15);
  await using recent = await startServer(engine, images.postgres17);
  await old.psql(SAVED);
  await old.psql('create role maker createrole login; set role maker; create role made; grant made to reader');
  const saved = await takeGlobals(engine, old);
  const { findings } = await restorer.applyGlobals(await recent.target(), saved, 'missing', testIo(engine, RUN));
  expect(findings.map(({ code }) => code)).toEqual(['role-grantor-changed']);
  expect(await restorer.missingRoles(await recent.target(), saved, testIo(engine, RUN))).toEqual([]);
});
