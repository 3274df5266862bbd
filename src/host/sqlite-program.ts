/**
 * Copies an SQLite database and proves the copy, in a process of its own: SQLite's calls block, and a process can be killed in the middle of one.
 * `copy SOURCE TARGET` and `check FILE`. Writes JSON lines: `{"copied": pages, "total": pages}` …, `{"facts": …}` or `{"problem": …}`.
 */
import { closeSync, copyFileSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { backup, DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';

/** How long a writer may hold the database before it counts as locked. */
const PATIENCE_MS = 15_000;
const PAGES_AT_A_TIME = 4096;
const MOST_PROBLEMS = 5;
const READONLY_ROLLBACK = 776;
const HEADER_BYTES = 100;
const READ_VERSION = 19;

interface Row {
  readonly [column: string]: string | number | bigint | null;
}

function say(line: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(line, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value))}\n`);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function rowsOf(database: DatabaseSync, sql: string): readonly Row[] {
  return database.prepare(sql).all() as unknown as readonly Row[]; // node:sqlite has no types for columns
}

function pragma(database: DatabaseSync, name: string): string | number | bigint | null {
  return Object.values(rowsOf(database, `PRAGMA ${name}`)[0] ?? {})[0] ?? null;
}

/** Rows of every table. Virtual tables are counted by the tables that hold their data; what needs a module that is not here likewise. */
function countRows(database: DatabaseSync): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  const tables = rowsOf(database, "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name");
  for (const { name } of tables) {
    const table = String(name);
    if (table === 'sqlite_stat1' || table === 'sqlite_stat4') continue;
    counts[table] = Number(rowsOf(database, `SELECT count(*) AS amount FROM ${quoted(table)}`)[0]?.['amount']);
  }
  return counts;
}

function factsOf(database: DatabaseSync): Readonly<Record<string, unknown>> {
  const violations = rowsOf(database, 'PRAGMA foreign_key_check');
  return {
    pageSize: pragma(database, 'page_size'),
    pages: pragma(database, 'page_count'),
    userVersion: pragma(database, 'user_version'),
    applicationId: pragma(database, 'application_id'),
    sqliteVersion: process.versions['sqlite'],
    foreignKeyViolations: violations.length,
    ...(violations.length === 0 ? {} : { violatingTables: [...new Set(violations.map(({ table }) => table))] }),
  };
}

/** By the header: one that is opened as immutable says `delete` whatever it is. */
function journalModeOf(file: string): 'wal' | 'delete' {
  const handle = openSync(file, 'r');
  const header = Buffer.alloc(HEADER_BYTES);
  readSync(handle, header, 0, HEADER_BYTES, 0);
  closeSync(handle);
  return header[READ_VERSION] === 2 ? 'wal' : 'delete';
}

/**
 * Throws with what SQLite says is wrong. Resolves with what could not be looked at, null where all was: an index on a function or a collation of the
 * application's own is known to the application alone, and no other program can check it.
 */
function assertIntact(database: DatabaseSync): string | null {
  let unknown: string | null = null;
  for (const check of ['integrity_check', 'quick_check']) {
    try {
      const problems = rowsOf(database, `PRAGMA ${check}(${MOST_PROBLEMS})`).map((row) => String(row[check]));
      if (problems.length !== 1 || problems[0] !== 'ok') throw new Error(`integrity_check: ${problems.join('; ')}`);
      return unknown;
    } catch (error) {
      const message = error instanceof Error ? error.message : '';
      if (!/^(?:unknown function|no such collation sequence)/.test(message)) throw error;
      unknown = message;
    }
  }
  return unknown;
}

/**
 * One read transaction for all of it: what is counted is what is copied, and a writer never makes the copy begin again. With a write-ahead log
 * writers go on meanwhile; without one they wait.
 */
async function copy(source: string, target: string): Promise<Readonly<Record<string, number>> | null> {
  const database = new DatabaseSync(source, { readOnly: true, timeout: PATIENCE_MS });
  database.exec('PRAGMA query_only = 1');
  database.exec('BEGIN');
  let rows: Readonly<Record<string, number>>;
  try {
    rows = countRows(database);
  } catch (error) {
    if (errcodeOf(error) !== READONLY_ROLLBACK) throw error;
    database.close();
    return null;
  }
  const began = performance.now();
  await backup(database, target, {
    rate: PAGES_AT_A_TIME,
    progress: ({ totalPages, remainingPages }) => say({ copied: totalPages - remainingPages, total: totalPages }),
  });
  const copySeconds = Math.round(performance.now() - began) / 1000;
  database.exec('COMMIT');
  database.close();
  say({ copySeconds });
  return rows;
}

/** A crash left a transaction half done, and only a writer may roll it back: that is done in a copy of both files. */
function copyAfterCrash(source: string, target: string): void {
  const states = (): string =>
    JSON.stringify([source, `${source}-journal`].map((path) => existsSync(path) && [statSync(path).size, statSync(path).mtimeMs]));
  const before = states();
  copyFileSync(source, target);
  copyFileSync(`${source}-journal`, `${target}-journal`);
  if (states() !== before) throw new Error('the database changed while what a crash left was copied; back up again');
  const database = new DatabaseSync(target);
  countRows(database);
  database.close();
}

async function copyAndCheck(source: string, target: string): Promise<void> {
  const rows = await copy(source, target);
  if (rows === null) copyAfterCrash(source, target);
  const { facts, rows: copied } = check(target);
  const wanted = rows ?? copied;
  const different = [...new Set([...Object.keys(wanted), ...Object.keys(copied)])].filter((table) => wanted[table] !== copied[table]);
  if (different.length > 0) throw new Error(`the copy has other rows than the source in ${different.slice(0, MOST_PROBLEMS).join(', ')}`);
  const { mode, uid, gid, mtimeMs } = statSync(source);
  const owner = { mode: mode & 0o7777, uid, gid, mtimeMs: Math.floor(mtimeMs) };
  say({ facts: { ...facts, rows: wanted, rolledBack: rows === null, owner } });
}

function check(file: string): { readonly facts: Readonly<Record<string, unknown>>; readonly rows: Readonly<Record<string, number>> } {
  // Nobody else has it: no -shm is made beside it.
  const url = pathToFileURL(file);
  url.searchParams.set('immutable', '1');
  const database = new DatabaseSync(url, { readOnly: true });
  try {
    const unchecked = assertIntact(database);
    const facts = { ...factsOf(database), journalMode: journalModeOf(file), ...(unchecked === null ? {} : { unchecked }) };
    return { facts, rows: countRows(database) };
  } finally {
    database.close();
  }
}

function errcodeOf(error: unknown): number {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : 0;
}

/** SQLite's codes in words of ours. */
function reasonOf(error: unknown): { readonly problem: string; readonly kind: string } {
  const code = errcodeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  switch (code & 0xff) {
    case 5:
    case 6:
      return { kind: 'locked', problem: message };
    case 26:
      return { kind: 'not-a-database', problem: message };
    case 11:
      return { kind: 'corrupt', problem: message };
    case 14:
    case 3:
    case 8: // the shared memory of a write-ahead log would have to be made
    case 23:
      return { kind: 'not-readable', problem: message };
    default:
      return { kind: message.startsWith('integrity_check') ? 'corrupt' : 'failed', problem: message };
  }
}

const [verb, first = '', second = ''] = process.argv.slice(2);
try {
  if (verb === 'copy') await copyAndCheck(first, second);
  else {
    const { facts, rows } = check(first);
    say({ facts: { ...facts, rows } });
  }
} catch (error) {
  say(reasonOf(error));
  process.exitCode = 1;
}
