import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { HostApp, substituteSystemd } from '../support/host-app.ts';
import { startHostServer, type HostServer } from '../support/host-postgres.ts';
import { MAIN } from '../support/run-cli.ts';

let server: HostServer;
let app: HostApp;
let systemd: ReturnType<typeof substituteSystemd>;

beforeAll(async () => {
  server = await startHostServer();
  await server.psql(`create role shop login createdb password 'p@ss ''word'; create role other login password 'other'`);
});
afterAll(async () => server[Symbol.asyncDispose]());

const SEED = `create schema "My Schema"; create table "My Schema"."a.b" (id int primary key, "T" text default 'ü');
  insert into "My Schema"."a.b" (id) select generate_series(1, 1000);
  create table big (id bigint, filler text); insert into big select n, repeat(md5(n::text), 40) from generate_series(1, 100) n;
  create view v as select count(*) from big; create sequence s start 42; select lo_create(7)`;

beforeEach(async () => {
  await server.psql('create database shop owner shop');
  await server.psql(`set role shop; ${SEED}`, 'shop');
  await server.psql(`alter database shop set search_path to "My Schema", public; alter role shop in database shop set work_mem to '8MB'`);
  app = await HostApp.create();
  systemd = substituteSystemd(app, { 'mcads.service': 'active' });
  nameServer();
});
afterEach(async () => {
  await app[Symbol.asyncDispose]();
  const ours = await server.psql("select datname from pg_database where datname like 'shop%' or datname like '%mcads%'");
  for (const name of ours.split('\n').filter((one) => one !== '')) {
    await server.psql(`alter database "${name}" with is_template false`);
    await server.psql(`drop database "${name}" with (force)`);
  }
  await server.psql('alter role shop createdb');
});

/** Writes the `.env` of the application. */
function nameServer({ password = "p@ss 'word", host = '127.0.0.1', user = 'shop', database = 'shop' } = {}): void {
  const secret = encodeURIComponent(password);
  app.write('.env', `SECRET_KEY=x\nDATABASE_URL=postgres://${user}:${secret}@${host}:${server.port}/${database}\n`);
}

const component = (): string => `database/${encodeURIComponent(`127.0.0.1:${server.port}`)}/shop`;

async function backUp(exit = 0): Promise<string> {
  const made = (await app.run(['backup', '--no-prune'], exit)) as { readonly snapshot: { readonly name: string } };
  return made.snapshot.name;
}

/** All that a dump says of a database and its own settings. */
async function stateOf(): Promise<string> {
  const args = ['-h', server.folder, '-p', String(server.port), '-U', 'postgres', '--create', 'shop'];
  const dump = execFileSync('pg_dump', args, { encoding: 'utf8', maxBuffer: 1e9 });
  return dump.replaceAll(/^\\(?:un)?restrict .*$/gm, '');
}

const databases = async (): Promise<string> =>
  server.psql("select string_agg(datname, ' ' order by datname) from pg_database where not datistemplate");

async function change(): Promise<void> {
  await server.psql('drop table big cascade; insert into "My Schema"."a.b" values (5000); comment on database shop is \'changed\'', 'shop');
}

test('a database that DATABASE_URL names comes back as it was while it is used, and rollback undoes that', async () => {
  // More than is restored straight from the stream: through a file, by several workers.
  await server.psql('insert into big select n, repeat(md5(n::text), 40) from generate_series(101, 40000) n', 'shop');
  const before = await stateOf();
  const snapshot = await backUp();
  expect(systemd.calls()).toEqual(['']);
  await change();
  const changed = await stateOf();
  const restored = await app.run(['restore', snapshot, '--yes']);
  expect(restored).toMatchObject({
    databases: expect.arrayContaining([
      expect.objectContaining({ component: component(), tables: 2, rows: 41_000, rowsEqual: true }),
    ]) as unknown,
  });
  expect(await stateOf()).toBe(before);
  expect(await databases()).toMatch(/^postgres shop \S*mcads\S*$/);
  // What it keeps in the application's directory is in no backup.
  expect(readdirSync(app.directory).some((name) => /^\.mcads-restore-[0-9a-f]{12}/.test(name))).toBe(true);
  expect(JSON.stringify(await app.run(['plan']))).not.toContain('.mcads-restore-');
  await app.run(['rollback', '--yes']);
  expect(await stateOf()).toBe(changed);
  expect(await databases()).toBe('postgres shop');
});

