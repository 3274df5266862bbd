import type { ExitCode } from './exit-codes.ts';

export interface OptionSpec {
  readonly flags: string;
  readonly description: string;
  readonly repeatable?: boolean;
  readonly choices?: readonly string[];
  readonly fallback?: string;
}

export interface ArgumentSpec {
  readonly syntax: string;
  readonly description: string;
  readonly choices?: readonly string[];
}

export interface Example {
  readonly command: string;
  readonly says: string;
}

/** One command as people see it. */
export interface CommandFacts {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly description: string;
  /** Commander's syntax: `<snapshot>`, `[service...]`. */
  readonly args?: readonly ArgumentSpec[];
  readonly options?: readonly OptionSpec[];
  readonly examples: readonly Example[];
  readonly exits: readonly ExitCode[];
  readonly children?: readonly CommandFacts[];
}
