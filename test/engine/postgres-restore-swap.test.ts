import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/domain/ports.ts';
import { docker, engineEnv, testEngine } from '../support/engine.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { openTestEngine, startServer, testIo, type TestServer } from './postgres-fixture.ts';
import { adapter, build, restorer, RUN, take, VERSIONS, type Taken } from './postgres-restore-fixture.ts';

let engine: Engine;

beforeAll(async () => {
  engine = await openTestEngine();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

/** Connects again and again and reads twice in one session, until told to stop. */
const READER = String.raw`
while [ ! -e /tmp/stop ]; do
  psql -X -q -A -t -v VERBOSITY=terse -U postgres -d shop -c "select 'read ' || v from t" -c "select 'again ' || v from t" >>"/tmp/reader-$1" 2>&1
done
touch "/tmp/done-$1"`;
/**
 * What a reader may be answered. Everything else it prints tells, in words of psql's and libpq's versions, that it was
 * refused or cut off, which is allowed; that something is not there is what must never be said.
 */
const ANSWER = /^(read|again) (old|new)$/;
const MISSING = /does not exist/;
const READERS = ['1', '2', '3', '4'];
const OURS = "select count(*) from pg_database where datname like '%mcads%'";

describe.each(VERSIONS)('databases of a server of image %s', (image) => {
  let server: TestServer;
  let taken: Taken;
  const swap = { database: 'shop', ...restorer.names('shop', RUN) };

  beforeAll(async () => {
    server = await startServer(engine, testEngine().images[image], { command: ['postgres', '-c', 'max_prepared_transactions=5'] });
    await server.psql('create database shop');
    await server.psql("create table t as select 'old' as v", 'shop');
    taken = await take(engine, server, 'shop');
    await server.psql("update t set v = 'new'", 'shop');
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  it('are the old one or the new one for whoever connects all the time, or refused, and never missing', async () => {
    const target = await server.target();
    for (const reader of READERS) await docker(['exec', '-d', server.name, 'sh', '-c', READER, 'sh', reader]);
    await docker(['exec', server.name, 'sh', '-c', 'until [ -s /tmp/reader-4 ]; do :; done']);
    for (let round = 0; round < 4; round += 1) {
      await build(engine, target, taken, swap.temporary);
      await restorer.swap(target, [swap], testIo(engine, RUN));
      await restorer.revert(target, [swap], testIo(engine, RUN));
    }
    await docker(['exec', server.name, 'touch', '/tmp/stop']);
    await docker([
      'exec',
      server.name,
      'sh',
      '-c',
      'until [ -e /tmp/done-1 ] && [ -e /tmp/done-2 ] && [ -e /tmp/done-3 ] && [ -e /tmp/done-4 ]; do :; done',
    ]);
    const seen = new Map<string, number>();
    for (const reader of READERS) {
      const { stdout } = await docker(['exec', server.name, 'cat', `/tmp/reader-${reader}`]);
      expect(stdout).not.toMatch(MISSING);
      let read = '';
      for (const line of stdout.trim().split('\n')) {
        if (/^(read|again) /.test(line)) expect(line).toMatch(ANSWER);
        if (line.startsWith('read ')) read = line;
        // Where the session ends behind the answer, psql prints that before the answer itself.
        if (line.startsWith('again ')) expect(line.replace('again', 'read')).toBe(read);
        seen.set(line, (seen.get(line) ?? 0) + 1);
      }
    }
    expect(seen.get('read new') ?? 0).toBeGreaterThan(10);
    expect(seen.get('read old') ?? 0).toBeGreaterThan(0);
  });

  describe('go back from every state', () => {
    beforeEach(async () => {
      await build(engine, await server.target(), taken, swap.temporary);
    });

    const swapped = async (): Promise<void> => {
      await restorer.swap(await server.target(), [swap], testIo(engine, RUN));
    };
    const close = (name: string): string => `alter database "${name}" with allow_connections false`;
    const rename = (from: string, to: string): string => `alter database "${from}" rename to "${to}"`;
    const states: readonly (readonly [string, () => Promise<unknown>])[] = [
      ['built', async () => Promise.resolve()],
      ['built, and somebody is in it', async () => server.psqlDetached('select pg_sleep(600)', swap.temporary)],
      ['closed', async () => server.psql(close('shop'))],
      ['closed, and the new one is gone', async () => server.psql(`${close('shop')}; drop database "${swap.temporary}"`)],
      ['swapped', swapped],
      [
        'swapped, and somebody uses the new one',
        async () => {
          await swapped();
          await server.psqlDetached('select pg_sleep(600)', 'shop');
        },
      ],
      [
        'swapped, and the new one is a template',
        async () => {
          await swapped();
          await server.psql('alter database shop with is_template true connection limit 0');
        },
      ],
      [
        'swapped, and the new one is gone',
        async () => {
          await swapped();
          await server.psql('drop database shop with (force)');
        },
      ],
      [
        'swapped, and on the way back closed',
        async () => {
          await swapped();
          await server.psql(close('shop'));
        },
      ],
      [
        'swapped, and on the way back renamed',
        async () => {
          await swapped();
          await server.psql(close('shop'));
          await server.psql(`begin; ${rename('shop', swap.temporary)}; ${rename(swap.kept, 'shop')}; commit`);
        },
      ],
      ['not begun', async () => server.psql(`drop database "${swap.temporary}"`)],
    ];
    it.each(states)('%s', async (_state, make) => {
      await make();
      const target = await server.target();
      await restorer.revert(target, [swap], testIo(engine, RUN));
      expect(await restorer.revert(target, [swap], testIo(engine, RUN))).toEqual([]);
      expect(await server.psql('select v from t', 'shop')).toBe('new');
      expect(await server.psql(OURS)).toBe('0');
    });
  });

  it('were not there before and go again, unless they were accepted', async () => {
    const target = await server.target();
    const io = testIo(engine, RUN);
    const fresh = { database: 'fresh', ...restorer.names('fresh', RUN) };
    const source = { ...taken.source, database: 'fresh' };
    await build(engine, target, { ...taken, source }, fresh.temporary);
    await restorer.swap(target, [fresh], io);
    expect(await server.psql('select v from t', 'fresh')).toBe('old');
    expect(await restorer.revert(target, [fresh], io)).toEqual(['removed database fresh of db, which was not there before']);
    expect(await server.psql("select count(*) from pg_database where datname = 'fresh'")).toBe('0');
    await build(engine, target, { ...taken, source }, fresh.temporary);
    await restorer.swap(target, [fresh], io);
    await restorer.drop(target, [fresh.kept], io);
    expect(await server.psql("select count(*) from pg_shdescription where description like '%mcads%'")).toBe('0');
    expect(await restorer.revert(target, [fresh], io)).toEqual([]);
    await server.psql('drop database fresh');
  });

  it('stay as they are when one of them cannot be swapped', async () => {
    const target = await server.target();
    const other = { database: 'other', ...restorer.names('other', RUN) };
    await server.psql('create database other');
    await build(engine, target, taken, swap.temporary);
    await expect(restorer.swap(target, [swap, other], testIo(engine, RUN))).rejects.toMatchObject({
      code: 'component-failed',
      message: expect.stringContaining('is gone'),
    });
    expect(await server.psql('select v from t', 'shop')).toBe('new');
    await build(engine, target, taken, other.temporary);
    await server.psql("create table p (a int); begin; insert into p values (1); prepare transaction 'held'", 'other');
    await expect(restorer.swap(target, [swap, other], testIo(engine, RUN))).rejects.toMatchObject({
      code: 'component-failed',
      message: expect.stringContaining('1 prepared transactions hold them'),
    });
    expect(await server.psql('select v from t', 'shop')).toBe('new');
    expect(await server.psql("select count(*) from pg_database where not datallowconn and datname <> 'template0'")).toBe('0');
    await expect(restorer.check(target, { ...taken.source, database: 'other' }, testIo(engine, RUN))).rejects.toThrow(
      'prepared transactions',
    );
    await server.psql("rollback prepared 'held'", 'other');
    await restorer.revert(target, [swap, other], testIo(engine, RUN));
    expect(await server.psql(OURS)).toBe('0');
  });

  it('are not listed under the names of a restore, and nothing else is dropped', async () => {
    const target = await server.target();
    await build(engine, target, taken, swap.temporary);
    await restorer.swap(target, [swap], testIo(engine, RUN));
    const listing = await adapter.list(target, testIo(engine, 'list'));
    expect(listing.databases.map(({ name }) => name)).not.toContain(swap.kept);
    expect(listing.findings).toEqual([]);
    await expect(restorer.drop(target, ['shop'], testIo(engine, RUN))).rejects.toMatchObject({ code: 'component-failed' });
    await restorer.revert(target, [swap], testIo(engine, RUN));
  });

  it.each(['progress', 'built', 'swapping', 'swapped'])('go back after the run was killed at: %s', async (point) => {
    const target = await server.target();
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, 'dump'), taken.dump);
    await writeFile(join(folder.path, 'facts.json'), JSON.stringify({ source: taken.source, name: server.name, swap }));
    const victim = spawn(process.execPath, [join(import.meta.dirname, 'postgres-restore-victim.ts'), folder.path], {
      env: { ...process.env, ...engineEnv() },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const gone = once(victim, 'exit');
    for await (const line of createInterface(victim.stdout)) {
      if (line !== point) continue;
      victim.kill('SIGKILL');
      break;
    }
    expect((await gone)[1]).toBe('SIGKILL');
    await restorer.revert(target, [swap], testIo(engine, RUN));
    expect(await server.psql('select v from t', 'shop')).toBe('new');
    expect(await server.psql(OURS)).toBe('0');
    expect(await server.psql("select count(*) from pg_stat_activity where application_name like 'mcads%'")).toBe('0');
  });
});
