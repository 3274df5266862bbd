import type { DatabaseIo, DatabaseTarget } from '../../domain/database-ports.ts';
import { failed } from './failures.ts';
import { QueryError } from './psql-session.ts';
import { withServer, withSession } from './restore-session.ts';
import { applicationName } from './run-backends.ts';

/** What `DatabaseRestorer.ask` promises: in a transaction that only reads and is rolled back. */
export async function ask(target: DatabaseTarget, database: string, sql: string, io: DatabaseIo): Promise<readonly string[]> {
  return withServer(target, io, async (server) =>
    withSession(server, database, applicationName(io.runId), async (session) => {
      await session.query('begin transaction read only');
      try {
        return await session.query(sql.trim().replace(/;+$/, ''));
      } catch (error) {
        if (error instanceof QueryError) throw failed(target.service, `${database} answers: ${error.message}`, undefined, error);
        throw error;
      } finally {
        await session.query('rollback').catch((error: unknown) => {
          if (error instanceof QueryError) return;
          throw error;
        });
      }
    }),
  );
}
