import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { Client } from 'pg';
import type { ByteStream, JsonValue, Verdict } from '../domain/byte-stream.ts';
import type { Finding } from '../domain/finding.ts';
import type { HostServerDatabase } from '../domain/host.ts';
import { McadsError, messageOf } from '../errors.ts';
import { qualifiedName, quoteIdentifier } from '../stream/sql-names.ts';
import { withoutLibpq } from './local-exec.ts';

const CONNECT_TIMEOUT_MS = 15_000;

/** Tables whose rows pg_dump writes: no members of extensions. */
const TABLES = `select n.nspname as schema, c.relname as table from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and c.relpersistence in ('p', 'u') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e') order by 1, 2`;

/**
 * `pg_dump -Fc -Z0` by the local client, reading a snapshot that our own session exports and holds, so that the rows of every table are counted
 * in the very same snapshot and the database is described as `queries` ask. The archive goes through `pg_restore` on its way: it counts only when that
 * has read all of it.
 */
export async function dumpPostgres(
  server: HostServerDatabase,
  queries: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<ByteStream> {
  const client = await connect(server);
  try {
    await client.query(
      "select set_config(name, '0', false) from pg_settings where name in ('statement_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout')",
    );
    await client.query('begin isolation level repeatable read read only');
    const { snapshot, version, number } = await one(
      client,
      "select pg_export_snapshot() as snapshot, current_setting('server_version') as version, current_setting('server_version_num') as number",
    );
    const rights = await one(client, `select (rolcreatedb or rolsuper)::text as "mayCreate" from pg_roles where rolname = current_user`);
    const rowsLive = await countRows(client);
    const described: Record<string, JsonValue> = {};
    for (const [fact, sql] of Object.entries(queries)) described[fact] = await jsonOf(client, sql);
    const dump = start('pg_dump', ['-Fc', '-Z0', '--no-password', `--snapshot=${snapshot}`], server, signal);
    const check = start('pg_restore', ['-f', '/dev/null'], null, signal);
    return streamOf(
      dump,
      check,
      client,
      {
        ...described,
        engine: 'postgres',
        rowsLive,
        database: server.database,
        host: server.host,
        port: server.port,
        user: server.user,
        serverVersion: version ?? '',
        serverVersionNum: Number(number),
      },
      rights['mayCreate'] === 'true' ? [] : [mayNotCreate(server)],
      signal,
    );
  } catch (error) {
    await client.end().catch(() => undefined);
    throw failed(server, error);
  }
}

async function connect(server: HostServerDatabase): Promise<Client> {
  const { default: pg } = await import('pg'); // most hosts have SQLite
  const { host, port, user, database, password, parameters } = server;
  const sslmode = parameters['sslmode'];
  const client = new pg.Client({
    host,
    port,
    user,
    database,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: 'mcads-orchestrate',
    ...(password === null ? {} : { password: password.reveal() }),
    ...(sslmode === 'require' || sslmode === 'verify-ca' || sslmode === 'verify-full'
      ? { ssl: { rejectUnauthorized: sslmode !== 'require' } }
      : {}),
  });
  client.on('error', () => undefined); // a connection that is lost fails the next query
  try {
    await client.connect();
  } catch (error) {
    throw failed(server, error);
  }
  return client;
}

async function countRows(client: Client): Promise<Readonly<Record<string, number>>> {
  const { rows: tables } = await client.query<{ schema: string; table: string }>(TABLES);
  const counts: Record<string, number> = {};
  for (const { schema, table } of tables) {
    const name = [schema, table].map(quoteIdentifier).join('.');
    counts[qualifiedName(schema, table)] = Number((await one(client, `select count(*)::text as amount from only ${name}`))['amount']);
  }
  return counts;
}

async function one(client: Client, sql: string): Promise<Readonly<Record<string, string>>> {
  const { rows } = await client.query<Record<string, string>>(sql);
  return rows[0] ?? {};
}

/** The one value of a query that gives JSON, parsed by the driver. */
async function jsonOf(client: Client, sql: string): Promise<JsonValue> {
  const { rows } = await client.query<[JsonValue]>({ text: sql, rowMode: 'array' });
  return rows[0]?.[0] ?? null;
}

interface Running {
  readonly child: ChildProcess;
  /** Exit code (null: killed or not started) and the last words. */
  readonly end: Promise<{ readonly code: number | null; readonly words: string }>;
}

/** The password goes through the environment, which only we and root may read. */
function start(program: string, args: readonly string[], server: HostServerDatabase | null, signal: AbortSignal): Running {
  const connection: Record<string, string> = {};
  if (server !== null) {
    Object.assign(connection, { PGHOST: server.host, PGPORT: String(server.port), PGUSER: server.user, PGDATABASE: server.database });
    if (server.password !== null) connection['PGPASSWORD'] = server.password.reveal();
    if (server.parameters['sslmode'] !== undefined) connection['PGSSLMODE'] = server.parameters['sslmode'];
  }
  const child = spawn(program, args, {
    stdio: [server === null ? 'pipe' : 'ignore', server === null ? 'ignore' : 'pipe', 'pipe'],
    signal,
    env: { ...withoutLibpq(process.env), LC_ALL: 'C', ...connection },
  });
  let missing = false;
  child.on('error', (error: NodeJS.ErrnoException) => (missing ||= error.code === 'ENOENT'));
  child.stdout?.on('readable', () => undefined); // read later: nothing of it may be thrown away at its end
  child.stdin?.on('error', () => undefined); // it ended first: its words say why
  const words = child.stderr === null ? Promise.resolve('') : text(child.stderr);
  const end = once(child, 'close')
    .catch(() => undefined)
    .then(async () => ({ code: child.exitCode, words: missing ? `${program} is not installed` : (await words).trim() }));
  return { child, end };
}

function streamOf(
  dump: Running,
  check: Running,
  client: Client,
  facts: Readonly<Record<string, JsonValue>>,
  findings: readonly Finding[],
  signal: AbortSignal,
): ByteStream {
  const verdict = Promise.withResolvers<Verdict>();
  verdict.promise.catch(() => undefined); // handed out for later
  async function* body(): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    let ended = false;
    try {
      if (dump.child.stdout !== null) {
        for await (const piece of dump.child.stdout as AsyncIterable<Buffer>) {
          bytes += piece.length;
          if (check.child.stdin?.write(piece) === false) await Promise.race([once(check.child.stdin, 'drain'), check.end]);
          yield piece;
        }
      }
      ended = true;
    } finally {
      if (!ended) for (const { child } of [dump, check]) child.kill('SIGKILL');
      check.child.stdin?.end();
      const [dumped, checked] = await Promise.all([dump.end, check.end]);
      await client.end().catch(() => undefined);
      if (signal.aborted) verdict.reject(signal.reason);
      else if (!ended) verdict.reject(new McadsError('component-failed', 'the dump was not read to its end'));
      else if (dumped.code !== 0 || bytes === 0)
        verdict.reject(new McadsError('component-failed', `pg_dump failed: ${dumped.words || `it ended with ${dumped.code}`}`));
      else if (checked.code !== 0)
        verdict.reject(
          new McadsError('component-failed', `the dump cannot be read again: ${checked.words || `pg_restore ended with ${checked.code}`}`),
        );
      else verdict.resolve({ facts: { ...facts, bytes }, findings });
    }
  }
  return { body: body(), done: verdict.promise };
}

/** Said while there is time to grant it. */
function mayNotCreate({ id, user }: HostServerDatabase): Finding {
  return {
    severity: 'info',
    code: 'restore-lacks-right',
    subject: id,
    message: `user ${user} may not create databases, which a restore of this one needs`,
    hint: `as a superuser of the server: alter role ${quoteIdentifier(user)} createdb`,
  };
}

function failed({ host, port, database }: HostServerDatabase, error: unknown): unknown {
  if (error instanceof McadsError) return error;
  return new McadsError('component-failed', `database ${database} at ${host}:${port} cannot be dumped: ${messageOf(error)}`, {
    hint: 'check that the server runs and that DATABASE_URL in .env is right',
    cause: error,
  });
}
