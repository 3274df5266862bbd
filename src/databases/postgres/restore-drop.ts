import { failed } from './failures.ts';
import { quoteIdentifier, quoteLiteral } from '../../stream/sql-names.ts';
import { QueryError, type PsqlSession } from './psql-session.ts';
import { isRestoreName } from './restore-names.ts';
import { pause, run, withSession } from './restore-session.ts';
import { endSessions, IN_USE } from './restore-sessions-end.ts';
import type { Server } from './server.ts';

const ATTEMPTS = 10;

interface Dropped {
  readonly isTemplate: boolean;
  readonly subscriptions: number;
}

/** Drops a database that a restore made or keeps, whoever is connected to it; a missing one is no error. The session is on another database. */
export async function dropDatabase(server: Server, session: PsqlSession, name: string): Promise<void> {
  if (!isRestoreName(name)) throw failed(server.target.service, `database ${name} is not one that a restore made, so it is not dropped`);
  await dropAnyDatabase(server, session, name);
}

/** As `dropDatabase`, for one that the caller knows to be ours by other signs than its name. */
export async function dropAnyDatabase(server: Server, session: PsqlSession, name: string): Promise<void> {
  const { target, facts } = server;
  const found = (await session.json(lookAt(name))) as Dropped | null; // the JSON that our own query builds
  if (found === null) return;
  const quoted = quoteIdentifier(name);
  const what = `database ${name} could not be dropped`;
  if (found.isTemplate) await run(session, target.service, `alter database ${quoted} with is_template false`, what);
  if (found.subscriptions > 0) await dropSubscriptions(server, session, name);
  for (let attempt = 1; ; attempt += 1) {
    try {
      // By force takes a superuser while autovacuum is in it.
      if (facts.versionNum >= 130_000 && facts.isSuperuser) await session.query(`drop database if exists ${quoted} with (force)`);
      else {
        await session.query(`alter database ${quoted} with allow_connections false`);
        await endSessions(session, [name]);
        await session.query(`drop database if exists ${quoted}`);
      }
      return;
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      if (error.sqlState !== IN_USE || attempt >= ATTEMPTS) throw failed(target.service, `${what}: ${error.message}`, undefined, error);
    }
    await pause(100 * attempt, server.io.signal);
  }
}

/** Lets go of the publishers' slots: the restored database goes on with the same ones. */
async function dropSubscriptions(server: Server, session: PsqlSession, name: string): Promise<void> {
  await session.query(`alter database ${quoteIdentifier(name)} with allow_connections true connection limit -1`);
  await withSession(server, name, 'mcads', async (inside) => {
    const names = (await inside.json(
      'select json_agg(subname) from pg_subscription where subdbid = (select oid from pg_database where datname = current_database())',
    )) as readonly string[]; // the JSON that our own query builds
    for (const one of names.map(quoteIdentifier)) {
      await inside.query(`alter subscription ${one} disable`);
      await inside.query(`alter subscription ${one} set (slot_name = none)`);
      await inside.query(`drop subscription ${one}`);
    }
  });
}

function lookAt(name: string): string {
  return `select coalesce((select json_build_object('isTemplate', datistemplate,
  'subscriptions', (select count(*) from pg_subscription s where s.subdbid = d.oid)) from pg_database d where datname = ${quoteLiteral(name)}), 'null')`;
}
