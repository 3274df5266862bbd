import { quoteLiteral } from '../../stream/sql-names.ts';
import type { PsqlSession } from './psql-session.ts';

/** `object_in_use`: somebody is still connected. */
export const IN_USE = '55006';

/**
 * Asks every session on these databases but this one to end. Not autovacuum's workers, which have no user: the server ends those itself where they are
 * in the way, and only a superuser may.
 */
export async function endSessions(session: PsqlSession, databases: readonly string[]): Promise<void> {
  if (databases.length === 0) return;
  const names = databases.map(quoteLiteral).join(', ');
  await session.query(
    `select count(pg_terminate_backend(pid)) from pg_stat_activity where datname in (${names}) and usesysid is not null and pid <> pg_backend_pid()`,
  );
}

/** Ends what a run has on the server, pg_restore and psql alike. */
export async function endSessionsOf(session: PsqlSession, applicationPrefix: string): Promise<void> {
  const like = quoteLiteral(`${applicationPrefix.replaceAll(/[\\%_]/g, (char) => `\\${char}`)}%`);
  await session.query(
    `select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name like ${like} and pid <> pg_backend_pid()`,
  );
}
