import { createHash } from 'node:crypto';
import type { RawPath, Segment, TreeEntry } from '../domain/tree.ts';
import { compareWalkOrder } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { detached } from '../stream/raw-path.ts';
import { endsInStagingName } from '../stream/restore-commands.ts';
import { SegmentCutter, type PlannedMember } from '../stream/segmenter.ts';
import { OWN_FOLDER } from './captured-tree.ts';
import type { EntryReader } from './entry-reader.ts';
import { catalogueLines } from './tree-catalogue.ts';
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

/** With what the catalogue has of its members where they are stored as they were scanned. */
export interface ScannedSegment extends PlannedSegment {
  /** The youngest ctime of its members, seconds. */
  readonly newestChange: number;
  readonly lines: Buffer;
  /** All that is known of it is in what the scan told of its entries one by one: nothing of it depends on others. */
  readonly isPlain: boolean;
  /** The entry behind it was taken from the scan already. */
  readonly holdsNext: boolean;
}

export interface TreeRules {
  readonly recipe: string;
  readonly stableInodes: boolean;
  /** When the scan began, seconds. */
  readonly began: number;
  readonly exclude: readonly string[];
  readonly isExcluded: (path: RawPath) => boolean;
  readonly neverCapture: readonly { readonly device: string; readonly inode: string }[];
  readonly neverCapturePaths: readonly RawPath[];
}

const FAR_FUTURE_SECONDS = 86_400;
/** Times this young may still be given to another change. */
export const RACY_SECONDS = 2;

type PlanOnly = Omit<ScannedSegment, 'reuse'>;

/** Drops what is not captured, resolves hard links and groups the members of a tree, in walk order. `watch` and `findings` get told on the way. */
export async function* planSegments(
  entries: EntryReader,
  rules: TreeRules,
  watch: DatabaseWatch,
  findings: TreeFindings,
): AsyncGenerator<PlanOnly> {
  const filter = new CaptureFilter(rules, findings);
  const names = new FileNames();
  const cutter = new SegmentCutter();
  let members: PlannedMember[] = [];
  let index = 0;
  let isPlain = true;
  const end = (holdsNext: boolean): PlanOnly => {
    const segment = { ...toSegment(index, members, rules), isPlain, holdsNext };
    index += 1;
    members = [];
    isPlain = true;
    cutter.reset();
    return segment;
  };
  for (;;) {
    const next = entries.next();
    const entry = next instanceof Promise ? await next : next;
    if (entry === null) break;
    if (!filter.keeps(entry)) continue;
    const member = { ...entry, link: names.firstOf(entry) };
    const isAlone = SegmentCutter.isLarge(member, member.link !== null);
    if (isAlone && members.length > 0) yield end(true);
    if (watch.see(member) || filter.isMountPoint(member) || (member.links > 1 && member.type !== 'd')) isPlain = false;
    members.push(member);
    if (isAlone || cutter.endsAfter(member.path, member.type === 'f' && member.link === null ? member.size : 0)) yield end(false);
  }
  if (members.length > 0) yield end(false);
  filter.end();
}

export function toSegment(index: number, members: readonly PlannedMember[], rules: TreeRules): Omit<PlanOnly, 'isPlain' | 'holdsNext'> {
  const changes = new Youngest(Number.POSITIVE_INFINITY);
  // A time in the far future was set by hand; the next write would move it back.
  const writes = new Youngest(rules.began + FAR_FUTURE_SECONDS);
  for (const { mtime, ctime } of members) {
    changes.see(ctime);
    writes.see(mtime);
  }
  // Bytes, not a text: nothing that is held for a while should lie where the garbage collector copies it.
  const lines = Buffer.from(catalogueLines(members), 'utf8');
  return {
    index,
    first: members[0]?.path ?? '',
    fingerprint: fingerprintOf(rules.recipe, rules.stableInodes ? lines : Buffer.from(catalogueLines(members.map(withoutInode)), 'utf8')),
    newest: Math.max(changes.seconds, writes.seconds),
    newestChange: changes.seconds,
    members,
    lines,
  };
}

/** What a fixed entry's fingerprint would be: another one where fingerprints are made another way. */
export function sampleFingerprint({ recipe }: TreeRules): string {
  const entry = { path: 'a', type: 'l', mode: 1, uid: 2, gid: 3, size: 4, mtime: '5.6', ctime: '7.8' } as const;
  return fingerprintOf(
    recipe,
    Buffer.from(catalogueLines([{ ...entry, device: '9', inode: '10', links: 11, target: 'b', link: 'c' }]), 'utf8'),
  );
}

