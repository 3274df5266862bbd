import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { docker } from '../support/engine.ts';
import { startCli } from '../support/paced-cli.ts';
import { runCommand } from '../support/run-command.ts';
import { engineProxy, until } from '../engine/e2e-support.ts';
import {
  containerOf,
  goOn,
  inWeb,
  leftOf,
  psql,
  report,
  restoreShop,
  snapshotOf,
  startShop,
  stateOfShop,
  type Shop,
  type State,
} from '../engine/restore-support.ts';

let shop: Shop;
let snapshot: string;
let later: State;
beforeAll(async () => {
  shop = await startShop();
  await inWeb(shop, 'head -c 3000000 /dev/urandom > /media/random');
  snapshot = await snapshotOf(shop);
});
afterAll(async () => shop[Symbol.asyncDispose]());
beforeEach(async () => {
  await goOn(shop);
  later = await stateOfShop(shop);
});

/** The live project is what it was before the restore that failed, and nothing of that one is left. */
async function expectUntouched(): Promise<void> {
  expect(await stateOfShop(shop)).toEqual(later);
  expect(await leftOf(shop)).toEqual([]);
}

test('a server that lacks an extension refuses before anything is touched', async () => {
  const db = await containerOf(shop.folder, 'db');
  await psql(db, 'create extension if not exists pgcrypto');
  try {
    const made = await snapshotOf(shop);
    const control = (await docker(['exec', db, 'sh', '-c', 'echo /usr/share/postgresql/*/extension/pgcrypto.control'])).stdout.trim();
    await docker(['exec', '-u', '0', db, 'mv', control, `${control}.away`]);
    await psql(db, 'drop extension pgcrypto');
    later = await stateOfShop(shop);
    const run = await report(['restore', made, '--yes'], { cwd: shop.directory });
    await docker(['exec', '-u', '0', db, 'mv', `${control}.away`, control]);
    expect(run.code, run.stderr).toBe(1);
    expect(run.says).toContain('pgcrypto');
    await expectUntouched();
  } finally {
    await psql(db, 'drop extension if exists pgcrypto');
  }
});

test('an error of pg_restore while it builds drops what was built: the live database is the one from before', async () => {
  const db = await containerOf(shop.folder, 'db');
  // Every new index is refused from now on: the build fails in its middle, after the rows.
  const trap = `create or replace function refuse() returns event_trigger language plpgsql as $$ begin if current_database() like '%mcads%' then raise exception 'no indexes today'; end if; end $$;
    create event trigger refusing on ddl_command_start when tag in ('CREATE INDEX') execute function refuse();`;
  await psql(db, `alter database template0 with allow_connections true;`);
  await psql(db, `\\c template0\n${trap}`);
  try {
    const run = await restoreShop(shop, ['--component', 'database/db/shop']);
    expect(run.code, run.stderr + run.says).toBe(1);
    expect(run.says).toContain('no indexes today');
    expect(run.json).toMatchObject({ error: expect.any(Object) as unknown });
    await expectUntouched();
  } finally {
    await psql(db, '\\c template0\ndrop event trigger refusing; drop function refuse()');
    await psql(db, 'alter database template0 with allow_connections false');
  }
});

test('a server that dies while a database is built in it is up again afterwards, with the database from before', async () => {
  const db = await containerOf(shop.folder, 'db');
  const trap = `create function wait() returns event_trigger language plpgsql as $$ begin if current_database() like '%mcads%' then perform pg_sleep(300); end if; end $$;
    create event trigger waiting on ddl_command_start when tag in ('CREATE INDEX') execute function wait();`;
  await psql(db, `alter database template0 with allow_connections true;`);
  await psql(db, `\\c template0\n${trap}`);
  try {
    const run = startCli(['restore', snapshot, '--yes', '--component', 'database/db/shop'], { cwd: shop.directory, env: shop.env });
    await until(async () => (await psql(db, `select count(*) from pg_stat_activity where wait_event = 'PgSleep'`)).includes('1'));
    await docker(['kill', db]);
    const { code, stderr } = await run.end;
    expect(code, stderr).toBe(1);
    await expectUntouched();
  } finally {
    await psql(db, '\\c template0\ndrop event trigger waiting; drop function wait()');
    await psql(db, 'alter database template0 with allow_connections false');
  }
});

