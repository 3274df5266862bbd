import { bashCompletion } from '../completion/bash.ts';
import { fishCompletion } from '../completion/fish.ts';
import { completedTool } from '../completion/words.ts';
import { zshCompletion } from '../completion/zsh.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import { openRepository, wordOf } from '../repository-context.ts';

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

/** A script for a shell, or what such a script asks: the names of the snapshots, from the repository alone and with nothing undone on the way. */
export async function completion(context: CommandContext): Promise<CommandResult> {
  const what = wordOf(context.args[0]);
  const text = isShell(what) ? SCRIPTS[what](completedTool(context.commandLine.commands)).trimEnd() : await snapshotNames(context);
  return { data: { text }, text, findings: [], exitCode: 0 };
}

function isShell(word: string): word is keyof typeof SCRIPTS {
  return Object.hasOwn(SCRIPTS, word);
}

/** Newest first. */
async function snapshotNames(context: CommandContext): Promise<string> {
  await using opened = await openRepository(context);
  const project = await opened.projectName();
  return opened.snapshots
    .filter((one) => project === null || one.project === project)
    .map(({ name }) => name)
    .toReversed()
    .join('\n');
}
