import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../support/run-command.ts';
import { changeTree } from './changes.ts';
import { writeSmallFiles } from './data.ts';
import { median, settleDisks, type Measured } from './measure.ts';
import { OurTool } from './our-tool.ts';
import { openTools, type Tool } from './peers.ts';
import { type MadeTree, writeRealTree } from './real-files.ts';
import type { BenchSetup } from './setup.ts';
import { mib, ratio, seconds, table } from './table.ts';

const STEPS = ['first', 'unchanged', 'clustered', 'scattered', 'restore'] as const;
type Step = (typeof STEPS)[number];

interface Cell {
  readonly runs: Measured[];
  /** Seconds that `sync` took behind each of them: what the tool left to be written. */
  readonly flushes: number[];
  /** Bytes and files that the step added to the repository, per round. */
  readonly bytes: number[];
  readonly objects: number[];
}

/** Set A (and D, which is A with changes): files of this machine and images. */
export async function benchSetA(setup: BenchSetup): Promise<void> {
  const recipe = { files: setup.of(50_000), bytes: setup.of(1.6e9), imageBytes: setup.of(400e6), seed: 1 };
  await benchTree(setup, 'A', STEPS, (tree) => writeRealTree(tree, recipe));
}

/** Set B: a million small texts. */
export async function benchSetB(setup: BenchSetup): Promise<void> {
  await benchTree(setup, 'B', ['first', 'unchanged', 'restore'], (tree) => writeSmallFiles(tree, { files: setup.of(1_000_000), seed: 2 }));
}

/** All tools do each step in turn, on the same tree; what they wrote stays until the end, because ext4 searches long for inodes that were not just freed. */
async function benchTree(
  setup: BenchSetup,
  name: string,
  steps: readonly Step[],
  write: (tree: string) => Promise<MadeTree>,
): Promise<void> {
  await using our = await OurTool.open(setup, `${setup.name}${name.toLowerCase()}`);
  const tree = await our.createVolume();
  const made = await write(tree);
  await runCommand('sync', []);
  const tools = await openTools(setup, tree, our);
  const cells = new Map<string, Cell>();
  for (let round = 0; round < setup.rounds; round += 1) {
    for (const step of steps) {
      if (step === 'clustered' || step === 'scattered') await changeTree(tree, { kind: step, seed: 100 + round });
      // Another one begins each time, so that nobody always finds the files in memory.
      for (const tool of rotated(tools, round + STEPS.indexOf(step))) {
        if (tool.restore === null && step === 'restore') continue;
        if (!tool.isIncremental && step !== 'first' && step !== 'restore') continue;
        const place = join(setup.directory, `${name}-${tools.indexOf(tool)}-${round}`);
        if (step === 'first') {
          await mkdir(place);
          await tool.prepare(place);
        }
        const before = step === 'first' ? { bytes: 0, objects: 0 } : await stored(place);
        await settleDisks();
        const { run, flushSeconds } = await once(tool, step, place, tree);
        const after = await stored(place);
        const cell = cells.get(`${step} ${tool.name}`) ?? { runs: [], flushes: [], bytes: [], objects: [] };
        cells.set(`${step} ${tool.name}`, cell);
        cell.runs.push(run);
        cell.flushes.push(flushSeconds);
        cell.bytes.push(after.bytes - before.bytes);
        cell.objects.push(after.objects - before.objects);
      }
    }
  }
  setup.say(`\nset ${name}: ${made.files} files, ${mib(made.bytes)}; ${setup.rounds} rounds in turn, medians`);
  setup.say(table(rows(steps, tools, cells)));
}

async function once(
  tool: Tool,
  step: Step,
  place: string,
  tree: string,
): Promise<{ readonly run: Measured; readonly flushSeconds: number }> {
  if (step !== 'restore' || tool.restore === null) return { run: await tool.backup(place), flushSeconds: 0 };
  const target = join(place, 'restored');
  await mkdir(target);
  const { run, root } = await tool.restore(place, target);
  const flushing = performance.now();
  await runCommand('sync', []);
  const flushSeconds = (performance.now() - flushing) / 1000;
  await assertSameTree(tree, root, tool.name);
  return { run, flushSeconds };
}

