import type { EntryType, RawPath, TreeEntry } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';

const SLASH = 0x2f;

/** An entry from a record of find, one character a byte. By hand, because there are millions: without a list of the fields, and without a text for each number. */
export function parseRecord(record: string): TreeEntry {
  const pathEnd = record.indexOf('//');
  const type = record.charAt(record.lastIndexOf('/') + 1);
  const targetEnd = record.lastIndexOf('/') - 1;
  const modeAt = targetEnd + 4;
  const uidAt = record.indexOf(' ', modeAt) + 1;
  const gidAt = record.indexOf(' ', uidAt) + 1;
  const sizeAt = record.indexOf(' ', gidAt) + 1;
  const mtimeAt = record.indexOf(' ', sizeAt) + 1;
  const ctimeAt = record.indexOf(' ', mtimeAt) + 1;
  const deviceAt = record.indexOf(' ', ctimeAt) + 1;
  const inodeAt = record.indexOf(' ', deviceAt) + 1;
  const linksAt = record.indexOf(' ', inodeAt) + 1;
  // A missing field makes the search begin anew: they do not ascend then.
  const isWhole = uidAt > modeAt && gidAt > uidAt && sizeAt > gidAt && mtimeAt > sizeAt && ctimeAt > mtimeAt && deviceAt > ctimeAt;
  if (!isWhole || inodeAt <= deviceAt || linksAt <= inodeAt || linksAt === record.length || !isEntryType(type)) throw unreadable(record);
  if (pathEnd < 0 || record.charCodeAt(targetEnd) !== SLASH || !record.startsWith('.')) throw unreadable(record);
  return {
    path: record.slice(2, pathEnd),
    type,
    mode: number(record, modeAt, uidAt - 1, 8),
    uid: number(record, uidAt, gidAt - 1),
    gid: number(record, gidAt, sizeAt - 1),
    size: number(record, sizeAt, mtimeAt - 1),
    mtime: nanoseconds(record.slice(mtimeAt, ctimeAt - 1)),
    ctime: nanoseconds(record.slice(ctimeAt, deviceAt - 1)),
    device: record.slice(deviceAt, inodeAt - 1),
    inode: record.slice(inodeAt, linksAt - 1),
    links: number(record, linksAt, record.length),
    target: type === 'l' ? record.slice(pathEnd + 2, targetEnd) : null,
  };
}

export function pathOfRecord(record: string): RawPath {
  const end = record.indexOf('//');
  if (end < 0 || !record.startsWith('.')) throw unreadable(record);
  return record.slice(2, end);
}

function number(record: string, start: number, end: number, base = 10): number {
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = record.charCodeAt(at) - 0x30;
    if (digit < 0 || digit >= base) throw unreadable(record);
    value = value * base + digit;
  }
  return value;
}

/**
 * find prints ten digits, the last always 0. Times before 1970 with a fraction it prints wrongly (findutils 4.9.0 does): the whole seconds, which
 * are rounded down, get a sign, the fraction behind them still counts upwards. -0.25 s is printed -1.7500000000.
 */
function nanoseconds(time: string): string {
  const dot = time.indexOf('.');
  if (dot < 0) return time;
  if (!time.startsWith('-')) return time.slice(0, dot + 10);
  const fraction = time.slice(dot + 1, dot + 10);
  if (Number(fraction) === 0) return time.slice(0, dot + 10);
  return `-${BigInt(time.slice(1, dot)) - 1n}.${String(1_000_000_000 - Number(fraction)).padStart(9, '0')}`;
}

function isEntryType(text: string): text is EntryType {
  return text.length === 1 && 'fdlpbcs'.includes(text);
}

export function unreadable(record: string): McadsError {
  return new McadsError('component-failed', `find wrote a line that is no stat line: ${JSON.stringify(record.slice(0, 200))}`, {
    hint: 'the program named find in the helper is not GNU find, or its output was cut',
  });
}
