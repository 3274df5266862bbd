import { chmod, lstat, readdir, rm, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { MadePlace } from '../domain/restore.ts';
import { isStagingName } from '../stream/restore-commands.ts';

type LocalPlace = NonNullable<MadePlace['local']>;

/**
 * The time of a file or folder by the clock of its own filesystem, which may be another machine's. Whatever is put there, renamed or written
 * from now on has a later one; restored times of content say nothing about that. Null where nothing is there.
 */
export async function stampPlace(path: string): Promise<string | null> {
  const before = await lstat(path).catch(() => null);
  if (before === null || before.isSymbolicLink()) return null;
  await chmod(path, before.mode & 0o7777);
  return String((await lstat(path, { bigint: true })).ctimeNs);
}

/** Takes away what a restore made, unless something was changed or put there since. */
export async function removeUnchanged(place: LocalPlace): Promise<'removed' | 'changed' | 'gone'> {
  const { path, isFile, companions, createdFrom, stamp } = place;
  const now = await lstat(path, { bigint: true }).catch(() => null);
  if (now === null) return 'gone';
  if (now.isDirectory() === isFile || (isFile ? now.ctimeNs > BigInt(stamp) : await hasNewer(path, now.dev, BigInt(stamp))))
    return 'changed';
  if (isFile) {
    for (const companion of companions) if (await holdsSomething(companion)) return 'changed';
    for (const one of [path, ...companions]) await rm(one, { force: true });
  } else {
    for (const name of await readdir(path, { encoding: 'buffer' })) {
      if (!isStagingName(name.toString('latin1'))) await rm(below(path, name), { recursive: true, force: true });
    }
  }
  if (createdFrom === null) return 'removed';
  for (let at = isFile ? dirname(path) : path; at === createdFrom || at.startsWith(`${createdFrom}/`); at = dirname(at)) {
    if (
      !(await rmdir(at).then(
        () => true,
        () => false, // something else is in it
      ))
    )
      break;
  }
  return 'removed';
}

/** Another filesystem in it was mounted since. Names of removed entries are no matter: they would be removed anyway. */
async function hasNewer(folder: string | Buffer, device: bigint, stamp: bigint): Promise<boolean> {
  for (const name of await readdir(folder, { encoding: 'buffer' })) {
    const path = below(folder, name);
    if (isStagingName(name.toString('latin1'))) continue;
    const { ctimeNs, dev, ...entry } = await lstatOf(path);
    if (ctimeNs > stamp || dev !== device) return true;
    if (entry.isDirectory && (await hasNewer(path, device, stamp))) return true;
  }
  return false;
}

async function lstatOf(path: Buffer): Promise<{ readonly ctimeNs: bigint; readonly dev: bigint; readonly isDirectory: boolean }> {
  const info = await lstat(path, { bigint: true });
  return { ctimeNs: info.ctimeNs, dev: info.dev, isDirectory: info.isDirectory() };
}

/** A database that is only read gets an empty log and a memory of its own beside it. */
async function holdsSomething(path: string): Promise<boolean> {
  return !path.endsWith('-shm') && ((await lstat(path).catch(() => null))?.size ?? 0) > 0;
}

function below(folder: string | Buffer, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(folder), Buffer.from('/'), name]);
}
