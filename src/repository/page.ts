import { isUtf8 } from 'node:buffer';
import type { ChunkRef, RawPath, Segment, SeenPart } from '../domain/tree.ts';
import { McadsError, messageOf } from '../errors.ts';
import { sha256 } from '../stream/digest.ts';

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

const START = Buffer.from('{"fingerprint":');
const NULL = Buffer.from('null');
const BYTES = Buffer.from(',"bytes":');
const CHUNKS = Buffer.from(',"chunks":[');
const CHUNKS_KEY = Buffer.from('"chunks"');
const [QUOTE, COMMA, OPEN, CLOSE, BACKSLASH, END] = [0x22, 0x2c, 0x5b, 0x5d, 0x5c, 0x7d];

/**
 * Where in a page's bytes the 64 hex digits of each mentioned chunk's id are, in order. Who marks what a repository needs has millions of them
 * to look at, and no use for anything else: lines as `toPageLine` writes them are only gone through, any other one is parsed and its ids are handed out
 * from bytes of their own. Throws `damaged` where a line is
 * no segment, ids of the lines before it are told by then; what is not about chunks is not looked at as closely as `parsePage` does.
 */
export function eachChunkId(bytes: Buffer, id: string, use: (digits: Buffer, at: number) => void): void {
  const found: number[] = [];
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    if (findIds(bytes, start, end, found)) {
      for (const at of found) use(bytes, at);
    } else {
      for (const [chunk] of toSegment(bytes.toString('utf8', start, end), id).chunks) use(Buffer.from(chunk, 'latin1'), 0);
    }
    start = end + 1;
  }
}

/** False where the line is not written as `toPageLine` does: `found` is worth nothing then. */
function findIds(bytes: Buffer, start: number, end: number, found: number[]): boolean {
  found.length = 0;
  if (!holds(bytes, start, START)) return false;
  let at = start + START.length;
  if (holds(bytes, at, NULL)) at += NULL.length;
  else if (bytes[at] === QUOTE) {
    for (at += 1; bytes[at] !== QUOTE; at += 1) if (at >= end || bytes[at] === BACKSLASH) return false;
    at += 1;
  } else return false;
  if (!holds(bytes, at, BYTES)) return false;
  at += BYTES.length;
  let digits = digitsAt(bytes, at);
  const total = numberAt(bytes, at, digits);
  at += digits;
  if (digits === 0 || !holds(bytes, at, CHUNKS)) return false;
  at += CHUNKS.length;
  let sum = 0;
  while (bytes[at] === OPEN) {
    if (bytes[at + 1] !== QUOTE || !isHex(bytes, at + 2) || bytes[at + 66] !== QUOTE || bytes[at + 67] !== COMMA) return false;
    found.push(at + 2);
    at += 68;
    digits = digitsAt(bytes, at);
    if (digits === 0) return false;
    sum += numberAt(bytes, at, digits);
    at += digits;
    if (bytes[at] !== CLOSE) return false;
    at += 1;
    if (bytes[at] === COMMA && bytes[at + 1] === OPEN) at += 1;
    else break;
  }
  if (bytes[at] !== CLOSE || sum !== total || at >= end) return false;
  if (bytes[at + 1] === END) return at + 2 === end;
  // A second list further on would be the one that counts, and an escape may hide its name.
  const rest = bytes.subarray(at + 1, end);
  return rest[0] === COMMA && rest.at(-1) === END && !rest.includes(BACKSLASH) && !rest.includes(CHUNKS_KEY);
}

function holds(bytes: Buffer, at: number, wanted: Buffer): boolean {
  for (let index = 0; index < wanted.length; index += 1) if (bytes[at + index] !== wanted[index]) return false;
  return true;
}

function isHex(bytes: Buffer, at: number): boolean {
  for (let index = at; index < at + 64; index += 1) {
    const byte = bytes[index] ?? 0;
    if (!((byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66))) return false;
  }
  return true;
}

/** How many digits there are; 0 also where a number has a zero in front or is too long to be sure of. */
function digitsAt(bytes: Buffer, at: number): number {
  let digits = 0;
  for (let byte = bytes[at] ?? 0; byte >= 0x30 && byte <= 0x39; byte = bytes[at + digits] ?? 0) digits += 1;
  return digits > 15 || (digits > 1 && bytes[at] === 0x30) ? 0 : digits;
}

function numberAt(bytes: Buffer, at: number, digits: number): number {
  let value = 0;
  for (let index = at; index < at + digits; index += 1) value = value * 10 + (bytes[index] ?? 0) - 0x30;
  return value;
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
  if (typeof first === 'string') return { ...segment, first: Buffer.from(first, 'utf8').toString('latin1') };
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
