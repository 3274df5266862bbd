import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { access, constants, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { isJsonObject, type ByteStream, type JsonObject, type JsonValue } from '../domain/byte-stream.ts';
import type { Finding } from '../domain/finding.ts';
import { McadsError } from '../errors.ts';
import { SQLITE_COMPANIONS } from './sqlite-files.ts';

const READ_BYTES = 1024 * 1024;

/**
 * A consistent copy of a database that others may be writing, made with SQLite's own online backup and checked before the first byte is handed
 * out: `integrity_check`, `foreign_key_check`, and the rows of every table against the source in the same read transaction. The copy lies in
 * the spool folder until the stream has ended. Rejects `component-failed`.
 */
export async function copySqlite(
  path: string,
  spoolDirectory: string,
  onCopied: (bytes: number) => void,
  signal: AbortSignal,
): Promise<ByteStream> {
  await access(path, constants.R_OK).catch((error: NodeJS.ErrnoException) => {
    throw new McadsError('component-failed', `${path} cannot be read: ${error.code === 'ENOENT' ? 'it does not exist' : error.message}`, {
      hint: error.code === 'EACCES' ? 'run with sudo, or as the user of the application' : undefined,
      cause: error,
    });
  });
  const copy = join(spoolDirectory, `sqlite-${randomBytes(6).toString('hex')}`);
  try {
    const facts = await runSqlite(['copy', path, copy], path, signal, onCopied);
    return { body: readAndRemove(copy), done: Promise.resolve({ facts: { ...facts, path }, findings: findingsOf(path, facts) }) };
  } catch (error) {
    await removeCopy(copy);
    throw error;
  }
}

/** Proves a file that nobody uses; resolves with its facts. Rejects `component-failed` where it is not intact. */
export async function checkSqlite(path: string, signal: AbortSignal): Promise<JsonObject> {
  return runSqlite(['check', path], path, signal, () => undefined);
}

async function runSqlite(
  args: readonly string[],
  path: string,
  signal: AbortSignal,
  onCopied: (bytes: number) => void,
): Promise<JsonObject> {
  signal.throwIfAborted();
  const program = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './sqlite-program.ts' : './sqlite-program.js', import.meta.url));
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' });
  child.on('error', () => undefined); // an abort is told by the signal, anything else by the missing facts
  const words = text(child.stderr);
  const closed = once(child, 'close').catch(() => undefined);
  let facts: JsonObject | null = null;
  let extra: JsonObject = {};
  let problem: { readonly kind: string; readonly words: string } | null = null;
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line) as JsonObject; // our own program's lines
    if (isJsonObject(said['facts'])) facts = said['facts'];
    else if (typeof said['problem'] === 'string')
      problem = { kind: typeof said['kind'] === 'string' ? said['kind'] : 'failed', words: said['problem'] };
    else if (typeof said['copied'] === 'number') onCopied(said['copied']);
    else extra = { ...extra, ...said };
  }
  await closed;
  signal.throwIfAborted();
  if (problem !== null) throw refused(path, problem.kind, problem.words);
  if (facts === null || child.exitCode !== 0) {
    // SQLite maps the file beside a database in WAL mode: on a full disk the kernel ends it there.
    const how =
      child.signalCode === null
        ? 'it ended early'
        : `the copy was ended by ${child.signalCode}${child.signalCode === 'SIGBUS' ? ' (is the disk full?)' : ''}`;
    throw refused(path, 'failed', (await words).trim().split('\n').at(-1) || how);
  }
  return { ...extra, ...facts };
}

function refused(path: string, kind: string, words: string): McadsError {
  const [message, hint] = explained(kind, words);
  return new McadsError('component-failed', `${path} ${message}`, { hint });
}

function explained(kind: string, words: string): readonly [string, string | undefined] {
  switch (kind) {
    case 'locked':
      return ['is locked: another program holds it the whole time', 'let that program finish its transaction, then back up again'];
    case 'not-a-database':
      return [
        'is no SQLite database: its header is damaged, or it is encrypted',
        'restore a damaged one from an older snapshot; an encrypted one needs the program that has its key',
      ];
    case 'corrupt':
      return [`is corrupt: ${words}`, 'restore it from an older snapshot, or save what is readable with `sqlite3 FILE .recover`'];
    case 'not-readable':
      return [
        `cannot be opened: ${words}`,
        'a database in WAL mode is read only by who may write its folder: run with sudo, or as the user of the application',
      ];
    default:
      return [`cannot be copied: ${words}`, undefined];
  }
}

function findingsOf(path: string, facts: JsonObject): readonly Finding[] {
  const findings: Finding[] = [];
  const violations = facts['foreignKeyViolations'];
  if (typeof violations === 'number' && violations > 0) {
    const tables: JsonValue | undefined = facts['violatingTables'];
    findings.push({
      severity: 'warning',
      code: 'foreign-keys-violated',
      subject: path,
      message: `${violations} rows of ${Array.isArray(tables) ? tables.join(', ') : 'it'} name rows that do not exist; the source has them too`,
    });
  }
  if (typeof facts['unchecked'] === 'string') {
    findings.push({
      severity: 'info',
      code: 'index-not-checked',
      subject: path,
      message: `an index needs what only the application has (${facts['unchecked']}): it is copied, and not checked; every row was counted`,
    });
  }
  if (facts['rolledBack'] === true) {
    findings.push({
      severity: 'warning',
      code: 'rolled-back',
      subject: path,
      message: 'a crash had left a transaction half done; it is rolled back in the copy, as SQLite would have done',
    });
  }
  return findings;
}

async function* readAndRemove(copy: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(copy, { highWaterMark: READ_BYTES }) as AsyncIterable<Buffer>; // without encoding
  } finally {
    await removeCopy(copy);
  }
}

async function removeCopy(copy: string): Promise<void> {
  for (const suffix of ['', ...SQLITE_COMPANIONS]) await rm(`${copy}${suffix}`, { force: true });
}
