import { Argument, Command, CommanderError, Option } from 'commander';
import { McadsError } from '../errors.ts';
import { COMMANDS } from './command-table.ts';
import type { ArgumentSpec, OptionSpec } from './command-facts.ts';
import type { CommandAction, CommandSpec } from './command-spec.ts';
import { ALL_EXITS, EXIT_MEANINGS } from './exit-codes.ts';
import type { ExitCode } from './exit-codes.ts';
import { GLOBAL_OPTIONS, PING_OPTION } from './global-options.ts';

/** What was asked, or the help text that was. */
export type ParsedCommand =
  | {
      readonly kind: 'command';
      /** `config show` */
      readonly name: string;
      /** It can tell a monitor how it goes. */
      readonly pings: boolean;
      readonly load: () => Promise<CommandAction>;
      readonly args: readonly (string | readonly string[] | undefined)[];
      readonly options: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: 'text'; readonly text: string };

/** Parses arguments. Rejects `usage`, with a suggestion where one is near. */
export async function parseCommandLine(argv: readonly string[], version: string): Promise<ParsedCommand> {
  let printed = '';
  let found: ParsedCommand | null = null;
  const program = newCommand('mcads-orchestrate', (text) => (printed += text))
    .description('Backs up a Docker Compose project as one consistent, proven set and brings it back.')
    .usage('[options] <command>')
    .version(version, '-V, --version', 'print the version');
  for (const option of GLOBAL_OPTIONS) program.addOption(toOption(option));
  program.addHelpText('after', `\n${examplesText(COMMANDS[0])}\n\n${exitsText(ALL_EXITS)}`);
  const add = (parent: Command, spec: CommandSpec, path: string): void => {
    const command = newCommand(spec.name, (text) => (printed += text))
      .summary(spec.summary)
      .description(spec.description);
    command.aliases([...(spec.aliases ?? [])]);
    for (const argument of spec.args ?? []) command.addArgument(toArgument(argument));
    for (const option of spec.options ?? []) command.addOption(toOption(option));
    command.addHelpText('after', `\n${examplesText(spec)}\n\n${exitsText(spec.exits)}`);
    for (const child of spec.children ?? []) add(command, child, `${path} ${child.name}`);
    const { load } = spec;
    const pings = spec.options?.includes(PING_OPTION) === true;
    if (load !== undefined) {
      command.action((...all: unknown[]) => {
        // commander's contract: arguments in order, then options, then the command
        const args = all.slice(0, -2) as (string | string[] | undefined)[];
        found = { kind: 'command', name: path, pings, load, args, options: command.optsWithGlobals() };
      });
    }
    parent.addCommand(command);
  };
  for (const spec of COMMANDS) add(program, spec, spec.name);
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: 'text', text: printed };
    throw usageError(error, argv);
  }
  return found ?? { kind: 'text', text: printed };
}

function newCommand(name: string, print: (text: string) => void): Command {
  return new Command(name)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, helpWidth: 120, subcommandTerm: termOf })
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .showSuggestionAfterError(true)
    .configureOutput({ writeOut: print, writeErr: print, getErrHasColors: () => false, getOutHasColors: () => false });
}

/** Name, every alias, arguments. */
function termOf(command: Command): string {
  const args = command.registeredArguments.map((one) =>
    one.required ? `<${one.name()}>` : one.variadic ? `[${one.name()}...]` : `[${one.name()}]`,
  );
  return [[command.name(), ...command.aliases()].join('|'), ...args].join(' ');
}

function toArgument({ syntax, description, choices }: ArgumentSpec): Argument {
  const argument = new Argument(syntax, description);
  return choices === undefined ? argument : argument.choices([...choices]);
}

function toOption(spec: OptionSpec): Option {
  const option = new Option(spec.flags, spec.description);
  if (spec.choices !== undefined) option.choices([...spec.choices]);
  if (spec.repeatable === true) option.argParser((value: string, before: readonly string[] | undefined) => [...(before ?? []), value]);
  return option;
}

function examplesText(spec: CommandSpec | undefined): string {
  const examples = spec?.examples ?? [];
  return ['Examples:', ...examples.flatMap((example) => [`  # ${example.says}`, `  ${example.command}`])].join('\n');
}

function exitsText(exits: readonly ExitCode[]): string {
  return ['Exit codes:', ...exits.map((code) => `  ${String(code).padStart(3)}  ${EXIT_MEANINGS[code]}`)].join('\n');
}

/** Commander's message without its prefix; `(Did you mean …?)` becomes the hint. */
function usageError(error: CommanderError, argv: readonly string[]): McadsError {
  if (error.code === 'commander.help') {
    const parent = COMMANDS.find((spec) => spec.name === argv.find((word) => !word.startsWith('-')));
    const commands = (parent?.children ?? COMMANDS).map((spec) => spec.name).join(', ');
    const words = parent === undefined ? 'mcads-orchestrate' : `mcads-orchestrate ${parent.name}`;
    return new McadsError('usage', parent === undefined ? 'no command given' : `${parent.name} needs a command`, {
      hint: `one of ${commands}; see \`${words} --help\``,
    });
  }
  const [message = '', suggestion] = error.message.replace(/^error: /, '').split('\n');
  const spec = COMMANDS.find((one) => argv.some((word) => one.name === word || one.aliases?.includes(word) === true));
  const child = spec?.children?.find((one) => argv.includes(one.name));
  const command = [spec?.name, child?.name].filter((word) => word !== undefined).join(' ');
  const help = `see \`mcads-orchestrate ${command === '' ? '' : `${command} `}--help\``;
  const meant = /\((?:Did you mean )(?:one of )?(.+)\?\)/.exec(suggestion ?? '')?.[1];
  return new McadsError('usage', message, { hint: meant === undefined ? help : `did you mean ${meant}? ${help}` });
}
