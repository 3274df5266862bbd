import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureRestic } from '../support/debian-packages.ts';
import { commandWorks, runCommand } from '../support/run-command.ts';
import { hostTool } from './host-tool.ts';
import { checked } from './measure.ts';
import type { Measured } from './measure.ts';
import { OUR_NAME, OurTool } from './our-tool.ts';
import type { BenchSetup } from './setup.ts';

/** A program that stores a tree and brings it back. `place` is a folder of its own, new for every round. */
export interface Tool {
  readonly name: string;
  /** False for archives: they store everything every time, so a second run says nothing new. */
  readonly isIncremental: boolean;
  prepare(place: string): Promise<void>;
  backup(place: string): Promise<Measured>;
  /** Brings the newest state back; resolves with the folder that now holds the tree as well. Null where that is not measured. */
  readonly restore: ((place: string, target: string) => Promise<{ readonly run: Measured; readonly root: string }>) | null;
}

/** This tool and those of its peers that this machine has or can get. `tree` is the volume's folder. */
export async function openTools(setup: BenchSetup, tree: string, our: OurTool): Promise<readonly Tool[]> {
  const tools: Tool[] = [our, await hostTool(setup, tree), restic(setup, await ensureRestic(), tree)];
  if (await commandWorks('borg', ['--version'])) tools.push(borg(setup, tree));
  else setup.say('borg is not installed (package borgbackup): left out');
  tools.push(archive(setup, tree, 'tar | gzip', 'tar -C "$1" -c . | gzip >"$2"', 'gzip -dc "$2" | tar -C "$1" -xp'));
  if (await commandWorks('zstd', ['--version']))
    tools.push(archive(setup, tree, 'tar | zstd -3 -T0', 'tar -C "$1" -c . | zstd -q -3 -T0 >"$2"', 'zstd -dcq "$2" | tar -C "$1" -xp'));
  const { tools: wanted } = setup;
  return wanted === null ? tools : tools.filter(({ name }) => name.startsWith(OUR_NAME) || wanted.some((word) => name.includes(word)));
}

function restic(setup: BenchSetup, program: string, tree: string): Tool {
  const env = (place: string): Readonly<Record<string, string>> => ({
    RESTIC_PASSWORD: 'bench',
    RESTIC_REPOSITORY: join(place, 'repository'),
    RESTIC_CACHE_DIR: join(place, 'cache'),
  });
  return {
    name: 'restic',
    isIncremental: true,
    prepare: async (place) => {
      await runCommand(program, ['init'], { env: env(place) });
    },
    backup: async (place) => checked(program, ['backup', '--quiet', tree], setup, env(place)),
    restore: async (place, target) => ({
      run: await checked(program, ['restore', '--quiet', 'latest', '--target', target], setup, env(place)),
      root: join(target, tree),
    }),
  };
}

function borg(setup: BenchSetup, tree: string): Tool {
  const env = (place: string): Readonly<Record<string, string>> => ({
    BORG_BASE_DIR: join(place, 'cache'),
    BORG_REPO: join(place, 'repository'),
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
  });
  let count = 0;
  return {
    name: 'borg',
    isIncremental: true,
    prepare: async (place) => {
      await mkdir(join(place, 'cache'), { recursive: true });
      await runCommand('borg', ['init', '-e', 'none'], { env: env(place) });
    },
    backup: async (place) => {
      count += 1;
      return checked('borg', ['create', '-C', 'zstd,3', `::state-${count}`, '.'], setup, env(place), tree);
    },
    restore: async (place, target) => ({
      run: await checked('borg', ['extract', `::state-${count}`], setup, env(place), target),
      root: target,
    }),
  };
}

function archive(setup: BenchSetup, tree: string, name: string, store: string, restore: string): Tool {
  const file = (place: string): string => join(place, 'repository', 'archive');
  return {
    name,
    isIncremental: false,
    prepare: async (place) => mkdir(join(place, 'repository')),
    backup: async (place) => checked('sh', ['-c', store, 'sh', tree, file(place)], setup),
    restore: async (place, target) => ({ run: await checked('sh', ['-c', restore, 'sh', target, file(place)], setup), root: target }),
  };
}