function rotated<T>(values: readonly T[], by: number): readonly T[] {
  const at = by % values.length;
  return [...values.slice(at), ...values.slice(0, at)];
}

/** A benchmark of wrong bytes says nothing. Archives were made before the tree changed, so they are compared by their own first state only where it did not. */
async function assertSameTree(tree: string, root: string, name: string): Promise<void> {
  if (name.startsWith('tar')) return;
  const difference = await runCommand('diff', ['-rq', '--no-dereference', tree, root], { accept: [1] });
  if (difference.code !== 0) throw new Error(`what ${name} restored differs from the source:\n${difference.stdout.slice(0, 2_000)}`);
  const print = `cd "$1" && find . -mindepth 1 -printf '%P %y %m %U %G %T@ %l\\n' | LC_ALL=C sort | sha256sum`;
  const [wanted, found] = await Promise.all([tree, root].map((folder) => runCommand('sh', ['-c', print, 'sh', folder])));
  if (wanted?.stdout !== found?.stdout) throw new Error(`what ${name} restored has other owners, modes, times or links than the source`);
}

async function stored(place: string): Promise<{ readonly bytes: number; readonly objects: number }> {
  const count = `find "$1" -type f -printf '%s\\n' | awk '{ bytes += $1; files += 1 } END { print bytes + 0, files + 0 }'`;
  const { stdout } = await runCommand('sh', ['-c', count, 'sh', join(place, 'repository')]);
  const [bytes = 0, objects = 0] = stdout.trim().split(' ').map(Number);
  return { bytes, objects };
}

function rows(steps: readonly Step[], tools: readonly Tool[], cells: ReadonlyMap<string, Cell>): readonly (readonly string[])[] {
  const all: string[][] = [['', 'wall', 'ratio to ours', 'processor', 'peak memory', 'new bytes', 'ratio', 'new objects']];
  for (const step of steps) {
    const ours = cells.get(`${step} ${tools[0]?.name ?? ''}`);
    if (ours === undefined) continue;
    for (const tool of tools) {
      const cell = cells.get(`${step} ${tool.name}`);
      if (cell === undefined) continue;
      const wall = median(cell.runs.map((run) => run.seconds));
      const bytes = median(cell.bytes);
      const ownBytes = median(ours.bytes);
      all.push([
        `${step}, ${tool.name}`,
        seconds(wall),
        ratio(wall / median(ours.runs.map((run) => run.seconds))),
        seconds(median(cell.runs.map((run) => run.cpuSeconds))),
        mib(Math.max(...cell.runs.map((run) => run.peakBytes))),
        step === 'restore' ? '' : `${(bytes / 2 ** 20).toFixed(1)} MiB`,
        step === 'restore' ? '' : ratio(bytes / ownBytes),
        step === 'restore' ? '' : String(median(cell.objects)),
      ]);
    }
    if (step === 'restore') all.push(...onTheDisk(tools, cells));
  }
  return all;
}

/** Restores once more, with the time until all of it is on the disk: this tool waits for that before it swaps, the others leave it to the system. */
function onTheDisk(tools: readonly Tool[], cells: ReadonlyMap<string, Cell>): readonly string[][] {
  const waits = tools.flatMap(({ name }) => {
    const cell = cells.get(`restore ${name}`);
    return cell === undefined ? [] : [{ name, wait: median(cell.runs.map((run, round) => run.seconds + (cell.flushes[round] ?? 0))) }];
  });
  const ours = waits[0]?.wait ?? 1;
  return waits.map(({ name, wait }) => [`restore and on the disk, ${name}`, seconds(wait), ratio(wait / ours), '', '', '', '', '']);
}
