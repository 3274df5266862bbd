import { isUtf8 } from 'node:buffer';
import type { ChunkRef, RawPath, Segment, SeenPart } from '../domain/tree.ts';
import { McadsError, messageOf } from '../errors.ts';
import { sha256 } from '../stream/digest.ts';
import { toRaw } from '../stream/raw-path.ts';

/*
 * A page: JSON lines, one segment each: {fingerprint, bytes, chunks: [[id, length], …], first?, seen?}. `first` is the segment's first path in
 * walk order (trees only; `first64`, base64, where the path is not UTF-8): it lets two snapshots be merged page by page. `seen` is for the next
 * backup alone; whoever does not know it passes it by.
 */

/** One page ends after a segment in this many, chosen by hash, so that an inserted segment moves no later cut. */
const SEGMENTS_PER_PAGE = 2000;
/** Bounds memory; after such a cut the next one by hash is again the same as before. */
const MAX_SEGMENTS = 10_000;
const MAX_CHUNKS = 60_000;

/** True where a page ends after this segment. `count` and `chunks` tell how much the page holds, this segment included. */
export function endsPage(segment: Segment, count: number, chunks: number): boolean {
  if (count >= MAX_SEGMENTS || chunks >= MAX_CHUNKS) return true;
  const anchor = segment.first === undefined ? segment.chunks.map(([id]) => id).join('') : segment.first;
  return sha256(Buffer.from(anchor, 'latin1')).readUInt32LE(0) % SEGMENTS_PER_PAGE === 0;
}

export function toPageLine(segment: Segment): string {
  const { fingerprint, bytes, chunks, first, seen } = segment;
  const more = seen === undefined ? {} : { seen };
  return `${JSON.stringify({ fingerprint, bytes, chunks, ...(first === undefined ? {} : pathFields(first)), ...more })}\n`;
}

function pathFields(first: RawPath): { first: string } | { first64: string } {
  const raw = Buffer.from(first, 'latin1');
  return isUtf8(raw) ? { first: raw.toString('utf8') } : { first64: raw.toString('base64') };
}

/** The segments of one page in order. Throws `damaged` for lines of another shape. */
export function* parsePage(bytes: Buffer, id: string): Generator<Segment> {
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    yield toSegment(bytes.toString('utf8', start, end), id);
    start = end + 1;
  }
}

interface PageLine {
  readonly fingerprint: unknown;
  readonly bytes: unknown;
  readonly chunks: unknown;
  readonly first?: unknown;
  readonly first64?: unknown;
  readonly seen?: unknown;
}

function toSegment(line: string, pageId: string): Segment {
  let value: PageLine;
  try {
    value = JSON.parse(line) as PageLine; // foreign JSON, every field checked below
  } catch (error) {
    throw badPage(pageId, messageOf(error));
  }
  const { fingerprint, bytes, chunks, first, first64, seen } = value;
  if ((fingerprint !== null && typeof fingerprint !== 'string') || typeof bytes !== 'number' || !isChunkList(chunks))
    throw badPage(pageId, 'a line is no segment');
  if (chunks.reduce((sum, [, length]) => sum + length, 0) !== bytes) throw badPage(pageId, "a segment's length is not its chunks'");
  const segment = isSeenPart(seen) ? { fingerprint, bytes, chunks, seen } : { fingerprint, bytes, chunks };
  if (typeof first === 'string') return { ...segment, first: toRaw(first) };
  if (typeof first64 === 'string') return { ...segment, first: Buffer.from(first64, 'base64').toString('latin1') };
  return segment;
}

function isSeenPart(value: unknown): value is SeenPart {
  if (typeof value !== 'object' || value === null) return false;
  const { records, hash, newest, newestChange } = value as Partial<Record<keyof SeenPart, unknown>>;
  return Number.isSafeInteger(records) && typeof hash === 'string' && typeof newest === 'number' && typeof newestChange === 'number';
}

function isChunkList(value: unknown): value is readonly ChunkRef[] {
  return (
    Array.isArray(value) &&
    value.every(
      (item: unknown) =>
        Array.isArray(item) &&
        item.length === 2 &&
        typeof item[0] === 'string' &&
        /^[0-9a-f]{64}$/.test(item[0]) &&
        Number.isInteger(item[1]),
    )
  );
}

function badPage(id: string, why: string): McadsError {
  return new McadsError('damaged', `page ${id} cannot be understood: ${why}`, {
    hint: 'Run verify to see which snapshots need it.',
    context: { id },
  });
}
