import { fileURLToPath } from 'node:url';
import { type CommandOptions, type CommandResult, runCommand } from './run-command.ts';

export const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** Runs the tool from its sources as a child process, as a user would from a shell that is no terminal. Never rejects for an exit code. */
export async function runCli(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return runCommand(process.execPath, [MAIN, ...args], {
    accept: 'any',
    ...options,
    env: { NO_COLOR: '1', MCADS_REPOSITORY: undefined, ...options.env },
  });
}

/** Likewise with `--json`; the one object is parsed. */
export async function runJson(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult & { readonly json: Record<string, unknown> }> {
  const result = await runCli([...args, '--json'], options);
  try {
    return { ...result, json: JSON.parse(result.stdout) as Record<string, unknown> }; // the contract says one object
  } catch {
    throw new Error(`no JSON object on stdout of ${args.join(' ')} (exit ${result.code}):\n${result.stdout}\n${result.stderr}`);
  }
}
