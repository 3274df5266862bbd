import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { storeSnapshot, treeState, untar, writable } from '../support/archive-fixture.ts';
import { runCommand } from '../support/run-command.ts';
import { measure, median } from './measure.ts';
import { writeRealTree } from './real-files.ts';
import type { BenchSetup } from './setup.ts';
import { BUILT } from './start.ts';
import { mib, ratio, seconds, table } from './table.ts';

const NAME = 'bench_system_backup_20260101_000000';

/**
 * A classic archive against single-threaded `tar czf` of the same folder (half of set A), in turn; what was exported is unpacked by plain tar and
 * compared. The built tool is run, its reading back of the archive included; `tar czf` checks nothing.
 */
export async function benchArchive({ say, directory, rounds, of }: BenchSetup): Promise<void> {
  const base = join(directory, 'archive');
  const source = join(base, 'source');
  await mkdir(source, { recursive: true });
  await writeRealTree(source, { files: of(25_000), bytes: of(8e8), imageBytes: of(2e8), seed: 1 });
  const repository = join(base, 'backups');
  {
    await using opened = await writable(repository);
    await storeSnapshot(opened, NAME, { 'files/media': { tree: source } });
  }
  const bytes = Number((await runCommand('bash', ['-c', 'tar cf - . | wc -c'], { cwd: source })).stdout);
  const [theirs, ours] = [join(base, 'tar.tar.gz'), join(base, `${NAME}.tar.gz`)];
  const times: { tar: number[]; export: number[]; peak: number[] } = { tar: [], export: [], peak: [] };
  for (let round = 0; round < rounds; round += 1) {
    times.tar.push((await measure('tar', ['-czf', theirs, '-C', source, '.'])).seconds);
    const made = await measure(process.execPath, [BUILT, 'export', NAME, '-r', repository, '--output', base, '--overwrite', '-q']);
    if (made.code !== 0) throw new Error(`export ended with ${made.code}: ${made.stderr}`);
    times.export.push(made.seconds);
    times.peak.push(made.peakBytes);
  }
  await untar(ours, join(base, 'out'));
  await untar(join(base, 'out', NAME, 'media.tar.gz'), join(base, 'out'));
  if ((await treeState(join(base, 'out/media'))) !== (await treeState(source))) throw new Error('the export differs from its source');
  const [one, two] = [median(times.tar), median(times.export)];
  const sizes = await Promise.all([theirs, ours].map(async (path) => (await stat(path)).size));
  say(
    `\nclassic archive of ${mib(bytes)}, median of ${rounds}\n${table([
      ['', 'time', 'speed', 'size', 'ratio', 'memory'],
      ['tar czf', seconds(one), `${mib(bytes / one)}/s`, mib(sizes[0] ?? 0), ratio(1), ''],
      ['export', seconds(two), `${mib(bytes / two)}/s`, mib(sizes[1] ?? 0), ratio(one / two), mib(median(times.peak))],
    ])}`,
  );
  await rm(base, { recursive: true, force: true });
}
