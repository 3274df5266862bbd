import { McadsError } from '../../errors.ts';

/** What a client tool's stderr means for connecting. `absent`: nothing listens at this address, try the next one. */
export type ConnectFailure =
  | { readonly kind: 'absent' }
  | { readonly kind: 'peer' }
  | { readonly kind: 'no-database' }
  | { readonly kind: 'final'; readonly reason: string; readonly hint?: string };

export interface ConnectContext {
  readonly user: string;
  readonly passwordFrom: string | null;
  /** The clients are this machine's, the way in is `DATABASE_URL`. */
  readonly onHost?: boolean;
}

const SET_URL = 'put the right one into DATABASE_URL in .env';
const SET_PASSWORD = 'label the service with mcads.postgres.passwordFile: <path in the container> (and mcads.postgres.user)';

export function explainConnectFailure(code: number, stderr: string, context: ConnectContext): ConnectFailure {
  const { user, passwordFrom, onHost = false } = context;
  const setPassword = onHost ? SET_URL : SET_PASSWORD;
  const has = (pattern: RegExp): boolean => pattern.test(stderr);
  const final = (reason: string, hint?: string): ConnectFailure =>
    hint === undefined ? { kind: 'final', reason } : { kind: 'final', reason, hint };
  if (code === 126 || code === 127) {
    return onHost
      ? final('psql is not installed on this machine', "install PostgreSQL's client programs (Debian: postgresql-client)")
      : final('its image has no psql that can be run', 'an image of PostgreSQL is needed; mcads.engine: none captures the volume instead');
  }
  if (has(/the database system is starting up|not yet accepting connections/))
    return final('the server is still starting up', 'try again when it is ready');
  if (has(/the database system is shutting down/)) return final('the server is shutting down');
  if (has(/the database system is in recovery mode/))
    return final('the server is recovering from a crash', 'try again when it is ready, and look at its log');
  if (has(/too many clients already|remaining connection slots are reserved|too many connections/)) {
    return final(
      'the server accepts no more connections (max_connections or a connection limit is reached)',
      'try again with fewer clients, or raise the limit',
    );
  }
  if (has(/Peer authentication failed/)) {
    return onHost
      ? final(
          `the server lets ${user} in only as the system's user ${user} (peer authentication)`,
          'run this as that user, or name a host and a password in DATABASE_URL',
        )
      : { kind: 'peer' };
  }
  if (has(/password authentication failed|SASL authentication failed/)) {
    return final(
      `the server refused user ${user}: ${passwordFrom === null ? 'it wants a password' : `the password from ${passwordFrom} is wrong`}`,
      passwordFrom === null || onHost ? setPassword : `the password may have been changed since the first start; ${setPassword}`,
    );
  }
  if (has(/no password supplied|empty password/))
    return final(`the server wants a password for user ${user} and none is known`, setPassword);
  if (has(/no pg_hba\.conf entry/))
    return final(`pg_hba.conf lets user ${user} in by no way that was tried`, 'allow local connections for this user');
  if (has(/role ".*" does not exist/s))
    return final(
      `there is no user ${user}`,
      onHost ? SET_URL : 'name the superuser with mcads.postgres.user; a service that is only a client gets the label mcads.engine: none',
    );
  if (has(/database ".*" does not exist|is not currently accepting connections/s)) return { kind: 'no-database' };
  if (has(/No such file or directory|Connection refused|could not connect to server|Is the server running/)) return { kind: 'absent' };
  return final(lastWords(stderr) || howItEnded('psql', code));
}

/** For a program that said nothing. 137 and 143 are SIGKILL and SIGTERM: mostly its container was stopped or removed. */
export function howItEnded(program: string, code: number): string {
  const killed = code === 137 || code === 143;
  return killed ? `${program} was killed, as it is where its container is stopped or removed` : `${program} ended with ${code}`;
}

/** The line of stderr that says most: the first error, else the last line. */
export function lastWords(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  const error = lines.find((line) => /error:|FATAL:|ERROR:|PANIC:/.test(line));
  return (error ?? lines.at(-1) ?? '').replace(/^(pg_dump|pg_dumpall|pg_restore|psql): (error: )?/, '').trim();
}

/** pg_dump waits for locks under a statement timeout. */
export function isLockTimeout(stderr: string): boolean {
  return /canceling statement due to (lock|statement) timeout|could not obtain lock/.test(stderr);
}

/** Lines of a successful tool's stderr that say something is wrong and that are not known to be harmless for a full dump. */
export function unknownComplaints(stderr: string): readonly string[] {
  return stderr
    .split('\n')
    .filter((line) => /(^|\s)(error|warning|fatal|panic):/i.test(line) && !HARMLESS.some((pattern) => pattern.test(line)));
}

/** Complaints that do not touch what a full dump holds, to be passed on as warnings. */
export function harmlessComplaints(stderr: string): readonly string[] {
  return stderr.split('\n').filter((line) => HARMLESS.some((pattern) => pattern.test(line)));
}

const HARMLESS: readonly RegExp[] = [
  // Matters for data-only dumps: a full one adds foreign keys after the data.
  /there are circular foreign-key constraints/,
  // The server's word on every connection after its image's C library changed; a logical dump restores sound indexes.
  /collation version mismatch/,
];

export function failed(service: string, reason: string, hint?: string, cause?: unknown): McadsError {
  return new McadsError('component-failed', `service ${service}: ${reason}`, { hint, cause });
}
