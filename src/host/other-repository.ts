import { opendir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { RawPath } from '../domain/tree.ts';
import { isStagingName } from '../stream/restore-commands.ts';
import { toRaw } from '../stream/raw-path.ts';

const LARGEST = 64 * 1024;

/** True for the `repository.json` of a repository of this tool, of whatever version. */
export async function isRepository(file: string): Promise<boolean> {
  try {
    if ((await stat(file)).size > LARGEST) return false;
    const json: unknown = JSON.parse(await readFile(file, 'utf8'));
    const isOurs = typeof json === 'object' && json !== null && 'format' in json && 'chunker' in json;
    return isOurs && (await stat(join(dirname(file), 'chunks'))).isDirectory();
  } catch {
    return false; // no JSON, not to be read, or no chunks beside it
  }
}

/** All in a folder, relative to it; `''` for the folder itself. What cannot be entered is left out. */
export async function repositoriesBelow(folder: string): Promise<readonly RawPath[]> {
  const found: RawPath[] = [];
  const open = [''];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const path = at === '' ? folder : join(folder, at);
    const entries = await opendir(path).catch(() => null);
    if (entries === null) continue;
    let isOne = false;
    const folders: string[] = [];
    for await (const entry of entries) {
      if (entry.isDirectory() && !isStagingName(entry.name)) folders.push(at === '' ? entry.name : `${at}/${entry.name}`);
      if (entry.name === 'repository.json' && entry.isFile()) isOne = await isRepository(join(path, entry.name));
    }
    if (isOne) found.push(toRaw(at));
    else open.push(...folders);
  }
  return found;
}

/** Of a folder with very many names no more are looked at. */
const MOST_NAMES = 5000;

/** The usual places: a folder itself, and what lies right in it. */
export async function repositoriesIn(folder: string): Promise<readonly string[]> {
  const entries = await opendir(folder).catch(() => null);
  if (entries === null) return [];
  const found: string[] = (await isRepository(join(folder, 'repository.json'))) ? [folder] : [];
  let names = 0;
  for await (const entry of entries) {
    names += 1;
    if (names > MOST_NAMES) break;
    if (entry.isDirectory() && (await isRepository(join(folder, entry.name, 'repository.json')))) found.push(join(folder, entry.name));
  }
  return found;
}
