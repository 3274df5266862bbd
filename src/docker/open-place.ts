import { posix } from 'node:path';
import type { PlaceReport, TreePlace } from '../domain/restore.ts';
import type { ProbeOptions, TreeTarget } from '../domain/restore-ports.ts';
import type { OpenTreeOptions } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { MAKE_PATH, PROBE_PLACE, REMOVE_CREATED, REMOVE_EMPTY } from '../stream/restore-commands.ts';
import { probeScript } from '../stream/tree-commands.ts';
import { openArchivePlace, probeArchivePlace } from './archive-place.ts';
import { UnfitImageError, type HelperContainer } from './helper-container.ts';
import { mountsBelow } from '../stream/mounts-below.ts';
import { textOf } from './helper-tree.ts';
import { helperTarget } from './helper-target.ts';
import { noImage } from './open-tree.ts';
import { isPipeFailure } from './piped-exec.ts';
import { startHelper, withFirstFit } from './start-helper.ts';
import { nameOfMount, toHelperMount, type TreeContext } from './tree-context.ts';
import { toRaw } from '../stream/raw-path.ts';

const PURPOSE = 'restore';
const MOUNT_POINT = '/mcads/target';

/** What it takes to give every file back its owner, mode, capabilities and type. */
const CAPABILITIES = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETFCAP', 'MKNOD'];

interface Opened {
  readonly helper: HelperContainer;
  /** The tree's root in the helper. */
  readonly root: string;
  /** Path below it that is not there. */
  readonly missing: string;
  readonly report: PlaceReport;
}

/** What `Engine.probePlace` promises. */
export async function probePlace(context: TreeContext, place: TreePlace, options: ProbeOptions, signal: AbortSignal): Promise<PlaceReport> {
  if (place.mount.type === 'volume' && !(await volumeExists(context, place.mount.name, signal))) return MISSING_VOLUME;
  const opened = await openHelper(context, place, options, true, signal);
  if (opened === null) return probeArchivePlace(context, place, signal);
  await opened.helper[Symbol.asyncDispose]();
  return opened.report;
}

/** What `Engine.openTarget` promises. */
export async function openTarget(
  context: TreeContext,
  place: TreePlace,
  options: OpenTreeOptions,
  signal: AbortSignal,
): Promise<TreeTarget> {
  const opened = await openHelper(context, place, options, false, signal);
  if (opened === null) return openArchivePlace(context, place, signal);
  const { helper, missing, report } = opened;
  let { root } = opened;
  try {
    if (missing !== '') {
      const made = await textOf(await helper.exec(['sh', '-c', MAKE_PATH, 'sh', root, missing], {}, signal));
      if (made.code !== 0) throw new McadsError('component-failed', `${nameOfPlace(place)} cannot be made: ${made.stderr.trim()}`);
      root = `${root}/${missing}`;
    }
    return helperTarget(helper, place, report.transport === 'pipe', root, nameOfPlace(place));
  } catch (error) {
    await helper[Symbol.asyncDispose]();
    throw error;
  }
}

const MISSING_VOLUME: PlaceReport = {
  exists: false,
  createdFrom: null,
  isEmpty: true,
  transport: 'attach',
  swaps: true,
  freeBytes: null,
  freeInodes: null,
  filesystem: null,
  nestedMounts: [],
  repositories: [],
  readOnly: false,
};

/** What `Engine.removeFolder` promises. */
export async function removeFolder(context: TreeContext, path: string, options: OpenTreeOptions, signal: AbortSignal): Promise<void> {
  const answer = await runAbove(context, path, [REMOVE_CREATED, `./${posix.basename(path)}`], options, signal);
  if (answer !== null && answer.code !== 0) throw new McadsError('component-failed', `${path} cannot be removed: ${answer.stderr.trim()}`);
}

/** What `Engine.removeEmptyFolders` promises. */
export async function removeEmptyFolders(
  context: TreeContext,
  topmost: string,
  path: string,
  options: OpenTreeOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const relative = posix.relative(posix.dirname(topmost), path);
  const answer = await runAbove(context, topmost, [REMOVE_EMPTY, relative, posix.basename(topmost)], options, signal);
  if (answer !== null && answer.code !== 0 && answer.code !== 3)
    throw new McadsError('component-failed', `${topmost} cannot be removed: ${answer.stderr.trim()}`);
  return answer?.code !== 3;
}

