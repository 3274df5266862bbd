import type { Bytes } from '../domain/byte-stream.ts';
import type { RawPath } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { tarEvents } from '../stream/archive-reader.ts';
import { printableRaw } from '../stream/catalogue.ts';
import { encodePaxMember, encodeTarHeader, TRAILER } from '../stream/tar-header.ts';
import { namedHeader } from '../stream/tar-name.ts';
import { isNamedHere } from '../stream/tar-rename.ts';
import type { TarMember } from '../stream/tar-scanner.ts';
import type { CheckedTree } from './check-archive.ts';
import { HostileMembers } from './tree-selection.ts';

const LARGEST_OWNER = 0o7777777;

export interface RebaseOptions {
  /** What becomes the tree's root; '' where it is. */
  readonly prefix: RawPath;
  /** Null: somebody else has seen to it that hard links come behind what they link to. */
  readonly linkTargets: CheckedTree['linkTargets'] | null;
  /**
   * Make the directories that the tar lacks (`tar czf config.tar.gz nginx/site.conf`) as `tar -x` does, with the owner and time of what they are made for.
   */
  readonly makesMissing: boolean;
}

/**
 * A tar in walk order as a tree's component holds it: named from the folder `prefix` on. Rejects `damaged` for what could be written outside of the
 * tree.
 */
export async function* rebasedTar(
  tar: Bytes,
  { prefix, linkTargets, makesMissing }: RebaseOptions,
  what: string,
): AsyncGenerator<Uint8Array> {
  const hostileMembers = new HostileMembers();
  const directories: RawPath[] = [];
  const seenTargets = new Set<RawPath>();
  let keep = false;
  let before: RawPath | null = null;
  for await (const event of tarEvents(tar, what)) {
    if (event.kind === 'data') {
      if (keep) yield event.bytes;
      continue;
    }
    const { member } = event;
    const path = below(member.path, prefix);
    keep = path !== null;
    if (path === null) continue;
    const target = member.type === 'link' ? below(member.target ?? '', prefix) : null;
    const isBroken = linkTargets !== null && !seenTargets.has(member.target ?? '');
    if (member.type === 'link' && (target === null || isBroken)) throw unlinked(what, member.path);
    if (linkTargets?.has(member.path) === true) seenTargets.add(member.path);
    if (path === '' && member.type !== 'd' && makesMissing) throw noTree(what, member);
    hostileMembers.assertHarmless({ ...member, path, target: target ?? member.target, extensions: '' });
    for (const missing of makesMissing ? missingDirectories(directories, path) : []) {
      if (missing === before) throw noTree(what, member);
      yield directoryHeader(missing, member);
      directories.push(missing);
    }
    if (member.type === 'd') directories.push(path);
    else before = path;
    const isAsStored = prefix === '' && isNamedHere(member) && /^x?$/.test(member.extensions);
    yield isAsStored ? member.header : namedHeader(member, `./${path}`, target === null ? null : `./${target}`);
  }
  if (directories.length === 0 && makesMissing) yield directoryHeader('', { uid: 0, gid: 0, mtime: '0' });
  yield TRAILER;
}

/** Null for what leads to the prefix. */
function below(path: RawPath, prefix: RawPath): RawPath | null {
  if (prefix === '') return path;
  if (path === prefix) return '';
  return path.startsWith(`${prefix}/`) ? path.slice(prefix.length + 1) : null;
}

/** Cuts the stack back to what leads to the path, and says what is not on it yet. */
function missingDirectories(directories: RawPath[], path: RawPath): readonly RawPath[] {
  const leadsTo = (directory: RawPath): boolean => directory === '' || path.startsWith(`${directory}/`);
  while (directories.length > 0 && !leadsTo(directories.at(-1) ?? '')) directories.pop();
  if (path === '') return [];
  const names = path.split('/').slice(0, -1);
  const ancestors = ['', ...names.map((_, index) => names.slice(0, index + 1).join('/'))];
  return ancestors.filter((ancestor) => !directories.includes(ancestor));
}

function directoryHeader(path: RawPath, { uid, gid, mtime }: Pick<TarMember, 'uid' | 'gid' | 'mtime'>): Buffer {
  const name = path === '' ? './' : `./${path}/`;
  const header = encodeTarHeader({
    name,
    type: '5',
    mode: 0o755,
    uid: Math.min(uid, LARGEST_OWNER),
    gid: Math.min(gid, LARGEST_OWNER),
    size: 0,
    mtime: Number(mtime),
    linkName: '',
  });
  // oxlint-disable-next-line no-control-regex -- exactly the printable bytes of ASCII
  if (name.length <= 100 && !/[^\x20-\x7e]/.test(name)) return header;
  return Buffer.concat([encodePaxMember([['path', name]], './PaxHeaders/directory'), header]);
}

function unlinked(what: string, path: RawPath): McadsError {
  return new McadsError('damaged', `${what} holds a hard link to a file that it does not hold: ${printableRaw(path)}`, {
    hint: 'get another copy of it; nothing was imported',
  });
}

function noTree(what: string, { path }: Pick<TarMember, 'path'>): McadsError {
  return new McadsError('damaged', `${what} holds ${printableRaw(path)} in a place that is no directory`, {
    hint: 'this was not written by a backup; do not extract it with other tools either',
  });
}
