import type { JsonValue, Verdict } from '../../domain/byte-stream.ts';
import type { Finding } from '../../domain/finding.ts';
import type { CapturedDump, DatabaseIo, DatabaseTarget } from '../../domain/database-ports.ts';
import type { ExecHandle } from '../../domain/ports.ts';
import { McadsError } from '../../errors.ts';
import { failed, harmlessComplaints, isLockTimeout, lastWords, unknownComplaints } from './failures.ts';
import { dumpVersion, serverFacts } from './list.ts';
import { changedTables, countLive, type SnapshotTable } from './live-counts.ts';
import type { PostgresOptions } from './options.ts';
import type { PsqlSession } from './psql-session.ts';
import { ACCESS, DATABASE_PROPERTIES, EXPORT_SNAPSHOT, LOCK_HOLDERS, NO_TIMEOUTS, OBJECTS, TABLES } from './queries.ts';
import { applicationName, endDeadRuns, endOnServer } from './run-backends.ts';
import { connectTo, explained, openServer, openSession, toolOptions, type Server } from './server.ts';

/** What a run under way has: a session that holds the snapshot, and pg_dump reading through it. */
interface RunningDump {
  readonly server: Server;
  readonly database: string;
  readonly application: string;
  readonly holder: PsqlSession;
  readonly snapshot: Readonly<Record<string, JsonValue>>;
  readonly tables: readonly SnapshotTable[];
  readonly handle: ExecHandle;
  readonly output: AsyncIterator<Uint8Array>;
  readonly first: Uint8Array;
  readonly startedMs: number;
}

/** The attempt is over and a later one may succeed. */
class TryLater extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.name = 'TryLater';
    this.hint = hint;
  }
}

/**
 * `pg_dump -Fc -Z0` in the service's own container, reading a snapshot that another session exports and holds, so that rows can be
 * counted in the very same snapshot afterwards. Ends what dead runs of ours left on the server first. Resolves when bytes flow.
 */
export async function dumpDatabase(
  target: DatabaseTarget,
  database: string,
  io: DatabaseIo,
  options: PostgresOptions,
): Promise<CapturedDump> {
  try {
    const { server, session } = await openServer(target, io);
    try {
      await endDeadRuns(session, server);
      await session.end();
    } finally {
      await session[Symbol.asyncDispose]();
    }
    const version = await dumpVersion(server);
    const dump = await startPatiently(server, database, options);
    return { format: 'pgdump', stream: streamOf(dump, version, options) };
  } catch (error) {
    throw explained(error, target.service);
  }
}

async function startPatiently(server: Server, database: string, options: PostgresOptions): Promise<RunningDump> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(server, database, options);
    } catch (error) {
      if (!(error instanceof TryLater)) throw error;
      if (attempt >= options.lockAttempts) throw failed(server.target.service, `${error.message} (${attempt} attempts)`, error.hint, error);
      await pause(options.lockDelayMs * attempt, server.io.signal);
    }
  }
}

async function start(server: Server, database: string, options: PostgresOptions): Promise<RunningDump> {
  const { io, target } = server;
  const application = applicationName(io.runId);
  const holder = await openSession(server, database, application);
  try {
    await holder.query(NO_TIMEOUTS);
    await holder.query('set row_security = off');
    await holder.query('begin isolation level repeatable read read only');
    const snapshot = (await holder.json(EXPORT_SNAPSHOT)) as Readonly<Record<string, string>>; // the JSON that our own query builds
    holder.surviveErrors();
    const tables = (await holder.json(TABLES)) as readonly SnapshotTable[]; // as above
    const startedMs = performance.now();
    const argv = [
      'pg_dump',
      '-Fc',
      '-Z0',
      '--no-password',
      `--lock-wait-timeout=${options.lockTimeoutMs}`,
      `--snapshot=${snapshot['snapshot'] ?? ''}`,
      '-d',
      connectTo(server, database),
    ];
    // An empty encoding leaves pg_dump with the database's own.
    const handle = await io.engine.exec(target.container.id, argv, toolOptions(server, application, ''), io.signal);
    const output = handle.stdout[Symbol.asyncIterator]();
    const next = await output.next();
    if (next.done === true) throw await failedStart(handle, holder, server, database, options);
    const dump: RunningDump = { server, database, application, holder, snapshot, tables, handle, output, first: next.value, startedMs };
    // Its locks are held now: what changed before them may look empty to the snapshot.
    const changed = await changedTables(holder, tables);
    if (changed.length > 0) {
      await abandon(dump);
      throw new TryLater(`table ${changed[0]?.schema}.${changed[0]?.table} was truncated or rewritten while the dump of ${database} began`);
    }
    return dump;
  } catch (error) {
    await holder[Symbol.asyncDispose]();
    // A small archive's first byte comes at its end: pg_dump may be at work by now.
    await endOnServer(server, application);
    throw error;
  }
}

