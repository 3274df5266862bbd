import type { DatabaseIo, DatabaseSwap, DatabaseTarget } from '../../domain/database-ports.ts';
import { failed } from './failures.ts';
import { quoteIdentifier, quoteLiteral } from '../../stream/sql-names.ts';
import type { PsqlSession } from './psql-session.ts';
import { dropAnyDatabase, dropDatabase } from './restore-drop.ts';
import { assertNotPrepared, renameAtOnce, type Rename } from './restore-rename.ts';
import { underOwnSignal, withServer, withSession } from './restore-session.ts';
import { endSessions, endSessionsOf } from './restore-sessions-end.ts';
import { removeSpools } from './restore-spool.ts';
import { applicationPrefix } from './run-backends.ts';
import type { Server } from './server.ts';

/**
 * First line of the comment of a database that nothing was there for, before its own comment: the name that `kept` would have had follows, so that
 * going back is to drop it. A comment, because its owner may set that; a setting of its own takes a superuser.
 */
const MARK = 'mcads.kept=';

interface Present {
  readonly open: boolean;
  readonly comment: string | null;
}

/** Closes what is there, ends its sessions and renames all in one transaction. Rejects with everything as it was. */
export async function swapDatabases(target: DatabaseTarget, swaps: readonly DatabaseSwap[], io: DatabaseIo): Promise<void> {
  await elsewhere(target, swaps, io, async (server, session) => {
    const there = await look(session, swaps);
    for (const { temporary, kept, database } of swaps) {
      if (!there.has(temporary)) throw failed(target.service, `${temporary}, which was built for ${database}, is gone`);
      if (there.has(kept)) throw failed(target.service, `${kept} is there already`, 'an earlier restore was not undone: run recover');
    }
    const replaced = swaps.filter(({ database }) => there.has(database));
    await assertNotPrepared(
      server,
      session,
      replaced.map(({ database }) => database),
    );
    try {
      for (const { temporary, kept } of swaps.filter((one) => !replaced.includes(one)))
        await comment(session, temporary, `${MARK}${kept}\n${there.get(temporary)?.comment ?? ''}`);
      for (const { database } of replaced) await allowConnections(session, database, false);
      await renameAtOnce(server, session, [
        ...replaced.map(({ database, kept }): Rename => ({ from: database, to: kept })),
        ...swaps.map(({ database, temporary }): Rename => ({ from: temporary, to: database })),
      ]);
    } catch (error) {
      await reopen(server, replaced);
      throw error;
    }
  });
}

/** Back to before from every state that a swap or a build may have been left in; resolves with what was done. */
export async function revertDatabases(target: DatabaseTarget, swaps: readonly DatabaseSwap[], io: DatabaseIo): Promise<readonly string[]> {
  return elsewhere(target, swaps, io, async (server, session) => {
    const done: string[] = [];
    await endSessionsOf(session, applicationPrefix(io.runId));
    await removeSpools(target, io, server.facts.dataDirectory, server.osUser);
    const there = await look(session, swaps);
    const back = swaps.filter(({ kept }) => there.has(kept));
    const live = back.filter(({ database }) => there.has(database));
    await assertNotPrepared(
      server,
      session,
      back.flatMap(({ database, kept }) => [database, kept]),
    );
    try {
      for (const { database, temporary } of live) {
        // After a swap that name is free; if it is not, what has it is half of something.
        await dropDatabase(server, session, temporary);
        await allowConnections(session, database, false);
      }
      await renameAtOnce(server, session, [
        ...live.map(({ database, temporary }): Rename => ({ from: database, to: temporary })),
        ...back.map(({ database, kept }): Rename => ({ from: kept, to: database })),
      ]);
    } catch (error) {
      // Whoever uses what is there goes on with it until it can be put back.
      await reopen(server, live);
      throw error;
    }
    for (const { database } of back) done.push(`database ${database} of ${target.service} is the one from before the restore again`);
    for (const one of swaps) {
      const { database, temporary, kept } = one;
      const present = there.get(database);
      if (back.includes(one) || present?.open === false) await allowConnections(session, database, true);
      else if (present?.comment?.startsWith(`${MARK}${kept}\n`) === true) {
        await dropAnyDatabase(server, session, database);
        done.push(`removed database ${database} of ${target.service}, which was not there before`);
      }
      if (there.has(temporary)) done.push(`removed the half-built database ${database} of ${target.service}`);
      await dropDatabase(server, session, temporary);
    }
    return done;
  });
}

