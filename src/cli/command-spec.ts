import type { JsonObject } from '../domain/byte-stream.ts';
import type { Finding } from '../domain/finding.ts';
import type { CommandFacts } from './command-facts.ts';
import type { ExitCode } from './exit-codes.ts';
import type { CommandContext } from './context.ts';

/** What a command hands back; the runner prints it as JSON or text. */
export interface CommandResult {
  /** The command's part of the JSON object. Null: the command has written its data to stdout itself. */
  readonly data: JsonObject | null;
  /** For stdout, without the last line end; '' prints nothing. */
  readonly text: string;
  /** For stderr after the data: summaries, closing lines. */
  readonly notes?: string;
  readonly findings: readonly Finding[];
  /** Without `--strict` and error findings. */
  readonly exitCode: ExitCode;
}

export type CommandAction = (context: CommandContext) => Promise<CommandResult>;

/** One command: all of its help, and where its code is. */
export interface CommandSpec extends CommandFacts {
  readonly load?: () => Promise<CommandAction>;
  readonly children?: readonly CommandSpec[];
}