async function failedStart(
  handle: ExecHandle,
  holder: PsqlSession,
  server: Server,
  database: string,
  options: PostgresOptions,
): Promise<Error> {
  const exit = await handle.exit;
  if (/relation ".*" does not exist|could not open relation with OID/.test(exit.stderr))
    return new TryLater(`a table was dropped while the dump of ${database} began`);
  if (!isLockTimeout(exit.stderr)) return dumpFailed(server, database, exit.code, exit.stderr);
  const holders = (await holder.json(LOCK_HOLDERS)) as readonly LockHolder[]; // the JSON that our own query builds
  const table = /LOCK TABLE (?:ONLY )?(.*?)(?:,| IN ACCESS SHARE MODE)/.exec(exit.stderr)?.[1] ?? 'a table';
  const who = holders.map(
    (one) =>
      `process ${one.pid} of ${one.user}${one.application === '' ? '' : ` (${one.application})`}, ${one.state} since ${one.since}, on ${one.table}`,
  );
  return new TryLater(
    `database ${database} could not be dumped: ${table} stayed locked for ${options.lockTimeoutMs / 1000} s by ${who.length === 0 ? 'a session that has ended since' : who.join('; ')}`,
    'let that session finish, or end it with pg_terminate_backend',
  );
}

interface LockHolder {
  readonly pid: number;
  readonly user: string;
  readonly application: string;
  readonly state: string;
  readonly since: string;
  readonly table: string;
}

function streamOf(dump: RunningDump, version: string, options: PostgresOptions): CapturedDump['stream'] {
  const { signal } = dump.server.io;
  const verdict = Promise.withResolvers<Verdict>();
  verdict.promise.catch(() => undefined); // handed out for later
  let bytes = 0;
  let settled = false;
  const give = async (error: unknown): Promise<void> => {
    if (settled) return;
    settled = true;
    signal.removeEventListener('abort', onAbort);
    await abandon(dump);
    verdict.reject(explained(error, dump.server.target.service));
  };
  const onAbort = (): void => void give(signal.reason);
  signal.addEventListener('abort', onAbort);
  async function* body(): AsyncGenerator<Uint8Array> {
    let failure: unknown = new McadsError('cancelled', `the dump of ${dump.database} was not read to its end`);
    let ended = false;
    try {
      for (let next: IteratorResult<Uint8Array> = { done: false, value: dump.first }; next.done !== true; next = await dump.output.next()) {
        bytes += next.value.length;
        yield next.value;
      }
      ended = true;
    } catch (error) {
      failure = error;
      throw explained(error, dump.server.target.service);
    } finally {
      if (!ended) await give(failure);
    }
    settled = true;
    signal.removeEventListener('abort', onAbort);
    judge(dump, version, bytes, options).then(verdict.resolve, async (error: unknown) => {
      await abandon(dump);
      verdict.reject(explained(error, dump.server.target.service));
    });
  }
  return { body: body(), done: verdict.promise, givesPieces: true };
}

/** Everything that must be true before the bytes count: exit, stderr, the holder's life, the same container. */
async function judge(dump: RunningDump, version: string, bytes: number, options: PostgresOptions): Promise<Verdict> {
  const { server, database, holder, tables } = dump;
  const { target, io } = server;
  const dumpMs = performance.now() - dump.startedMs;
  const exit = await dump.handle.exit;
  if (exit.code !== 0) throw dumpFailed(server, database, exit.code, exit.stderr);
  const complaints = unknownComplaints(exit.stderr);
  if (complaints.length > 0) throw failed(target.service, `pg_dump of ${database} complained: ${complaints.slice(0, 3).join('; ')}`);
  if (bytes === 0) throw failed(target.service, `pg_dump of ${database} wrote nothing`);
  const subject = `database/${target.service}/${database}`;
  const counts = await countLive(holder, tables, Math.max(options.countFloorMs, dumpMs * options.countShare), subject);
  const objects = (await holder.json(OBJECTS)) as Readonly<Record<string, number>>; // the JSON that our own query builds
  const access = (await holder.json(ACCESS)) as Readonly<Record<string, number>>; // as above
  const properties = (await holder.json(DATABASE_PROPERTIES)) as Readonly<Record<string, JsonValue>>; // as above
  await holder.query('rollback');
  const end = await holder.end();
  if (end.code !== 0)
    throw failed(target.service, `the session holding the snapshot of ${database} ended with ${end.code}: ${lastWords(end.stderr)}`);
  const now = await io.engine.inspectContainer(target.container.id, io.signal);
  if (now.startedAt !== target.container.startedAt)
    throw failed(target.service, `the container ${now.name} was restarted while ${database} was dumped`, 'back up again');
  const warnings = harmlessComplaints(exit.stderr).map((message): Finding => ({
    severity: 'warning',
    code: 'pg-dump-warning',
    subject,
    message: message.trim(),
  }));
  return {
    findings: [...counts.findings, ...warnings],
    facts: {
      ...serverFacts(server, version, null),
      database,
      properties,
      snapshot: dump.snapshot,
      rowsLive: counts.rows,
      rowsNotCounted: counts.notCounted,
      objects,
      access,
      seconds: Math.round(dumpMs) / 1000,
      bytes,
    },
  };
}

function dumpFailed(server: Server, database: string, code: number, stderr: string): McadsError {
  const killed = code === 137 || code === 143;
  const reason = lastWords(stderr) || (killed ? 'it was killed' : `it ended with ${code}`);
  return failed(
    server.target.service,
    `pg_dump of ${database} failed: ${reason}${killed && !reason.includes('killed') ? ' (it was killed)' : ''}`,
    killed ? "the container's memory limit may be too small, or somebody ended the process" : undefined,
  );
}

/** Ends pg_dump and the holder through the server, because the engine cannot kill an exec. Not under the run's own, perhaps aborted, signal. */
async function abandon(dump: RunningDump): Promise<void> {
  await Promise.allSettled([dump.output.return?.(), dump.holder[Symbol.asyncDispose]()]); // their failures are told by `exit`
  await endOnServer(dump.server, dump.application);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const stop = (): void => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}
