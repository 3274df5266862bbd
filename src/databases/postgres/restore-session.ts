import { setTimeout as delay } from 'node:timers/promises';
import type { DatabaseIo, DatabaseTarget } from '../../domain/database-ports.ts';
import { McadsError, stopsRun } from '../../errors.ts';
import { failed } from './failures.ts';
import { QueryError, type PsqlSession } from './psql-session.ts';
import { NO_TIMEOUTS } from './queries.ts';
import { explained, openServer, openSession, type Server } from './server.ts';

/** A server with a session on its maintenance database for as long as the work takes; errors are this service's. */
export async function withServer<T>(
  target: DatabaseTarget,
  io: DatabaseIo,
  work: (server: Server, session: PsqlSession) => Promise<T>,
): Promise<T> {
  try {
    const { server, session } = await openServer(target, io);
    try {
      await prepare(session);
      const result = await work(server, session);
      await session.end();
      return result;
    } finally {
      await session[Symbol.asyncDispose]();
    }
  } catch (error) {
    throw told(error, target.service);
  }
}

/** A session on one database, free of the settings that databases and roles may carry. */
export async function withSession<T>(
  server: Server,
  database: string,
  application: string,
  work: (session: PsqlSession) => Promise<T>,
): Promise<T> {
  const session = await openSession(server, database, application);
  try {
    await prepare(session);
    const result = await work(session);
    await session.end();
    return result;
  } finally {
    await session[Symbol.asyncDispose]();
  }
}

async function prepare(session: PsqlSession): Promise<void> {
  await session.query('set default_transaction_read_only = off');
  await session.query(NO_TIMEOUTS);
  await session.query('set row_security = off');
}

export function told(error: unknown, service: string): unknown {
  return error instanceof McadsError && (stopsRun(error) || error.code === 'proof-failed') ? error : explained(error, service);
}

/** The same server under a time limit of its own: what is undone must go on when the run was cancelled. */
export function underOwnSignal(server: Server, ms = 120_000): Server {
  return { ...server, io: { ...server.io, signal: AbortSignal.timeout(ms) } };
}

/** Runs one statement; what the server refuses is told as `what` and why. */
export async function run(session: PsqlSession, service: string, sql: string, what: string, hint?: string): Promise<void> {
  try {
    await session.query(sql);
  } catch (error) {
    if (error instanceof QueryError) throw failed(service, `${what}: ${error.message}`, hint, error);
    throw error;
  }
}

export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}
