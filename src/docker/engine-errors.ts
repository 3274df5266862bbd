import { McadsError, messageOf, type ErrorCode } from '../errors.ts';
import { DEFAULT_SOCKET, type Endpoint } from './endpoint.ts';

/** Connection errors by Node's code: the engine is not there (any more). */
const GONE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/** The HTTP status of an engine's answer, null where the error is no answer. */
export function statusOf(error: unknown): number | null {
  const source = error instanceof McadsError ? error.cause : error;
  return source instanceof Error && 'statusCode' in source && typeof source.statusCode === 'number' ? source.statusCode : null;
}

export function isNotFound(error: unknown): boolean {
  return statusOf(error) === 404;
}

/** What the aborted signal stands for: its own McadsError, else `cancelled`. */
export function cancelled(signal: AbortSignal): McadsError {
  const reason: unknown = signal.reason;
  return reason instanceof McadsError ? reason : new McadsError('cancelled', 'cancelled', { cause: reason });
}

/**
 * The one place that turns what dockerode and Node throw into our errors.
 * `doing` says what failed, as in `creating an exec in db-1`.
 */
export function toEngineError(error: unknown, doing: string, endpoint: Endpoint, signal?: AbortSignal): McadsError {
  if (error instanceof McadsError) return error;
  if (signal?.aborted === true) return cancelled(signal);
  const status = statusOf(error);
  const code = codeOf(error);
  const text = messageOf(error)
    .replace(/^\(HTTP code \d+\) \S+ - /, '')
    .trim();
  const details = { cause: error, context: { endpoint: endpoint.printable, ...(status === null ? {} : { status }) } };
  if (status === 403) {
    return new McadsError('forbidden', `${endpoint.printable} forbids ${doing}`, { ...details, hint: proxyHint(doing) });
  }
  if (status !== null) return new McadsError('engine-failed', `${doing}: ${text}`, details);
  if (code !== null && GONE.has(code)) {
    return new McadsError('engine-lost', `the engine at ${endpoint.printable} was lost while ${doing} (${code})`, {
      ...details,
      hint: 'Is dockerd still running? `systemctl status docker` and its journal tell; then run the command again.',
    });
  }
  return new McadsError('engine-failed', `${doing}: ${text}`, details);
}

/** The same for the first contact, with the cure. */
export function toConnectError(error: unknown, endpoint: Endpoint, signal: AbortSignal): McadsError {
  if (signal.aborted) return cancelled(signal);
  const cause = error instanceof McadsError ? error.cause : error;
  // An answer, or an error of our own that no connection caused, is told as it is.
  if (error instanceof McadsError && (statusOf(cause) !== null || codeOf(cause) === null)) return error;
  const code = codeOf(cause);
  const unreachable: ErrorCode = 'engine-unreachable';
  const where = `${endpoint.printable} (${endpoint.from})`;
  if (code === 'EACCES' || code === 'EPERM') {
    return new McadsError(unreachable, `not allowed to open the engine's socket ${where}`, {
      cause,
      hint: 'Run with sudo, or add yourself to the group docker (`sudo usermod -aG docker $USER`, then log in again).',
    });
  }
  const chosen = endpoint.from === 'default socket' ? '' : ` The address comes from ${endpoint.from}: is it right?`;
  const why = code === 'ENOENT' ? 'the socket does not exist' : code === 'ECONNREFUSED' ? 'nobody listens there' : messageOf(cause);
  return new McadsError(unreachable, `the engine at ${where} does not answer: ${why}`, {
    cause,
    hint: `Is dockerd running (\`sudo systemctl start docker\`)?${chosen}${endpoint.kind === 'unix' && endpoint.socketPath === DEFAULT_SOCKET ? ' Another engine is chosen with --context or DOCKER_HOST.' : ''}`,
  });
}

function proxyHint(doing: string): string {
  const variables = /exec/.test(doing)
    ? 'POST=1 EXEC=1 ALLOW_EXEC=1'
    : /archive|file/.test(doing)
      ? 'CONTAINERS=1 ALLOW_ARCHIVE=1'
      : /volume/.test(doing)
        ? 'VOLUMES=1'
        : /network/.test(doing)
          ? 'NETWORKS=1'
          : /image/.test(doing)
            ? 'IMAGES=1 (and POST=1 to import one)'
            : /remov/.test(doing)
              ? 'DELETE=1'
              : /paus/.test(doing)
                ? 'POST=1 ALLOW_PAUSE=1 ALLOW_UNPAUSE=1'
                : /stop|start/.test(doing)
                  ? 'POST=1 ALLOW_START=1 ALLOW_STOP=1'
                  : /creat/.test(doing)
                    ? 'POST=1 CONTAINERS=1'
                    : 'CONTAINERS=1 VOLUMES=1 INFO=1 IMAGES=1 NETWORKS=1';
  return `Behind a docker-socket-proxy set ${variables} there.`;
}

function codeOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error instanceof AggregateError ? codeOf(error.errors[0]) : null;
}
