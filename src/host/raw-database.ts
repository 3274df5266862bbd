import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, chown, mkdir, rm, stat, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { FolderOfCopies } from '../domain/host.ts';
import { McadsError } from '../errors.ts';
import { SQLITE_COMPANIONS } from './sqlite-files.ts';

/**
 * The files of an SQLite database byte by byte, with its logs: what there is of one that cannot be copied as a database. In a folder of the spool
 * folder until it is disposed of. Rejects `component-failed`.
 */
export async function copyRawDatabase(path: string, spoolDirectory: string, signal: AbortSignal): Promise<FolderOfCopies> {
  const folder = join(spoolDirectory, `raw-${randomBytes(6).toString('hex')}`);
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    await mkdir(folder, { mode: 0o700 });
    // The shared memory is made again from the log.
    for (const suffix of ['', ...SQLITE_COMPANIONS.filter((one) => one !== '-shm')])
      await copyAsIs(`${path}${suffix}`, join(folder, `${basename(path)}${suffix}`), suffix !== '', signal);
    return { path: folder, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    signal.throwIfAborted();
    throw new McadsError('component-failed', `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

async function copyAsIs(from: string, to: string, mayBeMissing: boolean, signal: AbortSignal): Promise<void> {
  const info = await stat(from).catch((error: NodeJS.ErrnoException) => {
    if (mayBeMissing && error.code === 'ENOENT') return null;
    throw error;
  });
  if (info === null) return;
  await pipeline(createReadStream(from), createWriteStream(to, { mode: 0o600 }), { signal });
  await chown(to, info.uid, info.gid).catch(() => undefined); // root only; as with any other file that is copied
  await chmod(to, info.mode & 0o7777);
  await utimes(to, info.atime, info.mtime);
}
