import type { DatabaseIo, DatabaseTarget } from '../../domain/database-ports.ts';
import type { ExecOptions } from '../../domain/ports.ts';
import type { Secret } from '../../domain/secret.ts';
import { McadsError, stopsRun } from '../../errors.ts';
import { credentialSources, resolveCredentials, type Credentials } from './credentials.ts';
import { explainConnectFailure, failed, lastWords } from './failures.ts';
import { connectionString } from '../../stream/sql-names.ts';
import { PsqlSession, QueryError, SESSION_ARGUMENTS, SessionEnded, SessionInput } from './psql-session.ts';
import { SERVER_FACTS } from './queries.ts';
import { isMissing, runTool } from './run-tool.ts';

export interface ServerFacts {
  readonly version: string;
  readonly versionNum: number;
  readonly inRecovery: boolean;
  readonly isSuperuser: boolean;
  /** Null where the user may not see it. */
  readonly dataDirectory: string | null;
  readonly listenAddresses: string;
  readonly listenAddressesFrom: string;
  readonly systemIdentifier: string | null;
}

/** A way in that was tried and works. */
export interface Server {
  readonly target: DatabaseTarget;
  readonly io: DatabaseIo;
  readonly credentials: Credentials;
  /** Socket directory inside the container, or 127.0.0.1. */
  readonly host: string;
  readonly port: number;
  /** The container's user to run tools as, where the server wants the names to match. */
  readonly osUser: string | null;
  /** The database for questions about the whole cluster. */
  readonly maintenance: string;
  readonly facts: ServerFacts;
}

type Way = Omit<Server, 'facts'>;

/** Finds a way in and asks for the server's facts; the session stays open on the maintenance database. Rejects `component-failed` with the reason. */
export async function openServer(
  target: DatabaseTarget,
  io: DatabaseIo,
): Promise<{ readonly server: Server; readonly session: PsqlSession }> {
  const { service } = target;
  if (target.container.state !== 'running') {
    throw failed(
      service,
      `the container ${target.container.name} is ${target.container.state}`,
      'start it, or fix why it does not run: docker compose logs',
    );
  }
  const credentials = await resolveCredentials(credentialSources(target), service, async (path) => readFileIn(target, path, io));
  const port = portOf(target);
  let way: Way = { target, io, credentials, host: '', port, osUser: null, maintenance: 'postgres' };
  let lastWord = '';
  for (const host of hostsOf(target)) {
    way = { ...way, host };
    // At most: another container user, another database.
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const session = await openSession(way, way.maintenance, 'mcads');
      try {
        const facts = serverFacts(await session.json(SERVER_FACTS));
        const server = { ...way, facts };
        await assertReady(server);
        return { server, session };
      } catch (error) {
        await session[Symbol.asyncDispose]();
        if (!(error instanceof SessionEnded)) throw explained(error, service);
        if (error.exit === null) throw failed(service, 'the connection to the container broke off', undefined, error);
        const failure = explainConnectFailure(error.exit.code, error.exit.stderr, {
          user: credentials.user,
          passwordFrom: target.container.reachedAt === undefined ? credentials.passwordFrom : credentials.passwordFrom && 'DATABASE_URL',
          onHost: target.container.reachedAt !== undefined,
        });
        lastWord = lastWords(error.exit.stderr);
        if (failure.kind === 'peer' && way.osUser === null) way = { ...way, osUser: credentials.user };
        else if (failure.kind === 'no-database' && way.maintenance === 'postgres') way = { ...way, maintenance: 'template1' };
        else if (failure.kind === 'final') throw failed(service, failure.reason, failure.hint, error);
        else break;
      }
    }
  }
  const { reachedAt, name } = target.container;
  throw reachedAt === undefined
    ? failed(
        service,
        `PostgreSQL does not answer on port ${port} inside ${name} (${lastWord})`,
        'look at its log; another port is named with mcads.postgres.port; a service that is only a client gets the label mcads.engine: none',
      )
    : failed(
        service,
        `PostgreSQL does not answer at ${name} (${lastWord})`,
        'check that it runs and that DATABASE_URL in .env is right, or leave the database out with --component',
      );
}

/** A psql on one database. `application` is what `pg_stat_activity` shows. */
export async function openSession(way: Way, database: string, application: string): Promise<PsqlSession> {
  const input = new SessionInput();
  const options = { ...toolOptions(way, application), input };
  const handle = await way.io.engine.exec(
    way.target.container.id,
    ['psql', ...SESSION_ARGUMENTS, '-d', connectTo(way, database)],
    options,
    way.io.signal,
  );
  return new PsqlSession(input, handle);
}

