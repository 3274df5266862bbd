import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../support/run-command.ts';
import { writeGrowing } from './changes.ts';
import { generator, noise } from './data.ts';

/** Where every Debian machine has a hundred thousand files of all kinds. */
const SOURCES = ['/usr'];
const SMALL_BYTES = 2_048;
const MIDDLE_BYTES = 32_768;
const LARGEST_BYTES = 8 << 20;
const IMAGE_BYTES = 200_000;
const FILES_PER_FOLDER = 40;

export interface RealTreeRecipe {
  readonly files: number;
  /** Bytes of the files; the images come on top. */
  readonly bytes: number;
  readonly imageBytes: number;
  readonly seed: number;
}

export interface MadeTree {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Copies files of this machine, drawn by seed: 60 % of at most 2 KiB, 24 % of up to 32 KiB, the rest larger ones (up to 8 MiB) until the bytes are
 * reached; then writes noise as images of 100 to 300 kB. Where the machine has too few files of a class they are taken again, each
 * time with a line of its own in front, so that no tool finds them twice. Median 1 to 2 KiB, as in the trees that people have. Three tenths
 * of the bytes (500 MB of 1.6 GB) are one log, which set D lets grow.
 */
export async function writeRealTree(directory: string, recipe: RealTreeRecipe): Promise<MadeTree> {
  const random = generator(recipe.seed);
  const [small, middle, large] = await classes(random);
  const made = { files: 0, bytes: 0 };
  const add = async (from: readonly string[], at: number): Promise<void> => {
    const source = from[at % from.length];
    if (source === undefined) throw new Error(`no files of that size below ${SOURCES.join(', ')}`);
    const folder = folderOf(directory, made.files);
    if (made.files % FILES_PER_FOLDER === 0) await mkdir(folder, { recursive: true });
    const name = `${made.files}-${source.slice(source.lastIndexOf('/') + 1).slice(-60)}`;
    made.bytes += await copy(source, join(folder, name), Math.floor(at / from.length));
    made.files += 1;
  };
  // In turn, so that every folder holds files of all sizes.
  for (let i = 0; i < recipe.files; i += 1) {
    const turn = random();
    if (turn < 0.6) await add(small, i);
    else if (turn < 0.84) await add(middle, i);
    else if (made.bytes < (recipe.bytes * 0.7 * (i + 1)) / recipe.files) await add(large, i);
    else await add(small, i + recipe.files);
  }
  while (made.bytes < recipe.bytes * 0.7) await add(large, made.files);
  const images = Math.max(1, Math.round(recipe.imageBytes / IMAGE_BYTES));
  for (let i = 0; i < images; i += 1) {
    const folder = join(directory, 'images', String(Math.floor(i / 100)).padStart(3, '0'));
    if (i % 100 === 0) await mkdir(folder, { recursive: true });
    const bytes = noise(random, Math.floor(IMAGE_BYTES * (0.5 + random())) & ~3);
    await writeFile(join(folder, `scan-${i}.jpg`), bytes);
    made.files += 1;
    made.bytes += bytes.length;
  }
  const growing = Math.floor(recipe.bytes * 0.3);
  await writeGrowing(directory, growing, random);
  return { files: made.files + 1, bytes: made.bytes + growing };
}

function folderOf(directory: string, index: number): string {
  const folder = Math.floor(index / FILES_PER_FOLDER);
  return join(directory, `part-${String(Math.floor(folder / 40)).padStart(2, '0')}`, `d${String(folder % 40).padStart(2, '0')}`);
}

async function copy(source: string, target: string, again: number): Promise<number> {
  const bytes = await readFile(source);
  const own = again === 0 ? bytes : Buffer.concat([Buffer.from(`${again}\n`), bytes]);
  await writeFile(target, own);
  return own.length;
}

/** Paths by size, each list in an order that the seed decides. */
async function classes(random: () => number): Promise<readonly [readonly string[], readonly string[], readonly string[]]> {
  const found: [string[], string[], string[]] = [[], [], []];
  const list = `find "$@" -xdev -type f -size -${LARGEST_BYTES / 1024 + 1}k -printf '%s %p\\n' | LC_ALL=C sort -k 2`;
  const { stdout } = await runCommand('sh', ['-c', list, 'sh', ...SOURCES]);
  for (const line of stdout.split('\n')) {
    const space = line.indexOf(' ');
    const bytes = Number(line.slice(0, space));
    if (bytes > 0) found[bytes <= SMALL_BYTES ? 0 : bytes <= MIDDLE_BYTES ? 1 : 2].push(line.slice(space + 1));
  }
  for (const list of found) shuffle(list, random);
  return found;
}

function shuffle(list: string[], random: () => number): void {
  for (let i = list.length - 1; i > 0; i -= 1) {
    const other = Math.floor(random() * (i + 1));
    const [a, b] = [list[i] ?? '', list[other] ?? ''];
    list[i] = b;
    list[other] = a;
  }
}
