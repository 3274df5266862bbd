import { createHash } from 'node:crypto';
import type { RawPath, ScanRecords, Segment } from '../domain/tree.ts';
import type { CatalogueGroup, GroupedSegment } from './catalogue-groups.ts';
import { WATCHED_NAMES } from './tree-databases.ts';
import { RACY_SECONDS, sampleFingerprint, type ParentSegments, type TreeRules } from './tree-plan.ts';

/** After every path in walk order. */
const BEHIND_ALL: RawPath = '\uffff';
/** A part of a catalogue never had more. */
const MOST_SEGMENTS = 64 * 1024;
/** Counted up with whatever decides what is captured of an entry, or where segments and parts end, and is not in the context by itself. */
const OWN_RULES = 2;

/** Consecutive segments with all that the catalogue has of them, as the parent has them. */
export interface UnchangedPart {
  readonly segments: readonly GroupedSegment[];
  readonly group: CatalogueGroup;
  readonly newestChange: number;
}

/**
 * Decision: where the scan tells the same of a whole part of a tree as the last time, byte for byte, no entry of it is looked at. What a scan tells
 * of an entry is all that a fingerprint is made of. A part has no range where anything is left out of it, where a file has several names, and where
 * something in it may be a database that is in use: those are looked at each time. An unchanged backup of a million small files spent half
 * of its time on entries.
 */
export class UnchangedParts {
  readonly #records: ScanRecords;
  readonly #catalogue: ParentSegments;
  readonly #data: ParentSegments;
  /** What has a time from then on is looked at: which of its entries is to be trusted is not known of a whole part. */
  readonly #youngest: number;

  constructor(records: ScanRecords, rules: TreeRules, parents: { readonly catalogue: ParentSegments; readonly data: ParentSegments }) {
    this.#records = records;
    this.#catalogue = parents.catalogue;
    this.#data = parents.data;
    this.#youngest = rules.began - RACY_SECONDS;
    const { exclude, neverCapture, neverCapturePaths } = rules;
    const sample = sampleFingerprint(rules);
    records.setContext(JSON.stringify({ OWN_RULES, sample, WATCHED_NAMES, exclude, neverCapture, neverCapturePaths }));
  }

  /** The part that begins with the next entry; null where there is none, or something in it is not as it was. To be asked between two parts. */
  async next(): Promise<UnchangedPart | null> {
    if (this.#catalogue.isEmpty) return null;
    const path = await this.#records.nextPath();
    const part = path === null ? null : await this.#catalogue.at(path);
    if (path === null || part?.segment.seen === undefined || !this.#catalogue.mayUse(part.segment)) return null;
    const { segment: reuse, end } = part;
    const { seen } = part.segment;
    if (seen.newest >= this.#youngest) return null;
    const stored = await this.#data.between(path, end, MOST_SEGMENTS);
    // Whatever else may be wrong with either list: these segments and no others are the part's.
    if (fingerprintOfAll(stored) !== reuse.fingerprint || !stored.every((one) => this.#data.mayUse(one))) return null;
    // With another entry behind it the part might end elsewhere.
    if (!(await this.#records.skip(seen, end))) return null;
    const group = { first: path, last: end ?? BEHIND_ALL, fingerprint: reuse.fingerprint ?? '', reuse, seen };
    const segments = stored.map((one, at) => toGrouped(one, stored[at + 1]?.first ?? group.last, seen.newest, at === 0 ? seen.records : 0));
    return { group, segments: withGroup(segments, group), newestChange: seen.newestChange };
  }
}

/** As a part's is made. */
function fingerprintOfAll(segments: readonly Segment[]): string {
  const hash = createHash('sha256');
  for (const { fingerprint } of segments) hash.update(fingerprint ?? '', 'latin1');
  return hash.digest('hex');
}

/** `last`: the first path behind it, as near as is known. `entries`: how many there are is known of the part alone. */
function toGrouped(reuse: Segment, last: RawPath, newest: number, entries: number): GroupedSegment {
  const { first = '', fingerprint } = reuse;
  // Nothing of it is ever read again, so that nobody asks for its number.
  return { index: -1, first, last, fingerprint: fingerprint ?? '', newest, members: [], reuse, entries, hasLinks: false, lines: null };
}

function withGroup([begin, ...others]: readonly GroupedSegment[], group: CatalogueGroup): readonly GroupedSegment[] {
  return begin === undefined ? [] : [{ ...begin, group }, ...others];
}
