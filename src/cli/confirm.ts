import { McadsError } from '../errors.ts';
import type { CommandContext } from './context.ts';

/** Asks; --yes answers. Rejects `cancelled` for no, `usage` where nobody can be asked. */
export async function confirm(context: CommandContext, question: string): Promise<void> {
  if (context.options.flag('yes')) return;
  if (context.io.stdin.isTTY !== true || context.io.stderr.isTTY !== true || context.json) {
    throw new McadsError('usage', `${question} needs an answer, and there is no terminal to ask on`, { hint: 'pass --yes' });
  }
  const prompts = await import('@clack/prompts');
  const answer = await prompts.confirm({
    message: question,
    initialValue: false,
    input: context.io.stdin,
    output: context.io.stderr,
    signal: context.signal,
  });
  if (answer !== true) throw new McadsError('cancelled', 'cancelled by answer; nothing was changed');
}
