import { McadsError } from '../errors.ts';
import { quoted } from '../report/backup-report.ts';
import { printable } from '../report/escape.ts';
import type { CommandContext } from './context.ts';
import { programName } from './run-defaults.ts';

/** Asks; --yes answers. Rejects `cancelled` for no, `usage` where nobody can be asked. */
export async function confirm(context: CommandContext, question: string): Promise<void> {
  if (context.options.flag('yes')) return;
  assertTerminal(context, question, 'pass --yes');
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

/**
 * For what cannot be taken back by a slip of the finger: shows a summary and wants a name typed. `doing` begins a sentence: `Restoring`. --yes only shows the summary. Rejects
 * `cancelled` for any other answer, `usage` with the command to run where nobody can be asked.
 */
export async function confirmByName(context: CommandContext, summary: string, name: string, doing: string): Promise<void> {
  if (context.options.flag('yes')) {
    context.note(`${summary}\n`);
    return;
  }
  const command = [programName(context.io.environment), ...withoutAddress(withYes(context.argv)).map(quoted)].join(' ');
  assertTerminal(context, `${doing} ${name}`, `look at the plan with --dry-run, then run: ${command}`);
  context.io.stderr.write(`${summary}\n\n`);
  const prompts = await import('@clack/prompts');
  const answer = await prompts.text({
    message: `Type ${printable(name)} to go ahead; anything else changes nothing.`,
    input: context.io.stdin,
    output: context.io.stderr,
    signal: context.signal,
  });
  context.signal.throwIfAborted();
  if (answer !== name) throw new McadsError('cancelled', 'cancelled by answer; nothing was changed');
}

/** Rejects `usage` with the hint where nobody can be asked. */
export function assertTerminal(context: CommandContext, what: string, hint: string): void {
  if (context.io.stdin.isTTY === true && context.io.stderr.isTTY === true && !context.json) return;
  throw new McadsError('usage', `${what} needs an answer, and there is no terminal to ask on`, { hint });
}

/** Options end at `--`. */
function withYes(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return end === -1 ? [...argv, '--yes'] : [...argv.slice(0, end), '--yes', ...argv.slice(end)];
}

/** What --ping was given holds a token. */
function withoutAddress(argv: readonly string[]): readonly string[] {
  return argv.map((word, at) => (argv[at - 1] === '--ping' ? 'URL' : word.replace(/^--ping=.*/s, '--ping=URL')));
}
