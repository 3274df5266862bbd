import { constants, createReadStream } from 'node:fs';
import { chown, link, lstat, mkdir, open, rename, rm, rmdir, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createHash, randomBytes } from 'node:crypto';
import type { FileAttributes, HostWriter, WrittenFile } from '../domain/host-writer.ts';
import { McadsError, messageOf } from '../errors.ts';
import { removeUnchanged, stampPlace } from './made-place.ts';
import { utimeOf } from './node-times.ts';

/** Configuration files of this machine, written so that a reader sees the old or the new one. Rejects `forbidden` and `store-failed` by path. */
export function hostWriter(): HostWriter {
  return {
    write: async (path, bytes, options) => translated(`writing ${path}`, () => mustWrite(path, bytes, options)),
    writeNew: async (path, bytes, options) => translated(`writing ${path}`, () => write(path, bytes, options, true)),
    rename: async (from, to) => translated(`renaming ${from}`, () => renameIfThere(from, to)),
    remove: async (path) => translated(`removing ${path}`, () => rm(path, { force: true })),
    stamp: async (path) => translated(`looking at ${path}`, () => stampPlace(path)),
    removeUnchanged: async (place) => translated(`removing ${place.path}`, () => removeUnchanged(place)),
    removeSame: async (path, sha256) => translated(`removing ${path}`, () => removeSame(path, sha256)),
    removeEmptyDirectory: async (path) => translated(`removing ${path}`, () => removeEmpty(path)),
  };
}

async function mustWrite(path: string, bytes: Uint8Array, attributes: FileAttributes): Promise<WrittenFile> {
  const written = await write(path, bytes, attributes, false);
  if (written === null) throw new McadsError('unexpected', `${path} was not written`);
  return written;
}

/** Null where `isNew` and something is there. */
async function write(path: string, bytes: Uint8Array, { mode, owner, mtime }: FileAttributes, isNew: boolean): Promise<WrittenFile | null> {
  if (isNew && (await isThere(path))) {
    // Something else of the same restore may have brought it: a bind of the folder that it lies in.
    const isSame = (await hashOf(path)) === createHash('sha256').update(bytes).digest('hex');
    return isSame ? { hasOwner: true } : null;
  }
  const directory = dirname(path);
  const made = (await mkdir(directory, { recursive: true })) ?? null;
  const part = join(directory, `.${basename(path).slice(0, 100)}.${randomBytes(6).toString('hex')}.part`);
  let hasOwner = true;
  try {
    {
      // Private until it is whole: it may be a key.
      await using file = await open(part, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
      await file.writeFile(bytes);
      hasOwner = owner === null || (await giveTo(file, owner));
      // Whoever gets it instead of its owner gets no program that runs as its owner.
      await file.chmod(mode & (hasOwner ? 0o7777 : 0o1777));
      await file.utimes(utimeOf(Number(mtime)), utimeOf(Number(mtime)));
      await file.sync();
    }
    if (!isNew || !(await linked(part, path))) await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    if (isNew && hasCode(error, 'EEXIST')) return null;
    throw error;
  }
  await syncDirectory(directory);
  if (owner !== null && hasOwner && made !== null)
    for (let at = directory; at === made || at.startsWith(`${made}/`); at = dirname(at)) await chown(at, owner.uid, owner.gid);
  return { hasOwner };
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return false;
    throw error;
  }
}

/** Never over something that came meanwhile, which rejects EEXIST. False on filesystems without hard links. */
async function linked(part: string, path: string): Promise<boolean> {
  try {
    await link(part, path);
  } catch (error) {
    if (hasCode(error, 'EEXIST') || (await isThere(path))) throw error;
    return false;
  }
  await rm(part, { force: true });
  return true;
}

async function removeSame(path: string, sha256: string | undefined): Promise<'removed' | 'changed' | 'gone'> {
  if (!(await isThere(path))) return 'gone';
  if (sha256 !== undefined && (await hashOf(path)) !== sha256) return 'changed';
  await rm(path, { force: true });
  return 'removed';
}

/** Null for what is no file. */
async function hashOf(path: string): Promise<string | null> {
  if (!(await lstat(path)).isFile()) return null;
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) hash.update(piece); // without encoding
  return hash.digest('hex');
}

/** False where we may not; the group is kept where it is one of ours all the same. */
async function giveTo(file: FileHandle, { uid, gid }: NonNullable<FileAttributes['owner']>): Promise<boolean> {
  const now = await file.stat();
  if (now.uid === uid && now.gid === gid) return true;
  if (await mayChown(file, uid, gid)) return true;
  await mayChown(file, now.uid, gid);
  return false;
}

async function mayChown(file: FileHandle, uid: number, gid: number): Promise<boolean> {
  try {
    await file.chown(uid, gid);
    return true;
  } catch (error) {
    // EINVAL: no such user in this user namespace.
    if (hasCode(error, 'EPERM') || hasCode(error, 'EINVAL')) return false;
    throw error;
  }
}

async function renameIfThere(from: string, to: string): Promise<boolean> {
  if (!(await isThere(from))) return false;
  await mkdir(dirname(to), { recursive: true });
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
