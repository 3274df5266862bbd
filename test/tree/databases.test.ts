import { execFileSync } from 'node:child_process';
import { DatabaseSync } from 'node:sqlite';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { asParent, TreeFixture } from '../support/tree-capture.ts';

let fixture: TreeFixture;
beforeEach(() => {
  fixture = new TreeFixture();
});
afterEach(async () => fixture[Symbol.asyncDispose]());

/** By scan, and through a transport that cannot scan. */
const WAYS = [
  ['a scanned tree', { scans: true }],
  ['an archive', { scans: false, transport: 'archive' as const }],
] as const;

describe.each(WAYS)('in %s', (_, over) => {
  const seen = async () => (await fixture.capture(await fixture.source(over))).databasesSeen;

  test('SQLite files that are in use are seen, with a write-ahead log and with a rollback journal', async () => {
    fixture.write({ 'large.db-notes': '-', 'sub/app.db!': '-' });
    const open = ['app.db', 'large.db', 'sub/app.db'].map((name) => new DatabaseSync(join(fixture.tree, name)));
    for (const [at, database] of open.entries()) {
      database.exec(at === 2 ? 'pragma journal_mode=persist' : 'pragma journal_mode=wal; pragma wal_autocheckpoint=0');
      database.exec('create table t(x); insert into t values (randomblob(300000)); ');
      if (at === 1) database.exec('pragma wal_checkpoint; insert into t values (2)');
      if (at === 2) database.exec('begin immediate; insert into t values (randomblob(20000000))');
    }
    expect(await seen()).toEqual(['app.db', 'large.db', 'sub/app.db'].map((path) => ({ engine: 'sqlite', path })));
    for (const database of open) database.close();
    execFileSync('rm', ['sub/app.db-journal'], { cwd: fixture.tree });
    expect(await seen()).toEqual([]);
  });

  test('files that are only named like those of SQLite are not', async () => {
    fixture.write({ notes: 'x', 'notes-wal': 'x', video: 'y'.repeat(300_000), 'video-journal': 'y', empty: '', 'empty-wal': 'x' });
    fixture.write({ 'alone-wal': 'x', 'quiet.db': 'SQLite format 3\0', 'quiet.db-wal': '' });
    expect(await seen()).toEqual([]);
  });

  test('clusters of other engines are seen by what only those make', async () => {
    fixture.write({ 'pg/PG_VERSION': '17\n', 'pg/base/1/PG_VERSION': '17\n', 'pg/global/pg_control': 'c' });
    fixture.write({ 'not-pg/global/pg_control': 'c', 'old/PG_VERSION': '9', 'notes/ibdata1.txt': '-', 'my/ibdata1': 'i' });
    fixture.write({ 'mongo/WiredTiger': 'w', 'redis/dump.rdb': 'r', 'cache/appendonlydir/a.1.base.rdb': 'r' });
    mkdirSync(join(fixture.tree, 'x/dump.rdb'), { recursive: true });
    expect(await seen()).toEqual([
      { engine: 'redis', path: 'cache' },
      { engine: 'mongodb', path: 'mongo' },
      { engine: 'mysql', path: 'my' },
      { engine: 'postgres', path: 'pg' },
      { engine: 'redis', path: 'redis' },
    ]);
  });
});

test('a cluster at the root of the tree is seen', async () => {
  fixture.write({ PG_VERSION: '17\n', 'global/pg_control': 'c' });
  expect((await fixture.capture(await fixture.source())).databasesSeen).toEqual([{ engine: 'postgres', path: '.' }]);
});

test('databases in segments that are reused are seen again, without reading the source', async () => {
  const file = join(fixture.tree, 'holes.db');
  fixture.write({ 'app.db': 'SQLite format 3\0and more', 'app.db-wal': 'w', 'dump.rdb': 'r' });
  fixture.write({ PG_VERSION: '17', 'global/pg_control': 'c', 'holes.db-journal': 'j' });
  writeFileSync(file, 'SQLite format 3\0');
  truncateSync(file, 2_000_000);
  const first = await fixture.capture(await fixture.source());
  expect(first.databasesSeen.map(({ engine }) => engine).toSorted()).toEqual(['postgres', 'redis', 'sqlite', 'sqlite']);
  const read = () => {
    throw new Error('nothing may be read');
  };
  const second = await fixture.capture(await fixture.source({ read }), { parent: asParent(first) });
  expect(second.segmentsRead).toBe(0);
  expect(second.databasesSeen).toEqual(first.databasesSeen);
});