export function connectTo(way: Way, database: string): string {
  return connectionString({ dbname: database, host: way.host, port: way.port, user: way.credentials.user });
}

/** Environment and user of every client tool: the password goes here and nowhere else. */
export function toolOptions(way: Way, application: string, encoding = 'UTF8'): ExecOptions {
  const environment: Record<string, string | Secret> = {
    PGAPPNAME: application,
    PGCLIENTENCODING: encoding,
    PGCONNECT_TIMEOUT: '30',
    // A container's own settings for its clients must not lead us elsewhere.
    PGHOSTADDR: '',
    PGOPTIONS: '',
    PGSSLMODE: way.target.container.reachedAt?.sslMode ?? 'prefer',
    PGTZ: 'UTC',
    LC_ALL: 'C',
  };
  if (way.credentials.password !== null) environment['PGPASSWORD'] = way.credentials.password;
  return way.osUser === null ? { environment } : { environment, user: way.osUser };
}

/** `McadsError`s and what stops a run pass; anything else becomes this component's failure. */
export function explained(error: unknown, service: string): unknown {
  if (error instanceof McadsError)
    return stopsRun(error) || error.code === 'component-failed' ? error : failed(service, error.message, error.hint, error);
  if (error instanceof QueryError) return failed(service, error.message, hintFor(error), error);
  if (error instanceof SessionEnded) return failed(service, lastWords(error.exit?.stderr ?? '') || error.message, undefined, error);
  return error;
}

function hintFor({ sqlState, message }: QueryError): string | undefined {
  if (sqlState !== '42501' || !/terminate|member of the role whose process/.test(message)) return undefined;
  return 'others are connected to it: let them disconnect, or let the user end them, as a superuser: grant pg_signal_backend to …';
}

/** While the official entrypoint initialises, its temporary server answers on the socket only: a dump of that would be half a database. */
async function assertReady(server: Server): Promise<void> {
  const { target, io, facts } = server;
  const ready = await runTool(
    io,
    target.container.id,
    ['pg_isready', '-h', readinessHost(target), '-p', String(server.port), '-t', '5'],
    toolOptions(server, 'mcads'),
  );
  if (ready.code === 0 || isMissing(ready.code)) return;
  if (
    facts.listenAddresses === '' &&
    facts.listenAddressesFrom === 'command line' &&
    !target.container.command.join(' ').includes('listen_addresses')
  ) {
    throw failed(target.service, 'the server is still in its first initialisation', 'try again when the container is ready');
  }
  if (ready.code === 1) throw failed(target.service, 'the server does not accept connections yet', 'try again when it is ready');
}

/** Where a server listens that takes connections for good. */
export function readinessHost({ container }: DatabaseTarget): string {
  return container.reachedAt?.host ?? '127.0.0.1';
}

function hostsOf(target: DatabaseTarget): readonly string[] {
  const { reachedAt } = target.container;
  if (reachedAt !== undefined) return [reachedAt.host];
  const told = target.container.environment['PGHOST'] ?? '';
  const directories = [...(told.startsWith('/') ? [told] : []), '/var/run/postgresql', '/tmp', '127.0.0.1'];
  return [...new Set(directories)];
}

/** Where the server listens, as settings, command line and environment say. */
export function portOf(target: DatabaseTarget): number {
  const { reachedAt } = target.container;
  if (reachedAt !== undefined) return reachedAt.port;
  if (target.settings.postgres.port !== null) return target.settings.postgres.port;
  const command = target.container.command.join(' ');
  const flag = /(?:^|\s)(?:-p\s*|--port=|-c\s*port=)(\d+)/.exec(command)?.[1];
  const { environment } = target.container;
  const port = Number(flag ?? environment['PGPORT'] ?? environment['POSTGRESQL_PORT_NUMBER'] ?? 5432);
  return Number.isInteger(port) && port > 0 && port < 65536 ? port : 5432;
}

async function readFileIn(target: DatabaseTarget, path: string, io: DatabaseIo): Promise<string | null> {
  const result = await runTool(io, target.container.id, ['cat', '--', path]);
  if (result.code === 0) return result.stdout;
  if (/No such file/.test(result.stderr)) return null;
  throw failed(target.service, `${path} cannot be read in the container: ${result.stderr.trim()}`);
}

function serverFacts(value: unknown): ServerFacts {
  return value as ServerFacts; // the JSON that our own query builds
}