/** In the folder that a path lies in; null where that is gone. */
async function runAbove(
  context: TreeContext,
  path: string,
  [script = '', ...args]: readonly string[],
  options: OpenTreeOptions,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<typeof textOf>> | null> {
  const parent: TreePlace = { mount: { type: 'bind', hostPath: posix.dirname(path) }, singleFile: null };
  const opened = await openHelper(context, parent, options, false, signal);
  if (opened === null)
    throw new McadsError('component-failed', `${path} cannot be removed without a helper image`, {
      hint: `remove it yourself: rm -r ${path}`,
    });
  await using helper = opened.helper;
  if (opened.missing !== '') return null;
  return await textOf(await helper.exec(['sh', '-c', script, 'sh', opened.root, ...args], {}, signal));
}

/** Null where only the archive transport is left, or it is asked for. */
async function openHelper(
  context: TreeContext,
  place: TreePlace,
  options: ProbeOptions,
  readOnly: boolean,
  signal: AbortSignal,
): Promise<Opened | null> {
  const { transport } = options;
  if (transport === 'archive') return null;
  const opened = await withFirstFit(context, options, signal, (image) =>
    openWith(context, image, place, { transport, readOnly, finds: options.findsRepositories === true }, signal),
  );
  if (opened === null && transport !== 'auto') throw noImage(nameOfPlace(place), transport);
  return opened;
}

/** Mounts the place, or the nearest folder above it that is there. */
async function openWith(
  context: TreeContext,
  image: string,
  place: TreePlace,
  { transport, readOnly, finds }: { readonly transport: 'auto' | 'pipe' | 'attach'; readonly readOnly: boolean; readonly finds: boolean },
  signal: AbortSignal,
): Promise<Opened> {
  const folder = folderOf(place);
  for (let at = folder; ; at = posix.dirname(at)) {
    const mount = place.mount.type === 'volume' ? place.mount : { type: 'bind' as const, hostPath: at };
    const source = await toHelperMount(context.client, mount, MOUNT_POINT, signal, readOnly);
    let helper: HelperContainer;
    try {
      helper = await startHelper(
        context,
        image,
        { purpose: PURPOSE, source, transport, ...(readOnly ? {} : { capabilities: CAPABILITIES }) },
        signal,
      );
    } catch (error) {
      const isMissing = error instanceof McadsError && error.message.includes('bind source path does not exist');
      if (!isMissing || place.mount.type === 'volume' || at === '/') throw error;
      continue;
    }
    try {
      const missing = place.mount.type === 'volume' ? '' : posix.relative(at, folder);
      return await probe(helper, place, { transport, at, missing, finds }, signal);
    } catch (error) {
      await helper[Symbol.asyncDispose]();
      throw error;
    }
  }
}

async function probe(
  helper: HelperContainer,
  place: TreePlace,
  found: { readonly transport: 'auto' | 'pipe' | 'attach'; readonly at: string; readonly missing: string; readonly finds: boolean },
  signal: AbortSignal,
): Promise<Opened> {
  const single = found.missing === '' ? (place.singleFile ?? '') : '';
  // Not in a folder above a missing one, which may be all of the host.
  const finds = found.finds && found.missing === '' ? 'yes' : '';
  const argv = ['sh', '-c', `${probeScript()} >/dev/null || exit 3\n${PROBE_PLACE}`, 'sh', MOUNT_POINT, single, finds];
  const { answer, piped } = await ask(helper, argv, found.transport, signal);
  if (answer.code === 3)
    throw new UnfitImageError('engine-failed', `no GNU tar, find, sort, xargs and tr there ${answer.stderr.trim().slice(-200)}`);
  if (answer.code !== 0) {
    const why = answer.stderr.trim();
    if (found.at !== '' && place.mount.type === 'bind' && /Not a directory/i.test(why))
      throw new McadsError('component-failed', `${found.at} is no folder, so nothing can be restored into it`);
    throw new McadsError('component-failed', `${nameOfPlace(place)} cannot be looked at: ${why}`);
  }
  const [lines = '', ...repositories] = answer.text.split('\0');
  const [first = '', space = '', inode = '', root = '', ...mountinfo] = lines.split('\n');
  const [kind, filled] = first.split(' ');
  const [filesystem = '', blocks, blockBytes, inodes] = space.split(' ');
  if (single !== '' && kind === 'd')
    throw new McadsError('component-failed', `${nameOfPlace(place)} is a folder now, in the snapshot it is a file`);
  return {
    helper,
    root,
    missing: found.missing,
    report: {
      exists: found.missing === '' && kind !== '-',
      createdFrom: found.missing === '' ? null : posix.join(found.at, found.missing.split('/')[0] ?? ''),
      isEmpty: found.missing !== '' || filled === '0',
      transport: piped ? 'pipe' : 'attach',
      swaps: true,
      freeBytes: Number(blocks) * Number(blockBytes),
      freeInodes: Number(inodes) === 0 ? null : Number(inodes), // filesystems without a table of inodes
      filesystem: filesystem === '' || filesystem === '0' ? null : filesystem,
      rootInode: found.missing === '' ? inode : null,
      nestedMounts: found.missing === '' ? mountsBelow(mountinfo, root).map((path) => toRaw(path)) : [],
      repositories: repositories.slice(0, -1).map((path) => toRaw(path.replace(/^\.\/?/, ''))),
      readOnly: isReadOnly(mountinfo, root),
    },
  };
}

async function ask(helper: HelperContainer, argv: readonly string[], transport: 'auto' | 'pipe' | 'attach', signal: AbortSignal) {
  if (helper.pipes !== null && transport !== 'attach') {
    try {
      return { answer: await textOf(await helper.execPiped(argv, {}, signal)), piped: true };
    } catch (error) {
      if (!isPipeFailure(error) || transport === 'pipe') throw error;
    }
  }
  return { answer: await textOf(await helper.exec(argv, {}, signal)), piped: false };
}

/** Said by the filesystem itself, whatever our own mount of it is. */
function isReadOnly(mountinfo: readonly string[], root: string): boolean {
  const mine = mountinfo.find((line) => line.split(' ')[4] === root);
  const options = mine?.split(' - ')[1]?.split(' ')[2] ?? '';
  return options.split(',').includes('ro');
}

function folderOf({ mount, singleFile }: TreePlace): string {
  if (mount.type === 'volume') return '/';
  const path = posix.normalize(mount.hostPath).replace(/(?<=.)\/+$/, '');
  return singleFile === null ? path : posix.dirname(path);
}

export function nameOfPlace({ mount }: TreePlace): string {
  return nameOfMount(mount);
}

async function volumeExists(context: TreeContext, name: string, signal: AbortSignal): Promise<boolean> {
  return (await context.client.find(`/volumes/${encodeURIComponent(name)}`, {}, `looking at volume ${name}`, signal)) !== null;
}
