import type { RawPath, Segment, TreeEntry } from '../domain/tree.ts';
import { compareWalkOrder } from '../domain/tree.ts';
import { isStagingName } from '../stream/restore-commands.ts';
import { fingerprintOf, SegmentCutter, type PlannedMember } from '../stream/segmenter.ts';
import { OWN_FOLDER } from './captured-tree.ts';
import type { DatabaseWatch } from './tree-databases.ts';
import type { TreeFindings } from './tree-findings.ts';

/** A segment as the scan saw it. */
export interface PlannedSegment {
  readonly index: number;
  readonly first: RawPath;
  readonly fingerprint: string;
  /** The youngest mtime or ctime of its members, seconds. */
  readonly newest: number;
  readonly members: readonly PlannedMember[];
  /** The parent's segment with the same bytes; null: to be read. */
  readonly reuse: Segment | null;
}

export interface TreeRules {
  readonly recipe: string;
  readonly stableInodes: boolean;
  /** When the scan began, seconds. */
  readonly began: number;
  readonly isExcluded: (path: RawPath) => boolean;
  readonly neverCapture: readonly { readonly device: string; readonly inode: string }[];
  readonly neverCapturePaths: readonly RawPath[];
}

const FAR_FUTURE_SECONDS = 86_400;

/** Drops what is not captured, resolves hard links and groups the members of a tree, in walk order. `watch` and `findings` get told on the way. */
export async function* planSegments(
  entries: AsyncIterable<TreeEntry>,
  rules: TreeRules,
  watch: DatabaseWatch,
  findings: TreeFindings,
): AsyncGenerator<Omit<PlannedSegment, 'reuse'>> {
  const cutter = new SegmentCutter();
  let members: PlannedMember[] = [];
  let index = 0;
  const end = (): Omit<PlannedSegment, 'reuse'> => {
    const segment = toSegment(index, members, rules);
    index += 1;
    members = [];
    cutter.reset();
    return segment;
  };
  for await (const member of linked(kept(entries, rules, findings))) {
    watch.see(member);
    if (SegmentCutter.isLarge(member, member.link !== null)) {
      if (members.length > 0) yield end();
      members.push(member);
      yield end();
      continue;
    }
    members.push(member);
    if (cutter.endsAfter(member.path, member.type === 'f' && member.link === null ? member.size : 0)) yield end();
  }
  if (members.length > 0) yield end();
}

export function toSegment(index: number, members: readonly PlannedMember[], rules: TreeRules): Omit<PlannedSegment, 'reuse'> {
  let newest = Number.NEGATIVE_INFINITY;
  for (const { mtime, ctime } of members) {
    newest = Math.max(newest, Number(ctime));
    // A time in the far future was set by hand; the next write would move it back.
    if (Number(mtime) < rules.began + FAR_FUTURE_SECONDS) newest = Math.max(newest, Number(mtime));
  }
  return { index, first: members[0]?.path ?? '', fingerprint: fingerprintOf(rules.recipe, members, rules.stableInodes), newest, members };
}

async function* kept(entries: AsyncIterable<TreeEntry>, rules: TreeRules, findings: TreeFindings): AsyncGenerator<TreeEntry> {
  let below: RawPath | null = null;
  let excluded = 0;
  for await (const entry of entries) {
    if (below !== null && entry.path.startsWith(below)) continue;
    if (rules.isExcluded(entry.path)) {
      excluded += 1;
      below = `${entry.path}/`;
    } else if (isOwn(entry, rules)) {
      findings.add('info', 'own-folder', entry.path, OWN_FOLDER);
      below = entry.path === '' ? '' : `${entry.path}/`;
    } else if (entry.type === 's') {
      findings.add('info', 'socket', entry.path, 'a socket holds no data and is not stored');
    } else {
      yield entry;
    }
  }
  if (excluded > 0)
    findings.add(
      'info',
      'excluded',
      null,
      `${excluded} ${excluded === 1 ? 'entry was' : 'entries were'} left out by the exclude patterns, with everything below`,
    );
}

/** By path as well: some filesystems give a folder another inode through each mount. */
function isOwn({ device, inode, path }: TreeEntry, { neverCapture, neverCapturePaths }: TreeRules): boolean {
  return (
    isStagingName(path.slice(path.lastIndexOf('/') + 1)) ||
    neverCapturePaths.includes(path) ||
    neverCapture.some((own) => own.device === device && own.inode === inode)
  );
}

/**
 * Later names of an inode become links to the first. Only inodes with more than one name are remembered, and only until all their names came by,
 * so that a tree made of links by the million (`cp -al`, `rsync --link-dest`) is walked in memory that does not grow.
 */
async function* linked(entries: AsyncIterable<TreeEntry>): AsyncGenerator<PlannedMember> {
  const seen = new Map<string, { readonly first: RawPath; namesLeft: number }>();
  for await (const entry of entries) {
    if (entry.links < 2 || entry.type === 'd') {
      yield { ...entry, link: null };
      continue;
    }
    const key = `${entry.device}:${entry.inode}`;
    const known = seen.get(key);
    if (known === undefined) {
      // A copy: a slice would keep its whole buffer.
      seen.set(key, { first: Buffer.from(entry.path, 'latin1').toString('latin1'), namesLeft: entry.links - 1 });
    } else {
      known.namesLeft -= 1;
      if (known.namesLeft === 0) seen.delete(key);
    }
    yield { ...entry, link: known?.first ?? null };
  }
}

/** Marks the segments that the parent has with the same fingerprint. Both sides come in walk order; neither is held. */
export async function* withReuse(
  planned: AsyncIterable<Omit<PlannedSegment, 'reuse'>>,
  parent: AsyncIterable<Segment> | null,
  canReuse: (segment: Segment) => boolean,
): AsyncGenerator<PlannedSegment> {
  const older = parent?.[Symbol.asyncIterator]();
  try {
    let candidate = await nextWithName(older);
    for await (const segment of planned) {
      while (candidate !== null && compareWalkOrder(candidate.first ?? '', segment.first) < 0) candidate = await nextWithName(older);
      const same = candidate !== null && candidate.first === segment.first && candidate.fingerprint === segment.fingerprint;
      yield { ...segment, reuse: same && candidate !== null && canReuse(candidate) ? candidate : null };
    }
  } finally {
    await older?.return?.();
  }
}

/** Segments without a first path (the archive's end) align with nothing. */
async function nextWithName(older: AsyncIterator<Segment> | undefined): Promise<Segment | null> {
  for (;;) {
    const next = await older?.next();
    if (next === undefined || next.done === true) return null;
    if (next.value.first !== undefined) return next.value;
  }
}
