import type { BigIntStats } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { treeScan, type EntryType, type RawPath, type RawPaths, type TreeEntry, type TreeScan } from '../domain/tree.ts';

/** A path below a folder as the filesystem takes it. */
export function bytesOf(folder: string, path: RawPath): Buffer {
  return Buffer.concat([Buffer.from(path === '' ? folder : `${folder}/`, 'utf8'), Buffer.from(path, 'latin1')]);
}

/** Every entry in walk order, as GNU find would list them; other filesystems are not entered. */
export function walkTree(
  folder: string,
  start: RawPath,
  isLeftOut: (entry: TreeEntry) => boolean = () => false,
  prune: ReadonlySet<RawPath> = new Set(),
): TreeScan {
  const problems: string[] = [];
  const { promise: done, resolve } = Promise.withResolvers<{ readonly problems: readonly string[] }>();
  async function* entries(): AsyncGenerator<TreeEntry> {
    try {
      const root = await entryOf(folder, start);
      if (root === null) return;
      yield* below(root, root.device);
    } finally {
      resolve({ problems });
    }
  }
  async function* below(entry: TreeEntry, device: string): AsyncGenerator<TreeEntry> {
    if (isLeftOut(entry)) return;
    yield entry;
    if (entry.type !== 'd' || entry.device !== device || prune.has(entry.path)) return;
    for (const name of await namesIn(folder, entry.path, problems)) {
      const child = await entryOf(folder, entry.path === '' ? name : `${entry.path}/${name}`);
      if (child !== null) yield* below(child, device);
    }
  }
  return treeScan(eachAlone(entries()), done);
}

/** The same entries again; vanished ones are left out. */
export function restatTree(folder: string, paths: RawPaths): TreeScan {
  async function* entries(): AsyncGenerator<TreeEntry> {
    for await (const path of oneByOne(paths)) {
      const entry = await entryOf(folder, path);
      if (entry !== null) yield entry;
    }
  }
  return treeScan(eachAlone(entries()), Promise.resolve({ problems: [] }));
}

/** Paths one by one, however they come. */
export async function* oneByOne(paths: RawPaths): AsyncGenerator<RawPath> {
  for await (const some of paths) {
    if (typeof some === 'string') yield some;
    else yield* some;
  }
}

async function* eachAlone(entries: AsyncIterable<TreeEntry>): AsyncGenerator<Iterable<TreeEntry>> {
  for await (const entry of entries) yield [entry];
}

/** Null where it is gone. */
export async function entryOf(folder: string, path: RawPath): Promise<TreeEntry | null> {
  const place = bytesOf(folder, path);
  try {
    const info = await lstat(place, { bigint: true });
    const type = typeOf(info);
    return {
      path,
      type,
      mode: Number(info.mode) & 0o7777,
      uid: Number(info.uid),
      gid: Number(info.gid),
      size: Number(info.size),
      mtime: seconds(info.mtimeNs),
      ctime: seconds(info.ctimeNs),
      device: String(info.dev),
      inode: String(info.ino),
      links: Number(info.nlink),
      target: type === 'l' ? (await readlink(place, { encoding: 'buffer' })).toString('latin1') : null,
    };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}

async function namesIn(folder: string, path: RawPath, problems: string[]): Promise<readonly RawPath[]> {
  try {
    const names = await readdir(bytesOf(folder, path), { encoding: 'buffer' });
    return names.map((name) => name.toString('latin1')).toSorted((a, b) => (a < b ? -1 : 1));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'ENOENT') problems.push(`find: './${path}': ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}

function typeOf(info: BigIntStats): EntryType {
  if (info.isFile()) return 'f';
  if (info.isDirectory()) return 'd';
  if (info.isSymbolicLink()) return 'l';
  if (info.isFIFO()) return 'p';
  if (info.isBlockDevice()) return 'b';
  return info.isCharacterDevice() ? 'c' : 's';
}

/** `seconds.nanoseconds`; before 1970 the sign stands for the whole number. */
function seconds(ns: bigint): string {
  const sign = ns < 0n ? '-' : '';
  const size = ns < 0n ? -ns : ns;
  return `${sign}${size / 1_000_000_000n}.${String(size % 1_000_000_000n).padStart(9, '0')}`;
}
