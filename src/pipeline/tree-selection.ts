import type { ManifestArtifact } from '../domain/manifest.ts';
import type { SnapshotRepository } from '../domain/ports.ts';
import type { RawPath, Segment } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { decodeRaw, parseCatalogue, printableRaw } from '../stream/catalogue.ts';
import { BLOCK } from '../stream/tar-header.ts';
import { leadsOut, renamedHeader } from '../stream/tar-rename.ts';
import { scanTar, TarSplitter, type TarEvent, type TarMember } from '../stream/tar-scanner.ts';
import { pathFilter, rawPathOf } from './select-components.ts';

/** Which members of a tree are wanted and where they are. */
export interface TreeSelection {
  /** Null: every segment. */
  readonly segments: ReadonlySet<number> | null;
  readonly isSelected: (path: RawPath) => boolean;
  /** First names outside the selection → the first selected name of the same file, which takes its place. */
  readonly renamed: ReadonlyMap<RawPath, RawPath>;
  readonly entries: number;
  readonly bytes: number;
  readonly torn: readonly string[];
  /** Type of the only selected entry; null when there are more. */
  readonly onlyType: string | null;
}

/** Finds in the catalogue what the paths (null: everything) need, first names of hard links outside of them included. */
export async function selectTree(
  repository: SnapshotRepository,
  catalogue: ManifestArtifact,
  paths: readonly RawPath[] | null,
  signal: AbortSignal,
): Promise<TreeSelection> {
  const isSelected = pathFilter(paths);
  const segments = new Set<number>();
  const renamed = new Map<RawPath, RawPath>();
  const torn: string[] = [];
  const found = { entries: 0, bytes: 0, type: '' };
  for await (const entry of parseCatalogue(repository.read(catalogue, signal))) {
    const path = rawPathOf(entry);
    if (!isSelected(path)) continue;
    found.entries += 1;
    found.bytes += entry.type === 'f' ? entry.size : 0;
    found.type = entry.type;
    if (entry.torn === true) torn.push(printableRaw(path));
    if (paths !== null) segments.add(entry.segment);
    const link = decodeRaw(entry, 'link');
    if (link !== null && !isSelected(link) && !renamed.has(link)) renamed.set(link, path);
  }
  if (renamed.size > 0) {
    for await (const entry of parseCatalogue(repository.read(catalogue, signal)))
      if (renamed.has(rawPathOf(entry))) segments.add(entry.segment);
  }
  return {
    segments: paths === null ? null : segments,
    isSelected,
    renamed,
    entries: found.entries,
    bytes: found.bytes,
    torn,
    onlyType: found.entries === 1 ? found.type : null,
  };
}

/** A tar of the selected members only, read from no more segments than needed. Throws `damaged` for members that lead out of the tree. */
export async function* selectedTar(
  repository: SnapshotRepository,
  data: ManifestArtifact,
  selection: TreeSelection,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const hostileMembers = new HostileMembers();
  let keep = false;
  for await (const event of scanTar(segmentBytes(repository, data, selection.segments, signal))) {
    if (event.kind === 'data') {
      if (keep) yield event.bytes;
      continue;
    }
    hostileMembers.assertHarmless(event.member);
    const header = headerFor(event.member, selection);
    keep = header !== null;
    if (header !== null) yield header;
  }
  yield Buffer.alloc(2 * BLOCK);
}

/**
 * The whole tar as it is stored, each event shown to `observe` before the piece that it ends in goes on. Throws `damaged` for members that lead out
 * of the tree. The pieces are the caller's own.
 */
export async function* wholeTar(
  repository: SnapshotRepository,
  data: ManifestArtifact,
  observe: (event: TarEvent) => void,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const hostileMembers = new HostileMembers();
  const splitter = new TarSplitter();
  for await (const piece of repository.read(data, signal)) {
    splitter.push(piece);
    for (let event = splitter.next(); event !== null; event = splitter.next()) {
      if (event.kind === 'member') hostileMembers.assertHarmless(event.member);
      observe(event);
    }
    yield piece;
  }
  splitter.end();
}

async function* segmentBytes(
  repository: SnapshotRepository,
  data: ManifestArtifact,
  wanted: ReadonlySet<number> | null,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (wanted === null) {
    yield* repository.read(data, signal);
    return;
  }
  async function* chunks(): AsyncGenerator<Segment> {
    let index = 0;
    for await (const segment of repository.segments(data, signal)) {
      if (wanted?.has(index) === true) yield segment;
      index += 1;
    }
  }
  for await (const segment of chunks()) yield* repository.readChunks(segment.chunks, signal);
  yield Buffer.alloc(2 * BLOCK);
}

/** The member's header as it goes into the selection; null: not wanted. */
function headerFor(member: TarMember, { isSelected, renamed }: TreeSelection): Buffer | null {
  const { path, type, target } = member;
  const newName = renamed.get(path);
  if (newName !== undefined) return renamedHeader(member, newName, null);
  if (!isSelected(path)) return null;
  const standIn = type === 'link' && target !== null ? renamed.get(target) : undefined;
  if (standIn === undefined) return member.header;
  return standIn === path ? null : renamedHeader(member, path, standIn);
}

/**
 * The repository may have been written by someone else: nothing may be put outside the target directory, neither by a name, nor below a
 * symlink that came before, nor in a way that tar reads other than we do. Remembers symlinks only.
 */
export class HostileMembers {
  readonly #symlinks = new Set<RawPath>();

  assertHarmless({ path, type, target, extensions }: TarMember): void {
    if (type === 'other') throw hostile(path, 'is of a kind that no backup stores');
    // Headers for all later members, or several that tar and we might weigh differently.
    if (!/^(?:x?|LK?|KL?)$/.test(extensions)) throw hostile(path, 'has headers that no backup writes');
    if (leadsOut(path) || this.#isBelowSymlink(path)) throw hostile(path, 'leads out of its tree');
    const linkTarget = type === 'link' ? (target ?? '..') : null;
    if (linkTarget !== null && (leadsOut(linkTarget) || this.#isBelowSymlink(linkTarget)))
      throw hostile(path, 'is a link that leads out of its tree');
    if (type === 'l' || (linkTarget !== null && this.#symlinks.has(linkTarget))) this.#symlinks.add(path);
  }

  #isBelowSymlink(path: RawPath): boolean {
    if (this.#symlinks.size === 0) return false;
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1))
      if (this.#symlinks.has(path.slice(0, slash))) return true;
    return false;
  }
}

function hostile(path: RawPath, why: string): McadsError {
  return new McadsError('damaged', `the archive holds a member that ${why}: ${printableRaw(path)}`, {
    hint: 'this was not written by a backup; do not extract it with other tools either',
  });
}
