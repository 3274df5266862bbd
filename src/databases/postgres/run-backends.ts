import { lastWords } from './failures.ts';
import { quoteLiteral } from '../../stream/sql-names.ts';
import type { PsqlSession } from './psql-session.ts';
import { endBackends, endOrphans } from './queries.ts';
import { openSession, type Server } from './server.ts';

/** Ends what runs under this application name through the server, because the engine cannot kill an exec. Not under the run's own, perhaps aborted, signal. */
export async function endOnServer(server: Server, application: string): Promise<void> {
  const undo: Server = { ...server, io: { ...server.io, signal: AbortSignal.timeout(20_000) } };
  try {
    await using session = await openSession(undo, server.maintenance, 'mcads');
    await session.query(endBackends(quoteLiteral(application)));
    await session.end();
  } catch (error) {
    server.io.warn({
      severity: 'info',
      code: 'dump-left-behind',
      subject: `service ${server.target.service}`,
      message: `could not tell the server to end what this run had under way (${error instanceof Error ? lastWords(error.message) : String(error)}); the next run does`,
    });
  }
}

/** Ends what runs of ours that died left on the server, and says so. */
export async function endDeadRuns(session: PsqlSession, server: Server): Promise<void> {
  const ended = (await session.json(
    endOrphans(quoteLiteral('mcads-%'), quoteLiteral(`${applicationPrefix(server.io.runId)}%`)),
  )) as readonly string[]; // the JSON that our own query builds
  if (ended.length === 0) return;
  server.io.warn({
    severity: 'warning',
    code: 'orphaned-dump',
    subject: `service ${server.target.service}`,
    message: `a dump of an earlier run that died was still running and was ended (${[...new Set(ended)].join(', ')})`,
  });
}

/** `pg_stat_activity` keeps 63 bytes. One per dump, so that ending one leaves its neighbours alone. */
export function applicationName(runId: string): string {
  return `${applicationPrefix(runId)}${crypto.randomUUID().slice(0, 8)}`;
}

/** All of one run's names begin so. */
export function applicationPrefix(runId: string): string {
  return `mcads-${runId.replaceAll(/[^A-Za-z0-9-]/g, '').slice(0, 40)}.`;
}