test('a server that lost the database gets it anew, and only it when it is named', async () => {
  await server.psql("comment on database shop is E'two lines,\\n\\\\ and a ''quote'''");
  const before = await stateOf();
  const snapshot = await backUp();
  await server.psql('drop database shop');
  const files = readFileSync(join(app.directory, 'manage.py'), 'utf8');
  app.write('manage.py', `${files}# newer\n`);
  await app.run(['restore', snapshot, '--component', component(), '--yes', '--keep-old', '0']);
  expect(await stateOf()).toBe(before);
  expect(readFileSync(join(app.directory, 'manage.py'), 'utf8')).toBe(`${files}# newer\n`);
  expect(systemd.calls()).toEqual(['']);
  expect(await databases()).toBe('postgres shop');
});

test('without the right to create databases nothing is touched, and the cure is told', async () => {
  await server.psql('alter role shop nocreatedb');
  const made = await app.run(['backup', '--no-prune']);
  expect(JSON.stringify(made)).toContain('which a restore of this one needs');
  await change();
  const changed = await stateOf();
  const refused = await app.run(['restore', 'latest', '--yes'], 1);
  expect(refused).toMatchObject({
    error: {
      code: 'component-failed',
      message: expect.stringContaining('may not create databases') as unknown,
      hint: expect.stringContaining('alter role "shop" createdb') as unknown,
    },
  });
  expect(await stateOf()).toBe(changed);
  expect(systemd.calls()).toEqual(['']);
});

test.each([
  ['a wrong password', { password: 'wrong' }, 'password authentication failed'],
  ['no server', { host: '127.0.0.9' }, 'ECONNREFUSED'],
])('with %s the dump fails alone, with its reason and not the password', async (_, given, reason) => {
  nameServer(given);
  const made = await app.run(['backup', '--no-prune'], 3);
  expect(JSON.stringify(made)).toContain(reason);
  expect(JSON.stringify(made)).not.toContain('wrong@');
  expect(made).toMatchObject({ snapshot: { completeness: 'partial' } });
});

test('a snapshot whose server is not the one that .env names leaves the database alone and says so', async () => {
  const snapshot = await backUp();
  await change();
  const changed = await stateOf();
  app.write('.env', 'DATABASE_URL=postgres://shop@elsewhere.invalid/shop\n');
  const restored = await app.run(['restore', snapshot, '--yes'], 3);
  expect(JSON.stringify(restored)).toContain(`names the server elsewhere.invalid:5432, and 127.0.0.1:${server.port} is wanted`);
  expect(await stateOf()).toBe(changed);
});

test('an application that was copied, with a database of its own, does not replace the original’s', async () => {
  const snapshot = await backUp();
  await change();
  const changed = await stateOf();
  nameServer({ database: 'shop_copy' });
  const restored = await app.run(['restore', snapshot, '--yes'], 3);
  expect(JSON.stringify(restored)).toContain('.env names the database shop_copy of that server, and shop is wanted');
  expect(await stateOf()).toBe(changed);
});

