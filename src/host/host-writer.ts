import { constants } from 'node:fs';
import { lstat, mkdir, open, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { randomBytes } from 'node:crypto';
import type { HostWriter } from '../domain/host-writer.ts';
import { McadsError, messageOf } from '../errors.ts';
import { utimeOf } from './node-times.ts';

/** Configuration files of this machine, written so that a reader sees the old or the new one. Rejects `forbidden` and `store-failed` by path. */
export function hostWriter(): HostWriter {
  return {
    write: async (path, bytes, options) => translated(`writing ${path}`, () => write(path, bytes, options)),
    rename: async (from, to) => translated(`renaming ${from}`, () => renameIfThere(from, to)),
    remove: async (path) => translated(`removing ${path}`, () => rm(path, { force: true })),
    removeEmptyDirectory: async (path) => translated(`removing ${path}`, () => removeEmpty(path)),
  };
}

async function write(
  path: string,
  bytes: Uint8Array,
  { mode, mtimeMs }: { readonly mode: number; readonly mtimeMs: number },
): Promise<string | null> {
  const directory = dirname(path);
  const made = (await mkdir(directory, { recursive: true })) ?? null;
  const part = join(directory, `.${basename(path).slice(0, 100)}.${randomBytes(6).toString('hex')}.part`);
  try {
    {
      // Private until it is whole: it may be a key.
      await using file = await open(part, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
      await file.writeFile(bytes);
      await file.chmod(mode & 0o7777);
      await file.utimes(utimeOf(mtimeMs / 1000), utimeOf(mtimeMs / 1000));
      await file.sync();
    }
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  await syncDirectory(directory);
  return made;
}

async function renameIfThere(from: string, to: string): Promise<boolean> {
  try {
    await lstat(from);
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return false;
    throw error;
  }
  await rename(from, to);
  await syncDirectory(dirname(to));
  return true;
}

async function removeEmpty(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    if (['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EBUSY'].some((code) => hasCode(error, code))) return;
    throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await directory.sync();
}

async function translated<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (hasCode(error, 'EACCES') || hasCode(error, 'EPERM'))
      throw new McadsError('forbidden', `no permission: ${doing}`, { hint: 'run with sudo', cause: error });
    throw new McadsError('store-failed', `${doing} failed: ${messageOf(error)}`, { cause: error });
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
