import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { link, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { release } from 'node:os';
import { dirname } from 'node:path';
import { McadsError, messageOf } from '../../errors.ts';

/* Small durable file operations, errors translated. */

export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Turns what the filesystem says into `forbidden` or `store-failed`; passes McadsErrors through. */
export function storeError(error: unknown, doing: string): McadsError {
  if (error instanceof McadsError) return error;
  const code = errnoOf(error);
  const details = { cause: error, ...(code === undefined ? {} : { context: { errno: code } }) };
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return new McadsError('forbidden', `no permission ${doing}: ${messageOf(error)}`, {
        ...details,
        hint: "Run as the repository's owner (or with sudo).",
      });
    case 'EROFS':
      return new McadsError('store-failed', `the repository is on a read-only filesystem: failed ${doing}`, {
        ...details,
        hint: 'Remount it read-write, or choose another --repository.',
      });
    case 'ENOSPC':
    case 'EDQUOT':
      return new McadsError('store-failed', `the repository is full: failed ${doing}: ${messageOf(error)}`, {
        ...details,
        hint: 'Free space there, then run again; what was stored for good is used again. `prune` removes old snapshots, and needs a few free KB itself.',
      });
    case undefined:
    default:
      return new McadsError('store-failed', `failed ${doing}: ${messageOf(error)}`, {
        ...details,
        hint: 'Check the disk that holds the repository.',
      });
  }
}

/** The error of a call that failed in a thread, which can hand over no more than its words. */
export function failedCall(doing: string, message: string, errno: string | undefined): McadsError {
  return storeError(Object.assign(new Error(message), errno === undefined ? {} : { code: errno }), doing);
}

/** Runs a filesystem call and translates its error. */
export async function guarded<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeError(error, doing);
  }
}

/** Of a file only: a pipe in its place would be waited for. */
export async function readPlain(path: string): Promise<Buffer> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if (!(await file.stat()).isFile()) throw new Error(`${path} is no file`);
  return await file.readFile();
}

/** Null where the file or a folder above it does not exist. */
export async function nullIfMissing<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}

export async function syncPath(path: string): Promise<void> {
  await using handle = await open(path, constants.O_RDONLY);
  await handle.sync();
}

/** Makes missing folders, private ones; new names are durable when it returns. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncPath(dirname(made));
}

/** Writes beside the target under a name that listings ignore. */
export async function writeTemporary(target: string, bytes: Uint8Array, sync: boolean): Promise<string> {
  const slash = target.lastIndexOf('/');
  const temporary = `${target.slice(0, slash)}/.${target.slice(slash + 1)}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await using handle = await open(temporary, 'wx', 0o600);
    await handle.writeFile(bytes);
    if (sync) await handle.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return temporary;
}

/** Gives `temporary` its name where nobody has it yet; false otherwise. The temporary name is gone either way. */
export async function renameIfAbsent(temporary: string, target: string): Promise<boolean> {
  try {
    await link(temporary, target);
    return true;
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'EEXIST') return false;
    // Filesystems without hard links: names are held by leases too, so looking first is enough there.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS' && code !== 'EMLINK') throw error;
    if ((await nullIfMissing(stat(target))) !== null) return false;
    await rename(temporary, target);
    return true;
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Flushes the whole filesystem that holds `path` (`sync -f`, syncfs). False where that is not to be trusted or not to be had:
 * before Linux 5.8 syncfs did not report write errors.
 */
export async function syncFilesystem(path: string): Promise<boolean> {
  if (!kernelReportsSyncErrors()) return false;
  const status = await new Promise<number | null>((resolve) => {
    const child = spawn('sync', ['-f', '--', path], { stdio: 'ignore' });
    child.on('error', () => resolve(null));
    child.on('exit', (code) => resolve(code));
  });
  return status === 0;
}

function kernelReportsSyncErrors(): boolean {
  if (process.platform !== 'linux') return false;
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major > 5 || (major === 5 && minor >= 8);
}
