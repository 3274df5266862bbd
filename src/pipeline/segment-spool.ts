import type { CatalogueEntry } from '../domain/manifest.ts';
import type { EntryType, RawPath, Segment } from '../domain/tree.ts';
import { decodeRaw } from '../stream/catalogue.ts';
import type { PlannedMember } from '../stream/segmenter.ts';
import { Spool, type Spooled } from '../stream/spool.ts';
import type { CatalogueGroup, GroupedSegment } from './catalogue-groups.ts';
import { pathOfLine } from './tree-catalogue.ts';
import type { PlannedSegment } from './tree-plan.ts';

type Kept = Pick<PlannedSegment, 'index' | 'first' | 'fingerprint' | 'newest' | 'reuse'> &
  Pick<GroupedSegment, 'last' | 'entries' | 'hasLinks' | 'group'> & {
    /** The one that all members are on, or each one's. */
    readonly devices: string | readonly string[];
  };

/** The segments of a tree between the passes over it, in walk order. */
export class SegmentSpool implements AsyncDisposable {
  readonly #spool: Spool<Kept>;

  constructor(directory: string) {
    this.#spool = new Spool(directory);
  }

  write({ members, lines, index, first, last, fingerprint, newest, reuse, entries, hasLinks, group }: GroupedSegment): void {
    const device = members[0]?.device ?? '';
    const devices = members.every((member) => member.device === device) ? device : members.map((member) => member.device);
    const kept = { index, first, last, fingerprint, newest, reuse, entries, hasLinks, devices };
    this.#spool.write(group === undefined ? kept : { ...kept, group }, lines ?? undefined);
  }

  end(): void {
    this.#spool.end();
  }

  /** May be called more than once after `end`. */
  async *read(): AsyncGenerator<SpooledSegment, void, undefined> {
    for await (const spooled of this.#spool.read()) yield new SpooledSegment(spooled);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spool[Symbol.asyncDispose]();
  }
}

/** A segment as it was planned. Its members are made when somebody asks for them: most are stored as they were seen first. */
export class SpooledSegment implements PlannedSegment {
  readonly index: number;
  readonly first: RawPath;
  /** Its last path. */
  readonly last: RawPath;
  readonly fingerprint: string;
  readonly newest: number;
  readonly reuse: Segment | null;
  readonly entries: number;
  readonly hasLinks: boolean;
  /** On a group's first segment. */
  readonly group: CatalogueGroup | null;
  /** The catalogue's; empty where the group's are used again. */
  readonly lines: Buffer;
  readonly #devices: Kept['devices'];
  #members: readonly PlannedMember[] | null = null;

  constructor({ value, bytes }: Spooled<Kept>) {
    this.index = value.index;
    this.first = value.first;
    this.last = value.last;
    this.fingerprint = value.fingerprint;
    this.newest = value.newest;
    this.reuse = value.reuse;
    this.entries = value.entries;
    this.hasLinks = value.hasLinks;
    this.group = value.group ?? null;
    this.lines = bytes;
    this.#devices = value.devices;
  }

  get paths(): readonly RawPath[] {
    return this.#each(pathOfLine);
  }

  get members(): readonly PlannedMember[] {
    const devices = this.#devices;
    this.#members ??= this.#each((line, at) => toMember(line, typeof devices === 'string' ? devices : (devices[at] ?? '')));
    return this.#members;
  }

  #each<R>(make: (line: string, at: number) => R): readonly R[] {
    return this.lines.length === 0
      ? []
      : this.lines
          .toString('utf8', 0, this.lines.length - 1)
          .split('\n')
          .map(make);
  }
}

function toMember(line: string, device: string): PlannedMember {
  const entry = JSON.parse(line) as CatalogueEntry; // our own line
  const { type, mode, uid, gid, size, mtime, ctime = '', inode = '', links = 1 } = entry;
  const [path, target, link] = [decodeRaw(entry, 'path') ?? '', decodeRaw(entry, 'target'), decodeRaw(entry, 'link')];
  return { path, type: type as EntryType, mode, uid, gid, size, mtime, ctime, device, inode, links, target, link };
}
