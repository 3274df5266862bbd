import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { copySqlite } from '../../src/host/sqlite-copy.ts';
import { fastFolder } from '../support/host-app.ts';

const NEVER = new AbortController().signal;

let base: string;
let path: string;
let spool: string;
beforeEach(() => {
  base = fastFolder('mcads-sqlite-');
  path = join(base, 'db.sqlite3');
  spool = join(base, 'spool');
  mkdirSync(spool);
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

/** A database with rows, its log not yet written back. */
function create(journalMode: 'wal' | 'delete' = 'wal'): DatabaseSync {
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA journal_mode = ${journalMode}; CREATE TABLE study (id INTEGER PRIMARY KEY, note TEXT)`);
  database.exec(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO study SELECT i, printf('%0200d', i) FROM n",
  );
  return database;
}

test('an index on a function or a collation of the application’s own is copied, and told as not checked', async () => {
  const database = new DatabaseSync(path);
  database.function('own', { deterministic: true }, (value) => Number(value) * 2);
  database.exec('create table t(a); insert into t values (1), (2); create index i on t(own(a))');
  database.close();
  const made = await copied();
  expect(made.findings).toEqual([expect.objectContaining({ severity: 'info', code: 'index-not-checked' })]);
  expect(made.facts).toMatchObject({ rows: { t: 2 } });
  rmSync(path);
  const script = `import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.create_collation('own', lambda a, b: (a > b) - (a < b)); c.execute('create table t(a text)'); c.execute('create index i on t(a collate own)'); c.execute("insert into t values ('x')"); c.commit()`;
  execFileSync('python3', ['-c', script, path]);
  const other = await copied();
  expect(other.findings).toEqual([
    expect.objectContaining({ message: expect.stringContaining('no such collation sequence: own') as string }),
  ]);
  expect(other.facts).toMatchObject({ rows: { t: 1 } });
});

async function copied() {
  const stream = await copySqlite(path, spool, () => undefined, NEVER);
  const bytes = Buffer.concat(await Array.fromAsync(stream.body));
  const { facts = {}, findings = [] } = await stream.done;
  return { bytes, facts, findings };
}

function rowsIn(bytes: Buffer): number {
  const file = join(base, 'restored.sqlite3');
  writeFileSync(file, bytes);
  const database = new DatabaseSync(file);
  try {
    return Number(Object.values(database.prepare('SELECT count(*) FROM study').get() ?? {})[0]);
  } finally {
    database.close();
    for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
  }
}

// It never returns to its event loop: console.log would keep what a slow reader's pipe does not take for ever.
const WRITER = `
import { writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
const database = new DatabaseSync(process.argv[1], { timeout: 30000 });
for (let id = 100001; ; id += 1) {
  database.exec('INSERT INTO study VALUES (' + id + ', hex(randomblob(500)))');
  writeSync(1, id + '\\n');
}`;

test('no row that was committed before the copy began is lost while another process goes on writing in WAL mode', async () => {
  create().close();
  const writer = spawn(process.execPath, ['--input-type=module', '-e', WRITER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  let committed = 0;
  const lines = createInterface({ input: writer.stdout });
  lines.on('line', () => (committed += 1));
  try {
    for (let round = 0; round < 3; round += 1) {
      await once(lines, 'line');
      const before = committed;
      const { bytes, facts } = await copied();
      const rows = rowsIn(bytes);
      expect(rows).toBeGreaterThanOrEqual(2000 + before);
      expect(facts).toMatchObject({ rows: { study: rows }, foreignKeyViolations: 0, journalMode: 'wal' });
      await once(lines, 'line');
      expect(2000 + committed).toBeGreaterThan(rows); // it did go on
    }
  } finally {
    writer.kill('SIGKILL');
  }
}, 120_000);

test.each(['wal', 'delete'] as const)(
  'a copy in %s mode is the database to the last bit once its log is written back, and leaves nothing',
  async (mode) => {
    const database = create(mode);
    const { bytes, facts } = await copied();
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    const dump = (file: string): string => execFileSync('sqlite3', [file, '.dump'], { encoding: 'utf8', maxBuffer: 1e8 });
    writeFileSync(join(base, 'copy.sqlite3'), bytes);
    expect(dump(join(base, 'copy.sqlite3'))).toBe(dump(path));
    expect(facts).toMatchObject({ journalMode: mode, owner: { mode: 0o644, uid: process.getuid?.() } });
    expect(readdirSync(spool)).toEqual([]);
    database.close();
  },
);

test('rows that name rows which do not exist are told, and the copy is good', async () => {
  const database = create();
  database.exec('PRAGMA foreign_keys = 0; CREATE TABLE image (study INTEGER REFERENCES study (id)); INSERT INTO image VALUES (99999)');
  const { findings, facts } = await copied();
  expect(findings).toMatchObject([{ severity: 'warning', code: 'foreign-keys-violated' }]);
  expect(facts).toMatchObject({ foreignKeyViolations: 1, violatingTables: ['image'] });
  database.close();
});

test('a transaction that a crash left half done is rolled back in the copy, and the source is left as it was', async () => {
  create('delete').close();
  const crash = `
import { DatabaseSync } from 'node:sqlite';
const database = new DatabaseSync(process.argv[1]);
database.exec('PRAGMA cache_size = 5; BEGIN IMMEDIATE; UPDATE study SET note = hex(randomblob(300))');
process.kill(process.pid, 'SIGKILL');`;
  await once(spawn(process.execPath, ['--input-type=module', '-e', crash, path]), 'close');
  expect(readdirSync(base)).toContain('db.sqlite3-journal');
  const { findings, bytes } = await copied();
  expect(findings).toMatchObject([{ code: 'rolled-back' }]);
  expect(rowsIn(bytes)).toBe(2000);
  expect(readdirSync(base)).toContain('db.sqlite3-journal');
});

test.each([
  ['encrypted', () => writeFileSync(path, Buffer.alloc(8192, 0xa7)), /is no SQLite database: its header is damaged, or it is encrypted/],
  ['cut short', () => (create('delete').close(), execFileSync('truncate', ['-s', '20480', path])), /is corrupt/],
  [
    'scribbled over',
    () => (
      create('delete').close(),
      execFileSync('dd', ['if=/dev/urandom', `of=${path}`, 'bs=4096', 'seek=10', 'count=20', 'conv=notrunc', 'status=none'])
    ),
    /is corrupt/,
  ],
  ['missing', () => undefined, /cannot be read: it does not exist/],
])('one that is %s is refused with the reason', async (_, prepare, message) => {
  prepare();
  await expect(copied()).rejects.toMatchObject({ code: 'component-failed', message: expect.stringMatching(message) as string });
  expect(readdirSync(spool)).toEqual([]);
});

test('one that another program holds the whole time is told to be locked', async () => {
  const holder = create('delete');
  holder.exec('BEGIN EXCLUSIVE');
  await expect(copied()).rejects.toMatchObject({ code: 'component-failed', message: expect.stringContaining('is locked') as string });
  holder.close();
}, 60_000);

test('a cancelled copy ends its program and removes what it wrote', async () => {
  create().close();
  const stop = new AbortController();
  const copying = copySqlite(path, spool, () => undefined, stop.signal);
  stop.abort(new Error('enough'));
  await expect(copying).rejects.toThrow('enough');
  expect(readdirSync(spool)).toEqual([]);
});

test.runIf(process.getuid?.() === 0)('one that may not be read says who may', async () => {
  create().close();
  chmodSync(base, 0o755);
  chmodSync(path, 0o600);
  const program = `
import { copySqlite } from ${JSON.stringify(join(import.meta.dirname, '../../src/host/sqlite-copy.ts'))};
process.setuid(65534);
await copySqlite(${JSON.stringify(path)}, ${JSON.stringify(spool)}, () => {}, new AbortController().signal).catch((error) => console.log(error.code, error.message, error.hint));`;
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(said).toContain('component-failed');
  expect(said).toContain('run with sudo');
});