/**
 * The hash of the recipe and of what the catalogue has of the members: equal fingerprints mean equal bytes. One text serves for both, so that whoever
 * changes how a line is written has every tree read once more.
 */
function fingerprintOf(recipe: string, lines: Buffer): string {
  return createHash('sha256').update(recipe, 'latin1').update('\n').update(lines).digest('hex');
}

/** Where inodes change by themselves the number of their names is not to be trusted either. */
function withoutInode(member: PlannedMember): PlannedMember {
  return { ...member, inode: '', links: 1 };
}

/** The youngest of many times before a limit. Nearly all are told from it as text, of one length and without a sign. */
class Youngest {
  readonly #limit: number;
  seconds = Number.NEGATIVE_INFINITY;
  #text = '';

  constructor(limit: number) {
    this.#limit = limit;
  }

  see(time: string): void {
    if (time.length === this.#text.length && time <= this.#text && !this.#text.startsWith('-')) return;
    const seconds = Number(time);
    if (seconds <= this.seconds || seconds >= this.#limit) return;
    this.seconds = seconds;
    this.#text = time;
  }
}

/** Tells what is captured, fed in walk order. */
class CaptureFilter {
  readonly #rules: TreeRules;
  readonly #findings: TreeFindings;
  #below: RawPath | null = null;
  #device: string | null = null;
  #excluded = 0;

  constructor(rules: TreeRules, findings: TreeFindings) {
    this.#rules = rules;
    this.#findings = findings;
  }

  keeps(entry: TreeEntry): boolean {
    if (this.#below !== null && entry.path.startsWith(this.#below)) return false;
    if (this.#rules.isExcluded(entry.path)) {
      this.#excluded += 1;
      this.#below = `${entry.path}/`;
      return false;
    }
    if (isOwn(entry, this.#rules)) {
      this.#findings.add('info', 'own-folder', entry.path, OWN_FOLDER);
      this.#below = entry.path === '' ? '' : `${entry.path}/`;
      return false;
    }
    if (entry.type !== 's') return true;
    this.#findings.add('info', 'socket', entry.path, 'a socket holds no data and is not stored');
    return false;
  }

  /** A scan stays on one filesystem: of another one it tells the directory where that is mounted, and nothing below. */
  isMountPoint({ path, type, device }: TreeEntry): boolean {
    if (path === '') this.#device = device;
    if (type !== 'd' || this.#device === null || device === this.#device) return false;
    const hint = 'capture it by itself (a component under `host: components:`, a bind or volume of its own), or exclude it';
    this.#findings.add(
      'error',
      'other-filesystem',
      path,
      'another filesystem is mounted there, and what lies on it is NOT in this snapshot',
      hint,
    );
    return true;
  }

  end(): void {
    if (this.#excluded === 0) return;
    const entries = this.#excluded === 1 ? 'entry was' : 'entries were';
    this.#findings.add('info', 'excluded', null, `${this.#excluded} ${entries} left out by the exclude patterns, with everything below`);
  }
}

/** By path as well: some filesystems give a folder another inode through each mount. */
function isOwn({ device, inode, path }: TreeEntry, { neverCapture, neverCapturePaths }: TreeRules): boolean {
  return (
    endsInStagingName(path) || neverCapturePaths.includes(path) || neverCapture.some((own) => own.device === device && own.inode === inode)
  );
}

/**
 * Later names of an inode become links to the first. Only inodes with more than one name are remembered, and only until all their names came by,
 * so that a tree made of links by the million (`cp -al`, `rsync --link-dest`) is walked in memory that does not grow.
 */
class FileNames {
  readonly #seen = new Map<string, { readonly first: RawPath; namesLeft: number }>();

  /** The first name of the entry's file; null where this is it. */
  firstOf(entry: TreeEntry): RawPath | null {
    if (entry.links < 2 || entry.type === 'd') return null;
    const key = `${entry.device}:${entry.inode}`;
    const known = this.#seen.get(key);
    if (known === undefined) {
      this.#seen.set(key, { first: detached(entry.path), namesLeft: entry.links - 1 });
      return null;
    }
    known.namesLeft -= 1;
    if (known.namesLeft === 0) this.#seen.delete(key);
    return known.first;
  }
}

/**
 * Marks the segments that the parent has with the same fingerprint. Where the first name of a file is read, segments with its other names are
 * too: only what is read is looked at again afterwards, and these names may not be that file's any more.
 */
export async function* withReuse(planned: AsyncIterable<PlanOnly>, parent: ParentSegments): AsyncGenerator<ScannedSegment> {
  const read = new Set<RawPath>();
  for await (const segment of planned) {
    const found = await parent.find(segment.first, segment.fingerprint);
    const reuse = segment.members.some(({ link }) => link !== null && read.has(link)) ? null : found;
    if (reuse === null && !parent.isEmpty) {
      for (const { path, type, links, link } of segment.members) if (links > 1 && type !== 'd' && link === null) read.add(detached(path));
    }
    yield { ...segment, reuse };
  }
}

/** An older artifact's segments, asked for in walk order; none is held for longer than somebody looks ahead. */
export class ParentSegments implements AsyncDisposable {
  readonly #segments: AsyncIterator<Segment> | null;
  readonly #canReuse: (segment: Segment) => boolean;
  readonly #onDamaged: ((error: McadsError) => void) | null;
  readonly #ahead: (Segment & { readonly first: RawPath })[] = [];
  #isOver = false;

  /** `onDamaged`: where a page cannot be read this is told, and nothing more is found; without it `find` rejects. */
  constructor(
    segments: AsyncIterable<Segment> | null,
    canReuse: (segment: Segment) => boolean,
    onDamaged: ((error: McadsError) => void) | null = null,
  ) {
    this.#segments = segments?.[Symbol.asyncIterator]() ?? null;
    this.#canReuse = canReuse;
    this.#onDamaged = onDamaged;
  }

  /** Nothing will be found any more. */
  get isEmpty(): boolean {
    return this.#segments === null || (this.#isOver && this.#ahead.length === 0);
  }

  /** The segment that begins there, where it has that fingerprint and may be reused. */
  async find(first: RawPath, fingerprint: string): Promise<Segment | null> {
    const found = await this.#from(first);
    return found !== null && found.first === first && found.fingerprint === fingerprint && this.#canReuse(found) ? found : null;
  }

  /** Whatever begins there, and where the next one begins. */
  async at(first: RawPath): Promise<{ readonly segment: Segment; readonly end: RawPath | null } | null> {
    const segment = await this.#from(first);
    if (segment === null || segment.first !== first) return null;
    await this.#look(2);
    return { segment, end: this.#ahead[1]?.first ?? null };
  }

  /** All that begin from there on, before `end` (null: to the last); none where there are more than `most`. All can be asked for again. */
  async between(first: RawPath, end: RawPath | null, most: number): Promise<readonly Segment[]> {
    await this.#from(first);
    let count = 0;
    for (;;) {
      await this.#look(count + 1);
      const next = this.#ahead[count];
      if (next === undefined || (end !== null && compareWalkOrder(next.first, end) >= 0)) return this.#ahead.slice(0, count);
      count += 1;
      if (count > most) return [];
    }
  }

  /** True for one that was stored as it was planned and is there. */
  mayUse(segment: Segment): boolean {
    return segment.fingerprint !== null && this.#canReuse(segment);
  }

  /** The first one that does not begin before that path. */
  async #from(first: RawPath): Promise<(Segment & { readonly first: RawPath }) | null> {
    let behind = 0;
    for (;;) {
      if (behind === this.#ahead.length) {
        this.#ahead.length = 0;
        behind = 0;
        await this.#look(1);
      }
      const next = this.#ahead[behind];
      if (next === undefined) return null;
      if (compareWalkOrder(next.first, first) >= 0) {
        if (behind > 0) this.#ahead.splice(0, behind);
        return next;
      }
      behind += 1;
    }
  }

  async #look(count: number): Promise<void> {
    while (this.#ahead.length < count && !this.#isOver) {
      const next = await this.#next();
      if (next === null) this.#isOver = true;
      else if (hasFirst(next)) this.#ahead.push(next);
    }
  }

  async #next(): Promise<Segment | null> {
    try {
      const next = await this.#segments?.next();
      return next === undefined || next.done === true ? null : next.value;
    } catch (error) {
      if (this.#onDamaged === null || !(error instanceof McadsError) || error.code !== 'damaged') throw error;
      this.#onDamaged(error);
      return null;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#segments?.return?.();
  }
}

/** Segments without a first path (the archive's end) align with nothing. */
function hasFirst(segment: Segment): segment is Segment & { readonly first: RawPath } {
  return segment.first !== undefined;
}
