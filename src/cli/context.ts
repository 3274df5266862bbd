import type { Readable, Writable } from 'node:stream';
import type { Style } from '../report/style.ts';
import type { CommandFacts } from './command-facts.ts';
import type { CommandOptions } from './command-options.ts';
import type { ExitCode } from './exit-codes.ts';
import type { Output } from './output.ts';
import type { ProjectContext } from './project-context.ts';
import type { Services } from './services.ts';
import type { Announcer } from './announcer.ts';

/** A terminal or a pipe. */
export type TextStream = Writable & {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
};

/** The process around the command line; the only way to it. */
export interface Io {
  readonly version: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
  readonly stdin: Readable & { readonly isTTY?: boolean | undefined };
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly services: Services;
  /** Calls back at SIGINT and SIGTERM; returns how to stop that. */
  readonly onSignal: (listener: (name: 'SIGINT' | 'SIGTERM') => void) => () => void;
  /** Ends the process at once, for the second signal. */
  readonly exitNow: (code: ExitCode) => void;
}

/** What one command works with. */
export interface CommandContext {
  readonly name: string;
  /** The whole command line as it was given, without the program. */
  readonly argv: readonly string[];
  readonly args: readonly (string | readonly string[] | undefined)[];
  readonly options: CommandOptions;
  readonly io: Io;
  readonly services: Services;
  readonly signal: AbortSignal;
  readonly announcer: Announcer;
  /** stdout: data only. */
  readonly output: Output;
  /** For stdout: no limit to the width where it is no terminal. */
  readonly style: Style;
  /** For stderr. */
  readonly noteStyle: Style;
  readonly json: boolean;
  readonly quiet: boolean;
  /** A line for people on stderr; silent with --quiet and --json. */
  note(text: string): void;
  /** Compose files and settings, loaded once. */
  project(): Promise<ProjectContext>;
  readonly commandLine: CommandLine;
}

/** The tool itself, for the commands that are about it. */
export interface CommandLine {
  readonly commands: readonly CommandFacts[];
  /** Runs another command line as if it had been typed; its signals are its own. */
  run(argv: readonly string[]): Promise<ExitCode>;
}
