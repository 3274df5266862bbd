import { parsePage } from './page.ts';

const START = Buffer.from('{"fingerprint":');
const NULL = Buffer.from('null');
const BYTES = Buffer.from(',"bytes":');
const CHUNKS = Buffer.from(',"chunks":[');
const CHUNKS_KEY = Buffer.from('"chunks"');
const [QUOTE, COMMA, OPEN, CLOSE, BACKSLASH, END] = [0x22, 0x2c, 0x5b, 0x5d, 0x5c, 0x7d];

/**
 * Where in a page's bytes the 64 hex digits of each mentioned chunk's id are, in order. Who marks what a repository needs has millions of them to look at,
 * and no use for anything else: lines as `toPageLine` writes them are only gone through, any other one is parsed and its ids are handed out from bytes of
 * their own. Throws `damaged` where a line is no segment, after the ids of the lines before it; what is not about chunks is not looked at as closely as
 * `parsePage` does.
 */
export function eachChunkId(bytes: Buffer, id: string, use: (digits: Buffer, at: number) => void): void {
  const found: number[] = [];
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    if (findIds(bytes, start, end, found)) {
      for (const at of found) use(bytes, at);
    } else {
      for (const { chunks } of parsePage(bytes.subarray(start, end), id))
        for (const [chunk] of chunks) use(Buffer.from(chunk, 'latin1'), 0);
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
