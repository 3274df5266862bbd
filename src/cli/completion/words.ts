import type { CommandFacts, OptionSpec } from '../command-facts.ts';
import { GLOBAL_OPTIONS } from '../global-options.ts';

/** What the word after an option may be. */
export type ValueKind =
  | { readonly kind: 'none' }
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'directory' | 'file' | 'anything' };

export interface CompletedOption {
  /** `-r`, `--repository` */
  readonly names: readonly string[];
  readonly value: ValueKind;
  readonly description: string;
}

/** A place in the command line where a positional word stands. */
export type PositionKind =
  { readonly kind: 'snapshot' } | { readonly kind: 'words'; readonly words: readonly string[] } | { readonly kind: 'anything' };

export interface CompletedCommand {
  /** `config show`; with aliases in place of the first word. */
  readonly names: readonly string[];
  readonly description: string;
  readonly options: readonly CompletedOption[];
  readonly positions: readonly PositionKind[];
  readonly children: readonly CompletedCommand[];
}

export interface CompletedTool {
  readonly commands: readonly CompletedCommand[];
  readonly globals: readonly CompletedOption[];
  /** Every option that takes a value: its next word is no command. */
  readonly withValue: readonly string[];
  /** Those that say where the snapshots are, handed on when they are listed. */
  readonly places: readonly string[];
}

const SNAPSHOT_ARGUMENTS = /^[<[](?:snapshot|before|after)[>\]]$/;
const PLACES = ['--repository', '--project-name', '--project-directory', '--file', '--config'];

/** What the shells complete, from the same table as `--help`. */
export function completedTool(commands: readonly CommandFacts[]): CompletedTool {
  const made = commands.map(toCommand);
  const globals = GLOBAL_OPTIONS.map(toOption);
  const all = [...globals, ...made.flatMap((one) => [one, ...one.children]).flatMap(({ options }) => options)];
  return {
    commands: made,
    globals,
    withValue: [...new Set(all.filter(({ value }) => value.kind !== 'none').flatMap(({ names }) => names))],
    places: globals.filter(({ names }) => names.some((name) => PLACES.includes(name))).flatMap(({ names }) => names),
  };
}

function toCommand(facts: CommandFacts): CompletedCommand {
  return {
    names: [facts.name, ...(facts.aliases ?? [])],
    description: facts.summary,
    options: (facts.options ?? []).map(toOption),
    positions: (facts.args ?? []).map(({ syntax, choices }): PositionKind => {
      if (SNAPSHOT_ARGUMENTS.test(syntax)) return { kind: 'snapshot' };
      return choices === undefined ? { kind: 'anything' } : { kind: 'words', words: choices };
    }),
    children: (facts.children ?? []).map(toCommand),
  };
}

function toOption({ flags, description, choices }: OptionSpec): CompletedOption {
  const names = flags.split(/[, ]+/).filter((word) => word.startsWith('-'));
  return { names, value: valueOf(flags, choices), description };
}

function valueOf(flags: string, choices: readonly string[] | undefined): ValueKind {
  if (choices !== undefined) return { kind: 'words', words: choices };
  if (flags.includes('<dir>')) return { kind: 'directory' };
  if (flags.includes('<file>')) return { kind: 'file' };
  return { kind: flags.includes('<') ? 'anything' : 'none' };
}

/** In single quotes of a POSIX shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
