import { McadsError, messageOf } from '../errors.ts';

/** What failed is tried again by `recover`; what is lost is not. */
export function explained(first: unknown, failed: readonly string[], lost: readonly string[]): unknown {
  const error = first instanceof McadsError ? first : new McadsError('unexpected', messageOf(first), { cause: first });
  const left = [...failed, ...lost];
  const rolledBack = left.length === 0;
  const message = rolledBack ? error.message : `${error.message}; and not everything could be brought back: ${left.join('; ')}`;
  const hint = [error.hint, failed.length === 0 ? undefined : '`mcads-orchestrate recover` tries again']
    .filter((one) => one !== undefined)
    .join('\n');
  return new McadsError(error.code, message, {
    hint: hint === '' ? undefined : hint,
    where: error.where,
    context: { ...error.context, rolledBack },
    cause: error.cause ?? error,
  });
}
