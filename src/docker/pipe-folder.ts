import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { promisify } from 'node:util';
import type { ContainerJson } from './engine-api.ts';
import { pidNamespace, processStart } from './owner.ts';

const run = promisify(execFile);
const PREFIX = 'mcads-pipes-';
const PIPES_AT_ONCE = 32;

/** What the engine mounts: a host path, or a volume that this container and the helper share. */
export type PipeMount = { readonly type: 'bind'; readonly source: string } | { readonly type: 'volume'; readonly source: string };

/**
 * A private folder of FIFOs that a helper has mounted. The outer folder (0700, ours) keeps others on this host away; the inner
 * one is what is mounted, and any user inside the helper may use it. The name tells its maker, so that what a killed process
 * leaves is found and removed.
 */
export interface PipeFolder extends AsyncDisposable {
  readonly mount: PipeMount;
  /** Where the folder lies below the mount, `''` for the mount itself. */
  readonly below: string;
  /** Makes a FIFO; its path here, and its path below the helper's mount point. */
  createPipe(): Promise<{ readonly path: string; readonly below: string }>;
}

/** Null where no folder can be shared with the engine, or this machine has no `mkfifo`. */
export async function openPipeFolder(
  environment: Readonly<Record<string, string | undefined>>,
  own: ContainerJson | null,
): Promise<PipeFolder | null> {
  for (const base of baseFolders(environment)) {
    const mounted = own === null ? { mount: { type: 'bind' as const, source: base }, below: '' } : sharedWith(own, base);
    if (mounted === null) continue;
    await removeDeadPipeFolders(base);
    const outer = await makeFolder(base);
    if (outer !== null) return folderIn(outer, posix.join(mounted.below, outer.slice(base.length + 1)), mounted.mount);
  }
  return null;
}

/** Removes the folders below `base` whose makers are dead. Only what lies in our own process namespace can be judged. */
export async function removeDeadPipeFolders(base: string): Promise<readonly string[]> {
  const namespace = await pidNamespace();
  const removed: string[] = [];
  for (const name of await readdir(base).catch(() => [])) {
    const [space, pid, start] = name.startsWith(PREFIX) ? name.slice(PREFIX.length).split('-') : [];
    if (space === undefined || space !== namespace || pid === undefined || !/^\d+$/.test(pid)) continue;
    const path = join(base, name);
    const found = await lstat(path).catch(() => null);
    if (found?.isDirectory() !== true || found.uid !== process.getuid?.() || (await processStart(Number(pid))) === start) continue;
    await rm(path, { recursive: true, force: true });
    removed.push(path);
  }
  return removed;
}

export function baseFolders(environment: Readonly<Record<string, string | undefined>>): readonly string[] {
  // /run first: under systemd's PrivateTmp= our /tmp is not the engine's.
  const named = [
    environment['XDG_RUNTIME_DIR'],
    process.getuid?.() === 0 ? '/run' : undefined,
    environment['TMPDIR'],
    tmpdir(),
    '/dev/shm',
  ];
  return [...new Set(named.filter((folder): folder is string => folder?.startsWith('/') === true).map((folder) => posix.resolve(folder)))];
}

async function makeFolder(base: string): Promise<string | null> {
  const maker = `${(await pidNamespace()) ?? 0}-${process.pid}-${(await processStart(process.pid)) ?? 0}`;
  try {
    const outer = await mkdtemp(join(base, `${PREFIX}${maker}-`));
    await mkdir(join(outer, 'pipes'));
    await chmod(join(outer, 'pipes'), 0o711);
    return outer;
  } catch {
    return null; // not writable: the next folder is tried
  }
}

async function folderIn(outer: string, below: string, mount: PipeMount): Promise<PipeFolder> {
  // A bind mounts the inner folder itself; of a shared volume the helper sees all and uses the inner folder.
  const inner = join(outer, 'pipes');
  const isBind = mount.type === 'bind';
  const ready: string[] = [];
  let making: Promise<void> | null = null;
  // Starting a process costs this one, with all its memory, tens of milliseconds: one makes many.
  const make = async (): Promise<void> => {
    const names = Array.from({ length: PIPES_AT_ONCE }, () => randomBytes(8).toString('hex'));
    // A helper's root has no right to write what others own: the FIFO lets everybody in, the outer folder nobody.
    await run('mkfifo', ['-m', '666', '--', ...names.map((name) => join(inner, name))]);
    ready.push(...names);
  };
  const take = async (): Promise<string> => {
    for (let name = ready.pop(); ; name = ready.pop()) {
      if (name !== undefined) return name;
      making ??= make().finally(() => {
        making = null;
      });
      await making;
    }
  };
  return {
    mount: isBind ? { type: 'bind', source: posix.join(mount.source, below, 'pipes') } : mount,
    below: isBind ? '' : posix.join(below, 'pipes'),
    async createPipe() {
      const name = await take();
      return { path: join(inner, name), below: isBind ? name : posix.join(below, 'pipes', name) };
    },
    [Symbol.asyncDispose]: async () => rm(outer, { recursive: true, force: true }),
  };
}

/** The mount of our own container that holds `base`: its volume, or its host folder. */
function sharedWith(own: ContainerJson, base: string): { readonly mount: PipeMount; readonly below: string } | null {
  const holder = (own.Mounts ?? [])
    .filter(({ Destination: target, RW: writable }) => writable === true && (base === target || base.startsWith(`${target}/`)))
    .sort((a, b) => b.Destination.length - a.Destination.length)[0];
  if (holder === undefined) return null;
  const below = base.slice(holder.Destination.length).replace(/^\//, '');
  if (holder.Type === 'volume' && holder.Name !== undefined) return { mount: { type: 'volume', source: holder.Name }, below };
  if (holder.Type === 'bind' && holder.Source !== undefined) return { mount: { type: 'bind', source: holder.Source }, below };
  return null;
}
