import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { generator, noise } from './data.ts';
import { checked, measure, median } from './measure.ts';
import type { BenchSetup } from './setup.ts';
import { BUILT } from './start.ts';
import { mib, ratio, seconds, table } from './table.ts';

const BYTES = 512 * 1024 * 1024;
/** Of the files: below 128 KiB they are stored in groups, from there on each is cut by its content. */
const SIZES = [64 * 1024, 256 * 1024, 1024 * 1024, 16 * 1024 * 1024];

/**
 * Raw blocks in a frame without a checksum, and no decoding to compare: as little as storing can be. Pages, which are JSON lines and read
 * again before a run ends, are stored as ever.
 */
const UNCOMPRESSED = `
export function encodeObject(plain, level, id) {
  if (plain[0] === 0x7b) return compressedAndChecked(plain, level, id);
  const blocks = Math.max(1, Math.ceil(plain.length / 131072));
  const frame = Buffer.allocUnsafeSlow(9 + 3 * blocks + plain.length);
  frame.writeUInt32LE(0xfd2fb528, 0);
  frame[4] = 0xa0;
  frame.writeUInt32LE(plain.length, 5);
  for (let block = 0, to = 9; block < blocks; block += 1) {
    const bytes = plain.subarray(block * 131072, (block + 1) * 131072);
    frame.writeUIntLE((bytes.length << 3) | (block === blocks - 1 ? 1 : 0), to, 3);
    frame.set(bytes, to + 3);
    to += 3 + bytes.length;
  }
  return frame;
}
`;

/**
 * First backups of random bytes on the host, by the built program and by a copy of it that compresses nothing and checks nothing, in turn:
 * what it costs that bytes which cannot be compressed are tried, and checked.
 */
export async function benchNoise(setup: BenchSetup): Promise<void> {
  const base = join(setup.directory, 'noise');
  const programs = { compressing: BUILT, off: await copyWithoutCompression(base) };
  const rows = [['random files of', 'ours', 'compression off', 'ratio', 'stored']];
  for (const size of SIZES) {
    const project = join(base, 'project');
    const media = join(base, 'media');
    const files = Math.max(1, Math.round(setup.of(BYTES) / size));
    await mkdir(project, { recursive: true });
    await writeNoise(media, files, size);
    const host = { profile: 'generic', services: [], components: { media } };
    await writeFile(join(project, 'mcads.yaml'), JSON.stringify({ project: 'bench', host }));
    const run = async (main: string): Promise<{ readonly cpu: number; readonly stored: number }> => {
      const repository = join(base, 'repository');
      const options = ['--strategy', 'host', '-r', repository, '--log-dir', join(base, 'logs'), '--json'];
      const { cpuSeconds, stdout } = await checked(process.execPath, [main, ...options, 'backup'], setup, {}, project);
      await rm(repository, { recursive: true, force: true });
      const { stats } = JSON.parse(stdout) as { stats: { newBytes: number } }; // the contract of backup --json
      return { cpu: cpuSeconds, stored: stats.newBytes };
    };
    const [ours, off]: [number[], number[]] = [[], []];
    let stored = 0;
    for (let round = 0; round < setup.rounds; round += 1) {
      const made = await run(programs.compressing);
      ours.push(made.cpu);
      stored = made.stored;
      off.push((await run(programs.off)).cpu);
    }
    const kib = `${files} x ${size / 1024} KiB`;
    rows.push([kib, seconds(median(ours)), seconds(median(off)), ratio(median(ours) / median(off)), mib(stored)]);
    await rm(media, { recursive: true, force: true });
  }
  setup.say(`\nprocessor time of first backups of random bytes on the host, median of ${setup.rounds}\n${table(rows)}`);
  await rm(base, { recursive: true, force: true });
}

async function copyWithoutCompression(base: string): Promise<string> {
  const root = dirname(dirname(BUILT));
  await mkdir(base, { recursive: true });
  await cp(join(root, 'dist'), join(base, 'dist'), { recursive: true });
  await cp(join(root, 'package.json'), join(base, 'package.json'));
  await symlink(join(root, 'node_modules'), join(base, 'node_modules'));
  const codec = join(base, 'dist/repository/object-codec.js');
  const text = await readFile(codec, 'utf8');
  const without = text.replace('export function encodeObject(', 'function compressedAndChecked(');
  if (without === text) throw new Error(`${codec} has no function encodeObject`);
  await writeFile(codec, without + UNCOMPRESSED);
  const main = join(base, 'dist/main.js');
  await measure(process.execPath, [main, '--version']);
  return main;
}

async function writeNoise(folder: string, files: number, size: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const random = generator(size);
  for (let file = 0; file < files; file += 1) await writeFile(join(folder, `f${file}.bin`), noise(random, size));
}
