import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/command-table.ts';
import { completedTool } from '../../src/cli/completion/words.ts';
import { openRepository } from '../../src/repository/open-repository.ts';
import { MAIN, runCli } from '../support/run-cli.ts';
import { backUp, noise } from '../support/repository-fixture.ts';
import { runCommand } from '../support/run-command.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts';
import { startProgramInTerminal } from '../support/terminal.ts';
import { startRun } from '../cli/fake-io.ts';

const SNAPSHOTS = ['shop_backup_20250801_142905', 'shop_backup_20250802_142905'];

let folder: TemporaryFolder;
/** With `mcads-orchestrate` on the PATH, as somebody has who installed it. */
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  const program = join(folder.path, 'bin', 'mcads-orchestrate');
  await mkdir(join(folder.path, 'bin'));
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
  await chmod(program, 0o755);
  env = { PATH: [join(folder.path, 'bin'), process.env['PATH']].join(delimiter), DOCKER_HOST: 'unix:///nonexistent', HOME: folder.path };
  await mkdir(join(folder.path, 'b'));
  await using repository = await openRepository({ path: join(folder.path, 'b'), mode: 'write', create: true, lockTimeoutMs: 1000 });
  for (const name of SNAPSHOTS) await backUp(repository, name, { config: noise(1, 1000) });
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await runCli(['completion', shell]);
    expect(code).toBe(0);
    await writeFile(join(folder.path, shell), stdout);
  }
}, 120_000);

afterAll(async () => folder[Symbol.asyncDispose]());

/** What bash offers at the end of these words. */
async function inBash(words: readonly string[]): Promise<readonly string[]> {
  const program = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mcads_orchestrate; printf "%s\\n" "${COMPREPLY[@]}"';
  const { stdout } = await runCommand('bash', ['--norc', '-c', program, 'bash', join(folder.path, 'bash'), 'mcads-orchestrate', ...words], {
    cwd: folder.path,
    env,
  });
  return stdout.split('\n').filter((line) => line !== '');
}

/** What fish offers, without the explanations. */
async function inFish(words: readonly string[]): Promise<readonly string[]> {
  const line = ['mcads-orchestrate', ...words].join(' ');
  const { stdout } = await runCommand(
    'fish',
    ['--no-config', '-c', `source ${join(folder.path, 'fish')}; complete -C ${JSON.stringify(line)}`],
    {
      cwd: folder.path,
      env,
    },
  );
  return stdout
    .split('\n')
    .map((row) => row.split('\t')[0] ?? '')
    .filter((row) => row !== '');
}

describe.each([
  ['bash', inBash],
  ['fish', inFish],
] as const)('%s', (_shell, offers) => {
  test.each([
    [['sta'], ['stats', 'status']],
    [['-r', '/mnt/b', 'roll'], ['rollback']],
    [['--json', 'rec'], ['recover']],
    [['config', 'v'], ['validate']],
    [['restore', '--tran'], ['--transport']],
    [
      ['backup', '--transport', ''],
      ['auto', 'pipe', 'attach', 'archive'],
    ],
    [['--strategy', 'd'], ['docker']],
    [['completion', 'z'], ['zsh']],
    [['show', '--tran'], []],
  ])('%j offers %j', async (words, expected) => {
    expect((await offers(words)).toSorted()).toEqual(expected.toSorted());
  });

  test('every command and every alias', async () => {
    const names = COMMANDS.flatMap((spec) => [spec.name, ...(spec.aliases ?? [])]);
    expect((await offers([''])).toSorted()).toEqual(names.toSorted());
  });

  test('snapshots by name, from the repository that the line names', async () => {
    expect((await offers(['show', '-r', 'b', 'shop_'])).toSorted()).toEqual(SNAPSHOTS);
    expect(await offers(['restore', '-r', 'b', 'la'])).toEqual(['latest']);
    expect(await offers(['diff', '-r', 'b', SNAPSHOTS[0] ?? '', 'shop_backup_20250802'])).toEqual([SNAPSHOTS[1]]);
    expect(await offers(['show', '-r', 'missing', ''])).toEqual(['latest']);
  });
});

test('bash completes a value behind an equals sign, which it hands over as words of their own', async () => {
  expect(await inBash(['backup', '--quiesce', '=', 'pa'])).toEqual(['pause']);
  expect(await inBash(['show', '--repository', '=', 'b', 'shop_backup_20250802'])).toEqual([SNAPSHOTS[1]]);
});

test('bash offers every option of every command and nothing else', async () => {
  const { commands, globals } = completedTool(COMMANDS);
  const flags = (options: typeof globals): readonly string[] => options.flatMap(({ names }) => names);
  for (const command of commands) {
    expect((await inBash([command.names[0] ?? '', '-'])).toSorted()).toEqual([...flags(globals), ...flags(command.options)].toSorted());
  }
});

test('zsh completes at the keyboard', async () => {
  await using shell = startProgramInTerminal(['zsh', '-f', '-i'], { cwd: folder.path, env: { ...env, TERM: 'dumb' }, draws: false });
  shell.type(`PS1='ready> '; autoload -Uz compinit; compinit -u -D; source ${join(folder.path, 'zsh')}; echo loa''ded\r`);
  await shell.shows(/loaded[\s\S]*ready> /);
  shell.type('mcads-orchestrate rollb\t');
  await shell.shows(/orchestrate rollback /);
  shell.type('\u0015mcads-orchestrate show -r b shop_backup_20250802\t');
  await shell.shows(/shop_backup_20250802_142905 /);
  shell.type('\u0015exit\r');
  await shell.end;
});

test('an unknown shell is exit 2 with those that are known', async () => {
  const run = startRun(['completion', 'tcsh']);
  expect(await run.exit).toBe(2);
  expect(run.stderr()).toMatch(/bash.*zsh.*fish/);
});
