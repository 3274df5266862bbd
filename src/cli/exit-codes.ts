import type { ErrorCode } from '../errors.ts';
import { firstError, McadsError, messageOf } from '../errors.ts';

/** The exit codes and what they mean; printed by every command's `--help`. */
export const EXIT_MEANINGS = {
  0: 'done, nothing missing (warnings do not count, unless --strict)',
  1: 'unexpected failure, or nothing could be captured',
  2: 'usage or configuration: bad option, unknown setting, nothing found, foreign folder, confirmation needed',
  3: 'partial: a snapshot or a restore exists, but an error finding does too',
  4: 'status: a project is overdue, unproven or not all protected',
  10: 'repository or snapshot missing',
  11: 'locked by another run',
  12: 'wrong key',
  13: 'no permission, or a newer format',
  20: 'engine unreachable or lost',
  21: 'repository full, read-only or failing',
  30: 'integrity: damaged or missing data',
  40: 'proof failed: a check of a drill, or restored rows, files or services of a restore, which is undone',
  130: 'cancelled by answer or SIGINT, everything undone',
  143: 'cancelled by SIGTERM, everything undone',
} as const;

export type ExitCode = keyof typeof EXIT_MEANINGS;

export const ALL_EXITS = [0, 1, 2, 3, 4, 10, 11, 12, 13, 20, 21, 30, 40, 130, 143] as const satisfies readonly ExitCode[];

/** The one table from errors to exit codes. */
export function exitCodeOf(code: ErrorCode): ExitCode {
  switch (code) {
    case 'usage':
    case 'config':
    case 'nothing-found':
    case 'foreign-folder':
      return 2;
    case 'nothing-captured':
    case 'component-failed':
    case 'engine-failed':
    case 'unexpected':
      return 1;
    case 'no-repository':
    case 'no-snapshot':
      return 10;
    case 'locked':
      return 11;
    case 'wrong-key':
      return 12;
    case 'forbidden':
    case 'newer-format':
      return 13;
    case 'engine-unreachable':
    case 'engine-lost':
      return 20;
    case 'store-failed':
      return 21;
    case 'damaged':
      return 30;
    case 'proof-failed':
      return 40;
    case 'cancelled':
      return 130;
    case 'terminated':
      return 143;
  }
}

/**
 * Any thrown thing as our error. An abort becomes its signal's reason; what is not ours is a defect, kept as `cause`.
 */
export function toMcadsError(error: unknown, signal: AbortSignal): McadsError {
  if (signal.aborted && signal.reason instanceof McadsError && (error === signal.reason || isAbort(error))) return signal.reason;
  if (error instanceof McadsError) return error;
  if (error instanceof SuppressedError) return withLater(toMcadsError(firstError(error), signal), error);
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof Error && 'code' in error && typeof error.code === 'string' ? SURROUNDINGS[error.code] : undefined;
  if (hint !== undefined) return new McadsError('component-failed', message, { hint, cause: error });
  return new McadsError('unexpected', message, { cause: error });
}

/** What the machine refused, and no defect of ours. */
const SURROUNDINGS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk that this was to be written to is full (stdout may be one): make room there',
  EDQUOT: 'the quota of the disk that this was to be written to is used up: make room there',
  EROFS: 'what this was to be written to is read-only',
  EIO: 'the disk has a fault: see the kernel log (dmesg)',
  EMFILE: 'this process may not open more files: see `ulimit -n`',
  ENFILE: 'the machine has no more open files to give',
};

/** Undo errors are joined to the first one and never replace it. */
function withLater(first: McadsError, all: SuppressedError): McadsError {
  const later = laterErrors(all).filter((error) => error !== first);
  const hints = [first.hint, ...later.map((error) => (error instanceof McadsError ? error.hint : undefined))];
  return new McadsError(first.code, [first, ...later].map(messageOf).join('; then '), {
    hint: [...new Set(hints.filter((hint) => hint !== undefined))].join('\n') || undefined,
    where: first.where,
    context: first.context,
    cause: first.cause ?? all,
  });
}

function laterErrors(error: unknown): readonly unknown[] {
  return error instanceof SuppressedError ? [...laterErrors(error.suppressed), error.error] : [];
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || ('code' in error && error.code === 'ABORT_ERR'));
}