test('somebody else’s session is told before anything is touched, and a rollback that it stops leaves the database open', async () => {
  const snapshot = await backUp();
  const stranger = (): ReturnType<typeof spawn> => {
    const env = { ...process.env, PGPASSWORD: 'other' };
    return spawn(
      'psql',
      ['-X', '-q', '-h', '127.0.0.1', '-p', String(server.port), '-U', 'other', '-d', 'shop', '-c', 'select pg_sleep(600)'],
      { env },
    );
  };
  const connected = async (): Promise<void> => {
    while ((await server.psql("select count(*) from pg_stat_activity where usename = 'other'")) === '0');
  };
  const first = stranger();
  await connected();
  const refused = await app.run(['restore', snapshot, '--yes'], 1);
  expect(refused).toMatchObject({ error: { message: expect.stringContaining('other is connected to it') as unknown } });
  expect(systemd.calls()).toEqual(['']);
  first.kill('SIGKILL');
  await server.psql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'other'");
  await app.run(['restore', snapshot, '--component', component(), '--yes']);
  const restored = await stateOf();
  const second = stranger();
  await connected();
  await app.run(['rollback', '--yes'], 1);
  expect(await server.psql("select datallowconn from pg_database where datname = 'shop'")).toBe('t');
  expect(await stateOf()).toBe(restored);
  second.kill('SIGKILL');
  await server.psql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'other'");
  await app.run(['recover']);
  expect(await server.psql("select datallowconn from pg_database where datname = 'shop'")).toBe('t');
});

test('an autovacuum that goes on in the database is in nobody’s way', async () => {
  const snapshot = await backUp();
  // One page every tenth of a second: it is there until it is ended.
  await server.psql('alter system set autovacuum_naptime = 1');
  await server.psql('alter system set autovacuum_vacuum_cost_delay = 100');
  await server.psql('alter system set autovacuum_vacuum_cost_limit = 1');
  await server.psql('select pg_reload_conf()');
  await server.psql(
    'insert into big select n, repeat(md5(n::text), 40) from generate_series(101, 8000) n; delete from big where id % 2 = 0',
    'shop',
  );
  try {
    while (
      (await server.psql("select count(*) from pg_stat_activity where datname = 'shop' and backend_type = 'autovacuum worker'")) === '0'
    );
    await app.run(['restore', snapshot, '--component', component(), '--yes']);
    await app.run(['rollback', '--yes']);
    expect(await server.psql('select count(*) > 1000 from big', 'shop')).toBe('t');
    expect(await databases()).toBe('postgres shop');
  } finally {
    for (const name of ['autovacuum_naptime', 'autovacuum_vacuum_cost_delay', 'autovacuum_vacuum_cost_limit'])
      await server.psql(`alter system reset ${name}`);
    await server.psql('select pg_reload_conf()');
  }
});

test('a unit that does not come up has the database put back too, also where the restore had replaced .env', async () => {
  const snapshot = await backUp();
  await change();
  const changed = await stateOf();
  app.write('.env', `${readFileSync(join(app.directory, '.env'), 'utf8')}NEWER=1\n`);
  writeFileSync(join(app.base, 'units', 'mcads.service.broken'), '');
  await app.run(['restore', snapshot, '--with-config', '--yes'], 40);
  expect(await stateOf()).toBe(changed);
  expect(await databases()).toBe('postgres shop');
  expect(readFileSync(join(app.directory, '.env'), 'utf8')).toContain('NEWER=1');
});

test.each(['build', 'swap', 'start'])('a restore that was killed at %s is undone by the next command', async (stage) => {
  const snapshot = await backUp();
  await change();
  const changed = await stateOf();
  const child = spawn(process.execPath, [MAIN, 'restore', snapshot, '--yes', '-v'], {
    cwd: app.directory,
    env: { ...process.env, ...app.env, NO_COLOR: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exit = once(child, 'exit');
  for await (const line of createInterface(child.stderr)) {
    if (!line.includes(stage)) continue;
    child.kill('SIGKILL');
    break;
  }
  expect((await exit)[1]).toBe('SIGKILL');
  await app.run(['recover']);
  expect(await stateOf()).toBe(changed);
  expect(await databases()).toBe('postgres shop');
  expect(systemd.stateOf('mcads.service')).toBe('active');
  expect(readdirSync('/tmp').filter((name) => name.startsWith('.mcads-spool-'))).toEqual([]);
  expect(existsSync(join(app.directory, '.mcads-restore-state', 'journal.json'))).toBe(false);
});
