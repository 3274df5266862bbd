import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { quoted } from '../report/backup-report.ts';
import type { CommandContext } from './context.ts';

/** How long a service that was stopped may take to become healthy again. */
export const HEALTH_TIMEOUT_MS = 120_000;

/** Components worked on at a time where nobody said how many. */
export function defaultJobs(): number {
  return Math.min(4, availableParallelism());
}

/** As the user called us, so that a line can be pasted. */
export function programName(environment: Readonly<Record<string, string | undefined>>): string {
  return environment['npm_command'] === 'exec' ? 'npx mcads-orchestrate' : 'mcads-orchestrate';
}

/** How the next command for the same project begins, wherever it is run. */
export function programHere({ io, options }: CommandContext): string {
  const directory = options.text('projectDirectory');
  const program = programName(io.environment);
  return directory === null ? program : `${program} --project-directory ${quoted(resolve(io.workingDirectory, directory))}`;
}
