import type { Where } from '../domain/compose-model.ts';
import { McadsError } from '../errors.ts';

/** One thing that Compose would refuse as well. */
export interface Problem {
  readonly where: Where | null;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** `file:line:column`; only the file where the line is not known. */
export function formatWhere(where: Where): string {
  return where.line === 0 ? where.file : `${where.file}:${where.line}:${where.column}`;
}

/** One error for everything that is wrong: the first problem leads, the others follow a line each. */
export function configError(problems: readonly Problem[], cause?: unknown): McadsError {
  const [first] = problems;
  if (first === undefined) throw new RangeError('an error needs a problem');
  const unique = [...new Set(problems.map(describe))];
  const shown = unique.slice(0, 20);
  if (unique.length > shown.length) shown.push(`and ${unique.length - shown.length} more`);
  return new McadsError('config', shown.join('\n'), {
    where: first.where === null ? undefined : formatWhere(first.where),
    hint: first.hint,
    cause,
  });
}

/** Stops loading with a single problem. */
export function refuse(where: Where | null, message: string, hint?: string): never {
  throw configError([{ where, message, hint }]);
}

/** Stops loading if anything was found wrong so far. */
export function assertNoProblems(problems: readonly Problem[]): void {
  if (problems.length > 0) throw configError(problems);
}

function describe(problem: Problem): string {
  return problem.where === null ? problem.message : `${formatWhere(problem.where)}: ${problem.message}`;
}

/** `services.web.ports[1]` */
export function pathText(path: readonly string[]): string {
  return path.length === 0 ? 'top level' : path.join('.').replace(/\.(\d+)(?=\.|$)/g, '[$1]');
}
