import { chmod, chown, lstat, mkdir, opendir, realpath, rm, rmdir, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { PlaceReport, TreePlace } from '../domain/restore.ts';
import type { TreeTarget } from '../domain/restore-ports.ts';
import type { JsonObject } from '../domain/byte-stream.ts';
import { McadsError, messageOf } from '../errors.ts';
import { isStagingName, STAGING_PREFIX } from '../stream/restore-commands.ts';
import { ScriptTarget, stagingOf } from '../stream/script-target.ts';
import { gnuPrograms } from './gnu-programs.ts';
import { localScripts } from './local-script.ts';
import { NodeTarget } from './node-target.ts';
import { checkSqlite } from './sqlite-copy.ts';
import { isReadOnly, mountsIn } from './mounts.ts';
import { repositoriesBelow } from './other-repository.ts';

/** What `Engine.probePlace` promises, for a path of this machine. */
export async function probeLocalPlace(place: TreePlace, findsRepositories = false): Promise<PlaceReport> {
  const folder = folderOf(place);
  const createdFrom = await missingFrom(folder);
  const nearest = createdFrom === null ? folder : dirname(createdFrom);
  const space = await statfs(nearest, { bigint: true });
  const { dev, ino } = await stat(nearest, { bigint: true });
  const file = place.singleFile === null ? null : await stateOf(join(folder, place.singleFile));
  return {
    exists: createdFrom === null && file !== 'missing',
    createdFrom,
    isEmpty: createdFrom !== null || (place.singleFile === null ? await isEmpty(folder) : file === 'missing'),
    transport: 'local',
    swaps: true,
    freeBytes: Number(space.bavail * BigInt(space.bsize)),
    freeInodes: space.files === 0n ? null : Number(space.ffree),
    filesystem: String(dev),
    rootInode: createdFrom === null ? String(ino) : null,
    nestedMounts: createdFrom === null && place.singleFile === null ? await mountsIn(folder) : [],
    repositories: findsRepositories && createdFrom === null && place.singleFile === null ? await repositoriesBelow(folder) : [],
    readOnly: await isReadOnly(nearest),
    owner: place.singleFile === null || createdFrom !== null ? null : await ownerOf(join(folder, place.singleFile)),
  };
}

/** What `Engine.openTarget` promises: by GNU's programs where they are. */
export async function openLocalTarget(place: TreePlace, signal: AbortSignal): Promise<TreeTarget> {
  const folder = folderOf(place);
  await makeFolder(folder);
  const root = await realpath(folder);
  const name = place.singleFile === null ? folder : join(folder, place.singleFile);
  signal.throwIfAborted();
  return (await gnuPrograms()).tarVersion === null ? new NodeTarget(place, root, name) : new LocalTarget(place, root, name);
}

class LocalTarget extends ScriptTarget {
  readonly #root: string;

  constructor(place: TreePlace, root: string, name: string) {
    super(localScripts(), { place, transport: 'local', root, name });
    this.#root = root;
  }

  async checkDatabase(run: string, signal: AbortSignal): Promise<JsonObject> {
    return checkSqlite(join(this.#root, stagingOf(run, this.place), 'new', this.place.singleFile ?? ''), signal);
  }
}

/** A folder that a restore made, with all that came into it. */
export async function removeLocalFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}

/** What `Engine.removeEmptyFolders` promises. */
export async function removeEmptyLocalFolders(topmost: string, path: string): Promise<boolean> {
  for (let at = path; ; at = dirname(at)) {
    try {
      await rmdir(at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') {
        if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOTDIR') return false;
        throw error;
      }
    }
    if (at === topmost || at === dirname(at)) return true;
  }
}

function folderOf({ mount }: TreePlace): string {
  if (mount.type === 'bind') return mount.hostPath;
  throw new McadsError('component-failed', `volume ${mount.name} cannot be restored without Docker`);
}

/** Topmost missing directory of a path; null where all are there. */
async function missingFrom(path: string): Promise<string | null> {
  let missing: string | null = null;
  for (let at = path; (await stateOf(at)) === 'missing'; at = dirname(at)) missing = at;
  return missing;
}

async function stateOf(path: string): Promise<'missing' | 'there'> {
  return lstat(path).then(
    () => 'there' as const,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return 'missing' as const;
      throw new McadsError('forbidden', `${path} cannot be looked at: ${messageOf(error)}`, { hint: 'run with sudo', cause: error });
    },
  );
}

/** Null for what is no file. */
async function ownerOf(path: string): Promise<NonNullable<PlaceReport['owner']> | null> {
  const info = await lstat(path).catch(() => null);
  return info?.isFile() === true ? { mode: info.mode & 0o7777, uid: info.uid, gid: info.gid } : null;
}

async function isEmpty(folder: string): Promise<boolean> {
  for await (const entry of await opendir(folder)) if (!entry.name.startsWith(STAGING_PREFIX) && !isStagingName(entry.name)) return false;
  return true;
}

/** Each owned as its parent is. */
async function makeFolder(path: string): Promise<void> {
  if ((await stateOf(path)) === 'there') return;
  const parent = dirname(path);
  await makeFolder(parent);
  try {
    await mkdir(path);
    await chmod(path, 0o755);
    const { uid, gid } = await lstat(parent);
    if (process.getuid?.() === 0) await chown(path, uid, gid);
  } catch (error) {
    throw new McadsError('forbidden', `${basename(path)} cannot be made in ${parent}: ${messageOf(error)}`, {
      hint: 'run with sudo',
      cause: error,
    });
  }
}
