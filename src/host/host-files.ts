import { constants } from 'node:fs';
import { glob, open, readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { withAccessList } from './access-lists.ts';
import { secondsOf } from './node-times.ts';
import { openForWriting } from './open-files.ts';
import { repositoriesIn } from './other-repository.ts';
import { rotatingDisk } from './rotating-disk.ts';
import type { FileIdentity, HostFile, HostFiles } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';

/** Configuration files are small; anything bigger is not configuration. */
const MAX_CONFIG_BYTES = 64 * 1024 * 1024;

/** The files of this machine, for the docker strategy: configuration, and telling our own folders from the project's. */
export function hostFiles(): HostFiles {
  return {
    readFile,
    identify,
    rotatingDisk: (path) => rotatingDisk(path),
    openForWriting: (paths) => openForWriting(paths),
    withAccessList,
    namesIn,
    repositoriesIn: (folder) => repositoriesIn(folder),
    glob: globFiles,
  };
}

async function readFile(path: string): Promise<HostFile | null> {
  try {
    // Not blocking: a FIFO named in a Compose file must not hang the run.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const info = await file.stat({ bigint: true });
    if (!info.isFile()) return null;
    if (info.size > MAX_CONFIG_BYTES) {
      throw new McadsError('component-failed', `${path} is named as configuration and holds ${info.size} bytes`, {
        hint: 'mount it as a volume or bind instead',
      });
    }
    return {
      path,
      bytes: await file.readFile(),
      mode: Number(info.mode & 0o7777n),
      owner: { uid: Number(info.uid), gid: Number(info.gid) },
      mtime: secondsOf(info.mtimeNs),
    };
  } catch (error) {
    if (isMissing(error)) return null;
    if (hasCode(error, 'EACCES') || hasCode(error, 'EPERM'))
      throw new McadsError('forbidden', `no permission to read ${path}`, { hint: 'run with sudo', cause: error });
    throw error;
  }
}

async function identify(path: string): Promise<FileIdentity | null> {
  try {
    const info = await stat(path, { bigint: true });
    const type = info.isDirectory() ? 'directory' : info.isFile() ? 'file' : info.isSocket() ? 'socket' : 'other';
    return { device: String(info.dev), inode: String(info.ino), type, realPath: await realpath(path) };
  } catch (error) {
    if (isMissing(error)) return null;
    if (hasCode(error, 'EACCES')) return { device: '', inode: '', type: 'directory', realPath: path };
    throw error;
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw new McadsError('forbidden', `${folder} cannot be listed`, { hint: 'run with sudo', cause: error });
  }
}

async function globFiles(directory: string, patterns: readonly string[]): Promise<readonly string[]> {
  const found = new Set<string>();
  for await (const entry of glob([...patterns], { cwd: directory, withFileTypes: true })) {
    if (entry.isFile()) found.add(join(entry.parentPath, entry.name));
  }
  return [...found].toSorted();
}

function isMissing(error: unknown): boolean {
  return hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR');
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