test('rows that differ from the recorded ones: exit 40, nothing swapped', async () => {
  const db = await containerOf(shop.folder, 'db');
  await psql(db, `alter database template0 with allow_connections true;`);
  const trap = `create function meddle() returns event_trigger language plpgsql as $$ begin if exists (select from pg_class where relname = 'orders') and current_database() like '%mcads%' then execute 'delete from public.orders where id = 1999'; end if; end $$;
    create event trigger meddling on ddl_command_end when tag in ('CREATE INDEX') execute function meddle();`;
  await psql(db, `\\c template0\n${trap}`);
  try {
    const run = await restoreShop(shop, ['--component', 'database/db/shop']);
    expect(run.code, run.stderr + run.says).toBe(40);
    expect(run.says).toContain('orders');
    await expectUntouched();
  } finally {
    await psql(db, '\\c template0\ndrop event trigger meddling; drop function meddle()');
    await psql(db, 'alter database template0 with allow_connections false');
  }
});

test('a disk that gets full while the new files are built: everything stays as it was, and the disk is named', async () => {
  const uploads = join(shop.directory, 'uploads');
  const web = await containerOf(shop.folder, 'web');
  await docker(['stop', '-t', '1', web]);
  // Files of one byte take a page each: what is needed looks as if it fitted beside what is there.
  await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=640k', 'tmpfs', uploads]);
  try {
    await docker(['start', web]);
    for (let at = 0; at < 100; at += 1) await writeFile(join(uploads, `file-${at}`), 'x');
    const made = await snapshotOf(shop);
    later = await stateOfShop(shop);
    const run = await report(['restore', made, '--yes'], { cwd: shop.directory });
    expect(run.code, run.stderr + run.says).toBe(1);
    expect(run.says).toContain('No space left on device');
    await expectUntouched();
  } finally {
    await docker(['stop', '-t', '1', web]);
    await runCommand('umount', [uploads]);
    await docker(['start', web]);
    await until(async () => (await docker(['inspect', '--format', '{{.State.Health.Status}}', web])).stdout.trim() === 'healthy');
  }
});

describe('a service that does not come up on the restored data', () => {
  test.each([
    ['exits at once', 'broken'],
    ['never becomes healthy', 'sick'],
  ])('%s: everything is swapped back and runs as before', async (_how, file) => {
    await inWeb(shop, 'mkdir -p /media/deep; touch /media/deep/one.png');
    await docker(['exec', await containerOf(shop.folder, 'web'), 'touch', `/media/${file}`]);
    const bad = await snapshotOf(shop);
    await inWeb(shop, `rm /media/${file}`);
    await shop.folder.compose(['up', '-d', 'web', 'db', 'other'], { env: shop.env });
    const web = await containerOf(shop.folder, 'web');
    // Compose gives up at once on one that is still unhealthy.
    await until(async () => (await docker(['inspect', '--format', '{{.State.Health.Status}}', web])).stdout.trim() === 'healthy');
    later = await stateOfShop(shop);
    const run = await report(['restore', bad, '--yes', '--component', 'volume/media', '--component', 'database/db/shop'], {
      cwd: shop.directory,
    });
    expect(run.code, run.stderr + run.says).toBe(40);
    expect(run.says).toContain(`${shop.name}-web-1`);
    await expectUntouched();
  });
});

test.each([
  ['while it builds', /build/],
  ['while services are stopped', /service .* stopped/],
  ['while services start', /^starting services/],
])('the engine vanishes %s: the next command brings everything back, or to its end where all was proven', async (when, moment) => {
  await using proxy = await engineProxy();
  const run = startCli(['restore', snapshot, '--yes'], { cwd: shop.directory, env: { ...shop.env, ...proxy.env } });
  await run.line(moment);
  await proxy.kill();
  expect((await run.end).code).toBe(20);
  const next = await report(['list'], { cwd: shop.directory });
  expect(next.code, next.stderr).toBe(0);
  if (next.says.includes('was proven, so it is brought to its end')) {
    expect(when).toBe('while services start');
    expect((await report(['rollback', '--yes'], { cwd: shop.directory })).code).toBe(0);
  } else expect(when).not.toBe('while services start');
  await expectUntouched();
});

test.each(['SIGINT', 'SIGTERM'] as const)('%s in the middle undoes everything', async (signal) => {
  const run = startCli(['restore', snapshot, '--yes'], { cwd: shop.directory, env: shop.env });
  await run.line(/service .* stopped/);
  run.signal(signal);
  const { code, stderr } = await run.end;
  expect(code, stderr).toBe(signal === 'SIGINT' ? 130 : 143);
  await expectUntouched();
});
