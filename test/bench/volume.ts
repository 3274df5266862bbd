import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureRestic } from '../support/debian-packages.ts';
import { runCommand } from '../support/run-command.ts';
import { writeTree } from './data.ts';
import { type BenchSetup, writeProject } from './setup.ts';
import { checked, median, settleDisks, type Measured } from './measure.ts';
import { BUILT } from './start.ts';
import { mib, ratio, seconds, table } from './table.ts';

/** A volume of 100,000 files and 5 GB: first and unchanged backup through the pipe, beside restic on the same directory, in turn. */
export async function benchVolume(setup: BenchSetup): Promise<void> {
  const volume = `${setup.name}_media`;
  const docker = async (...args: string[]): Promise<string> => (await runCommand('docker', args, { env: setup.env })).stdout.trim();
  await docker(
    'volume',
    'create',
    '--label',
    `com.docker.compose.project=${setup.name}`,
    '--label',
    'com.docker.compose.volume=media',
    volume,
  );
  try {
    const mountpoint = await docker('volume', 'inspect', '--format', '{{.Mountpoint}}', volume);
    const made = await writeTree(
      mountpoint,
      setup.quick ? { files: 2_000, bytes: 100e6, seed: 1 } : { files: 100_000, bytes: 5e9, seed: 1 },
    );
    setup.say(`\nvolume of ${made.files} files, ${mib(made.bytes)}; ${setup.rounds} rounds in turn, medians`);
    const folder = await writeProject(
      setup,
      'volume',
      `name: ${setup.name}\nservices:\n  web:\n    image: ${setup.baseImage}\n    volumes: [media:/media]\nvolumes:\n  media:\n`,
    );
    const restic = await ensureRestic();
    const runs: Record<string, Measured[]> = { first: [], again: [], resticFirst: [], resticAgain: [] };
    const stored: Record<string, number> = {};
    for (let round = 0; round < setup.rounds; round += 1) {
      const ours = join(setup.directory, `ours-${round}`);
      const theirs = join(setup.directory, `restic-${round}`);
      const backup = [
        '--project-directory',
        folder,
        '-f',
        join(folder, 'compose.yaml'),
        '-r',
        ours,
        '--log-dir',
        join(setup.directory, 'logs'),
        '--component',
        'volume/media',
        '--json',
        'backup',
        '--transport',
        'pipe',
      ];
      const env = { RESTIC_PASSWORD: 'bench', RESTIC_REPOSITORY: theirs, RESTIC_CACHE_DIR: join(setup.directory, 'cache') };
      await runCommand(restic, ['init'], { env });
      const runOurs = async (): Promise<void> => {
        for (const kind of ['first', 'again'] as const) {
          await settleDisks();
          runs[kind]?.push(await checked(process.execPath, [BUILT, ...backup], setup));
        }
      };
      const runTheirs = async (): Promise<void> => {
        for (const kind of ['resticFirst', 'resticAgain'] as const) {
          await settleDisks();
          runs[kind]?.push(await checked(restic, ['backup', '--quiet', mountpoint], setup, env));
        }
      };
      // Each begins in turn.
      for (const run of round % 2 === 0 ? [runOurs, runTheirs] : [runTheirs, runOurs]) await run();
      stored['ours'] = await diskUsage(ours);
      stored['restic'] = await diskUsage(theirs);
      await verifyEqual(ours, setup, mountpoint, made.files);
      await rm(ours, { recursive: true });
      await rm(theirs, { recursive: true });
    }
    const time = (kind: string): number => median((runs[kind] ?? []).map((run) => run.seconds));
    const peak = (kind: string): number => Math.max(...(runs[kind] ?? []).map((run) => run.peakBytes));
    setup.say(
      table([
        ['', 'first', 'unchanged', 'stored', 'peak memory', 'helper'],
        [
          'mcads-orchestrate',
          seconds(time('first')),
          seconds(time('again')),
          mib(stored['ours'] ?? 0),
          mib(Math.max(peak('first'), peak('again'))),
          mib(Math.max(...(runs['first'] ?? []).map((run) => run.helperBytes))),
        ],
        [
          'restic',
          seconds(time('resticFirst')),
          seconds(time('resticAgain')),
          mib(stored['restic'] ?? 0),
          mib(Math.max(peak('resticFirst'), peak('resticAgain'))),
          '',
        ],
        [
          'restic / ours',
          ratio(time('resticFirst') / time('first')),
          ratio(time('resticAgain') / time('again')),
          ratio((stored['restic'] ?? 0) / (stored['ours'] ?? 1)),
          '',
        ],
      ]),
    );
  } finally {
    await docker('volume', 'rm', '-f', volume);
  }
}

async function diskUsage(path: string): Promise<number> {
  return Number((await runCommand('du', ['-sb', path])).stdout.split('\t')[0]);
}

/** A benchmark of wrong bytes says nothing: what was stored is extracted and compared with the source. */
async function verifyEqual(repository: string, setup: BenchSetup, mountpoint: string, files: number): Promise<void> {
  const target = join(setup.directory, 'extracted');
  const { stdout } = await runCommand(process.execPath, [BUILT, '-r', repository, '--all-projects', '--json', 'list'], { env: setup.env });
  const { snapshots } = JSON.parse(stdout) as { snapshots: readonly { name: string }[] }; // the contract of list --json
  const newest =
    snapshots
      .map((snapshot) => snapshot.name)
      .toSorted()
      .at(-1) ?? '';
  await runCommand(process.execPath, [BUILT, '-r', repository, 'extract', newest, 'volume/media', '--target', target], { env: setup.env });
  const { stdout: found } = await runCommand('sh', ['-c', 'find "$1" -type d -name d000 -print -quit', 'sh', target]);
  const root = join(found.trim(), '..');
  const difference = await runCommand('diff', ['-rq', '--no-dereference', root, mountpoint], { accept: [1] });
  if (difference.code !== 0)
    throw new Error(`extracted tree differs from the source (${files} files):\n${difference.stdout.slice(0, 2_000)}`);
  await rm(target, { recursive: true });
}
