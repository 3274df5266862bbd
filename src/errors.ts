/**
 * The one error family. A code says what kind of trouble it is; `src/cli/exit-codes.ts` maps codes to exit codes.
 * `message` says what happened to what; `hint` what to do next; `context` holds facts for the log, never secrets.
 */
export const ERROR_CODES = [
  'usage', // bad option, nothing matched, confirmation impossible
  'config', // wrong setting or Compose file
  'nothing-found', // this directory is no project
  'nothing-captured',
  'component-failed', // one component could not be captured; never stops the others
  'no-repository', // repository or snapshot missing
  'no-snapshot',
  'foreign-folder', // the path holds something that is not ours
  'locked',
  'wrong-key',
  'forbidden', // no permission
  'newer-format',
  'engine-unreachable',
  'engine-lost',
  'engine-failed', // the engine answered with an error
  'store-failed', // repository full, read-only or failing
  'damaged', // integrity: damaged or missing data
  'proof-failed',
  'cancelled', // by answer or SIGINT
  'terminated', // SIGTERM
  'unexpected',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export interface ErrorDetails {
  readonly hint?: string | undefined;
  /** `file:line:column` for configuration. */
  readonly where?: string | undefined;
  readonly context?: Readonly<Record<string, string | number | boolean>> | undefined;
  readonly cause?: unknown;
}

export class McadsError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly where: string | undefined;
  readonly context: Readonly<Record<string, string | number | boolean>>;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'McadsError';
    this.code = code;
    this.hint = details.hint;
    this.where = details.where;
    this.context = details.context ?? {};
  }
}

/** True for errors that stop a whole run; any other error only fails its component. */
export function stopsRun(error: unknown): boolean {
  const first = firstError(error);
  if (!(first instanceof McadsError)) return false;
  switch (first.code) {
    case 'cancelled':
    case 'terminated':
    case 'store-failed':
    case 'locked':
    case 'engine-unreachable':
    case 'engine-lost':
    case 'newer-format':
    case 'forbidden':
    case 'no-repository':
    case 'foreign-folder':
      return true;
    case 'usage':
    case 'config':
    case 'nothing-found':
    case 'nothing-captured':
    case 'component-failed':
    case 'no-snapshot':
    case 'wrong-key':
    case 'engine-failed':
    case 'damaged':
    case 'proof-failed':
    case 'unexpected':
      return false;
  }
}

/** What went wrong first: where undoing it (`await using`) went wrong too, the language hands out the later error around the first. */
export function firstError(error: unknown): unknown {
  return error instanceof SuppressedError ? firstError(error.suppressed) : error;
}

export function messageOf(error: unknown): string {
  if (error instanceof SuppressedError) return `${messageOf(error.suppressed)}; then ${messageOf(error.error)}`;
  return error instanceof Error ? error.message : String(error);
}
