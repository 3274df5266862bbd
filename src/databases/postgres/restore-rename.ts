import { failed } from './failures.ts';
import { quoteIdentifier, quoteLiteral } from '../../stream/sql-names.ts';
import { QueryError, type PsqlSession } from './psql-session.ts';
import { pause } from './restore-session.ts';
import { endSessions, IN_USE } from './restore-sessions-end.ts';
import type { Server } from './server.ts';

export interface Rename {
  readonly from: string;
  readonly to: string;
}

const ATTEMPTS = 20;
/** After so many attempts in which somebody else held the catalog, it is done without holding off new connections. */
const LOCKED_ATTEMPTS = 15;
const LONGEST_PAUSE_MS = 500;
/** `lock_not_available`, `deadlock_detected`, `object_in_use`: others are in the way for now. */
const PASSING: ReadonlySet<string> = new Set(['55P03', '40P01', IN_USE]);

/**
 * Renames databases in one transaction; the session is on none of them, and those that users know are closed.
 *
 * Decision: pg_database is locked for it. A client that has looked a name up and then waits for the rename is told that the database does not
 * exist; with the catalog locked it waits before it looks the name up, and finds the new one. Clients between the two are waited for.
 */
export async function renameAtOnce(server: Server, session: PsqlSession, renames: readonly Rename[]): Promise<void> {
  if (renames.length === 0) return;
  const databases = renames.map(({ from }) => from);
  await assertNotPrepared(server, session, databases);
  let reason = '';
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    await endSessions(session, databases);
    const why = await tryOnce(session, renames, server.facts.isSuperuser && attempt <= LOCKED_ATTEMPTS);
    if (why === null) return;
    reason = why;
    await pause(Math.min(20 * attempt, LONGEST_PAUSE_MS), server.io.signal);
  }
  throw failed(
    server.target.service,
    `the databases could not be swapped: ${reason}`,
    'look at pg_stat_activity and pg_prepared_xacts for who keeps using them',
  );
}

/** A prepared transaction holds its database until it is ended from inside: to be asked before that is closed. */
export async function assertNotPrepared(server: Server, session: PsqlSession, databases: readonly string[]): Promise<void> {
  if (databases.length === 0) return;
  const prepared = (await session.json(preparedIn(databases))) as number; // the JSON that our own query builds
  if (prepared === 0) return;
  throw failed(
    server.target.service,
    `the databases could not be swapped: ${prepared} prepared transactions hold them`,
    'look at pg_prepared_xacts, and commit or roll them back',
  );
}

/** Null when it is done, else who is in the way. Whatever happens, no transaction stays open. */
async function tryOnce(session: PsqlSession, renames: readonly Rename[], locked: boolean): Promise<string | null> {
  const databases = renames.map(({ from }) => from);
  await session.query('begin');
  try {
    // Shorter than deadlock_timeout, so that nobody else's session is chosen to fail.
    await session.query("set local lock_timeout = '200ms'");
    await session.query("set local idle_in_transaction_session_timeout = '15s'");
    if (locked) {
      await session.query('lock table pg_catalog.pg_database in access exclusive mode');
      await session.query('select pg_sleep(0.02)');
      const busy = (await session.json(usersOf(databases))) as number; // the JSON that our own query builds
      if (busy > 0) {
        await session.query('rollback');
        return `${busy} sessions are still using them`;
      }
    }
    for (const { from, to } of renames) await session.query(`alter database ${quoteIdentifier(from)} rename to ${quoteIdentifier(to)}`);
    await session.query('commit');
    return null;
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    await session.query('rollback');
    if (!PASSING.has(error.sqlState)) throw error;
    return error.message;
  }
}

function preparedIn(databases: readonly string[]): string {
  return `select to_json(count(*)) from pg_prepared_xacts where database in (${databases.map(quoteLiteral).join(', ')})`;
}

/** Sessions on these databases, and clients that are about to be. */
function usersOf(databases: readonly string[]): string {
  const names = databases.map(quoteLiteral).join(', ');
  return `select to_json((select count(*) from pg_stat_activity where datname in (${names}) and usesysid is not null)
  + (select count(*) from pg_locks l join pg_database d on d.oid = l.objid
     where l.locktype = 'object' and l.classid = 'pg_database'::regclass and d.datname in (${names}) and l.pid <> pg_backend_pid()))`;
}
