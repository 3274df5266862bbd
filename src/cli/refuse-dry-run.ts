import { McadsError } from '../errors.ts';
import type { CommandContext } from './context.ts';

/** For commands that change something and cannot only say so: doing it all the same would break the option's promise. */
export function refuseDryRun(context: CommandContext, hint: string): void {
  if (context.options.flag('dryRun')) throw new McadsError('usage', `${context.name} has no --dry-run`, { hint });
}