/** Drops what restores kept, for good; what the same restore brought back beside nothing is like any other database from then on. */
export async function dropDatabases(target: DatabaseTarget, databases: readonly string[], io: DatabaseIo): Promise<void> {
  await withServer(target, io, async (server, session) => {
    for (const database of databases) {
      await dropDatabase(server, session, database);
      for (const marked of await markedWith(session, database)) await comment(session, marked.name, marked.comment);
    }
  });
}

/** A session on a database that is none of those to be renamed. */
async function elsewhere<T>(
  target: DatabaseTarget,
  swaps: readonly DatabaseSwap[],
  io: DatabaseIo,
  work: (server: Server, session: PsqlSession) => Promise<T>,
): Promise<T> {
  return withServer(target, io, async (server, session) => {
    if (!swaps.some(({ database }) => database === server.maintenance)) return work(server, session);
    await session.end();
    const other = server.maintenance === 'template1' ? 'postgres' : 'template1';
    const moved = { ...server, maintenance: other };
    return withSession(moved, other, 'mcads', async (inside) => work(moved, inside));
  });
}

async function reopen(server: Server, swaps: readonly DatabaseSwap[]): Promise<void> {
  const own = underOwnSignal(server);
  // In a session of its own: the one at hand may be why it failed.
  await withSession(own, own.maintenance, 'mcads', async (session) => {
    const there = await look(session, swaps);
    for (const { database } of swaps) if (there.get(database)?.open === false) await allowConnections(session, database, true);
  });
}

async function allowConnections(session: PsqlSession, database: string, allowed: boolean): Promise<void> {
  await session.query(`alter database ${quoteIdentifier(database)} with allow_connections ${String(allowed)}`);
  if (!allowed) await endSessions(session, [database]);
}

/** The databases of these swaps that are there. */
/** What `DatabaseRestorer.present` promises. */
export async function presentDatabases(target: DatabaseTarget, databases: readonly string[], io: DatabaseIo): Promise<ReadonlySet<string>> {
  return withServer(target, io, async (_, session) => new Set((await lookFor(session, databases)).keys()));
}

async function look(session: PsqlSession, swaps: readonly DatabaseSwap[]): Promise<ReadonlyMap<string, Present>> {
  return lookFor(
    session,
    swaps.flatMap(({ database, temporary, kept }) => [database, temporary, kept]),
  );
}

async function lookFor(session: PsqlSession, databases: readonly string[]): Promise<ReadonlyMap<string, Present>> {
  const names = databases.map(quoteLiteral);
  if (names.length === 0) return new Map();
  const rows =
    (await session.json(`select coalesce(json_object_agg(datname, json_build_object('open', datallowconn, 'comment', shobj_description(d.oid, 'pg_database'))), '{}')
    from pg_database d where datname in (${names.join(', ')})`)) as Readonly<Record<string, Present>>; // the JSON that our own query builds
  return new Map(Object.entries(rows));
}

interface Marked {
  readonly name: string;
  /** Its own. */
  readonly comment: string;
}

async function markedWith(session: PsqlSession, kept: string): Promise<readonly Marked[]> {
  const mark = `${MARK}${kept}\n`;
  return (await session.json(`select coalesce(json_agg(json_build_object('name', datname, 'comment', substr(comment, length(${quoteLiteral(mark)}) + 1))), '[]')
    from (select datname, shobj_description(oid, 'pg_database') comment from pg_database) d
    where starts_with(comment, ${quoteLiteral(mark)})`)) as readonly Marked[]; // as above
}

/** An empty one is none. */
async function comment(session: PsqlSession, database: string, text: string): Promise<void> {
  await session.query(`comment on database ${quoteIdentifier(database)} is ${text === '' ? 'null' : quoteLiteral(text)}`);
}
