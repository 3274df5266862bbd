import { appendFile, readdir, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generator, noise, text } from './data.ts';

export interface TreeChange {
  /** `clustered`: all changed files lie in 5 % of the folders, and the large file grows by 1 %. */
  readonly kind: 'clustered' | 'scattered';
  readonly seed: number;
}

const GROWING = 'grown.log';

/** Overwrites 1 % of a tree's files with as many new bytes. */
export async function changeTree(tree: string, { kind, seed }: TreeChange): Promise<void> {
  const random = generator(seed);
  const folders = await foldersOf(tree);
  const chosen = kind === 'scattered' ? folders : folders.filter(() => random() < 0.05);
  const all = folders.reduce((sum, { files }) => sum + files.length, 0);
  const candidates = chosen.flatMap(({ path, files }) => files.map((file) => join(path, file)));
  const share = all / 100 / Math.max(1, candidates.length);
  for (const file of candidates) {
    if (random() >= share || file.endsWith(GROWING)) continue;
    const { size } = await stat(file);
    await writeFile(file, size > 131_072 ? noise(random, size) : text(random, size));
  }
  if (kind === 'clustered') await grow(join(tree, GROWING), random);
}

/** The large file of a tree: a log. */
export async function writeGrowing(tree: string, bytes: number, random: () => number): Promise<void> {
  const file = join(tree, GROWING);
  await writeFile(file, '');
  await truncate(file, 0);
  const piece = 4 << 20;
  for (let written = 0; written < bytes; written += piece) await appendFile(file, text(random, Math.min(piece, bytes - written)));
}

async function grow(file: string, random: () => number): Promise<void> {
  const { size } = await stat(file);
  await appendFile(file, text(random, Math.ceil(size / 100)));
}

async function foldersOf(folder: string): Promise<readonly { readonly path: string; readonly files: readonly string[] }[]> {
  const entries = (await readdir(folder, { withFileTypes: true })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const below = await Promise.all(entries.filter((entry) => entry.isDirectory()).map(({ name }) => foldersOf(join(folder, name))));
  return [{ path: folder, files: entries.filter((entry) => entry.isFile()).map(({ name }) => name) }, ...below.flat()];
}
