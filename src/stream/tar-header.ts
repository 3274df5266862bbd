import type { RawPath } from '../domain/tree.ts';

export const BLOCK = 512;

/** What ends every tar: an artifact's constant last segment. */
export const TRAILER = Buffer.alloc(2 * BLOCK);

/** The fields of one header block, before pax records change them. Names one character per byte. */
export interface TarHeader {
  readonly name: RawPath;
  /** `0` file, `1` hard link, `2` symlink, `3` character device, `4` block device, `5` directory, `6` FIFO, `x`, `g`, `L`, `K`, … */
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly linkName: RawPath;
}

const CHARACTERS = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));

export class TarFormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TarFormatError';
  }
}

const ZERO = Buffer.alloc(BLOCK);

export function isZeroBlock(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0 && bytes.compare(ZERO, 0, BLOCK, at, at + BLOCK) === 0;
}

/** The type of the header block that begins at `at`. Throws TarFormatError where its checksum is wrong. */
export function checkTarHeader(bytes: Buffer, at: number): string {
  if (number(bytes, at + 148, 8) !== checksumOf(bytes, at)) throw new TarFormatError('a tar header has a wrong checksum');
  const type = bytes[at + 156];
  return type === undefined || type === 0 || type === 0x37 ? '0' : (CHARACTERS[type] ?? '');
}

export function sizeOfTarHeader(bytes: Buffer, at: number): number {
  return number(bytes, at + 124, 12);
}

/** Parses the block at `at` (ustar, GNU and old formats, base-256 numbers), which has been checked and is of that type. */
export function parseTarHeader(bytes: Buffer, at: number, type: string): TarHeader {
  const name = text(bytes, at, 100);
  const prefix = bytes[at + 345] !== 0 && bytes.toString('latin1', at + 257, at + 263) === 'ustar\0' ? text(bytes, at + 345, 155) : '';
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    type,
    mode: number(bytes, at + 100, 8) & 0o7777,
    uid: number(bytes, at + 108, 8),
    gid: number(bytes, at + 116, 8),
    size: sizeOfTarHeader(bytes, at),
    mtime: number(bytes, at + 136, 12),
    linkName: text(bytes, at + 157, 100),
  };
}

/** Bytes that data of this size takes, filled up to whole blocks. */
export function paddedSize(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

/** Records of a pax header, values one character per byte. Throws TarFormatError for anything that is not `length key=value\n`. */
export function parsePax(bytes: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  const all = bytes.toString('latin1');
  for (let at = 0; at < all.length;) {
    const space = all.indexOf(' ', at);
    const end = space < 0 ? Number.NaN : at + Number(all.slice(at, space));
    if (!(end > space + 2) || end > all.length || all.charCodeAt(end - 1) !== 0x0a) throw new TarFormatError('a pax header cannot be read');
    const equals = all.indexOf('=', space + 1);
    if (equals <= space + 1 || equals >= end - 1) throw new TarFormatError('a pax record has no key');
    records.set(all.slice(space + 1, equals), all.slice(equals + 1, end - 1));
    at = end;
  }
  return records;
}

export function encodePax(records: Iterable<readonly [string, string]>): Buffer {
  let body = '';
  for (const [key, value] of records) {
    const rest = ` ${key}=${value}\n`;
    let length = rest.length;
    while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
    body += `${length}${rest}`;
  }
  return Buffer.from(body, 'latin1');
}

/** One ustar block with a right checksum. Names are cut to 100 bytes: longer ones belong into a pax header before it. */
export function encodeTarHeader(header: TarHeader): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(header.name.slice(0, 100), 0, 'latin1');
  octal(block, 100, 8, header.mode);
  octal(block, 108, 8, header.uid);
  octal(block, 116, 8, header.gid);
  octal(block, 124, 12, header.size);
  octal(block, 136, 12, Math.max(0, Math.floor(header.mtime)));
  block.write(header.type, 156, 'latin1');
  block.write(header.linkName.slice(0, 100), 157, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  return sealTarHeader(block);
}

/** Writes the checksum into a changed block. */
export function sealTarHeader(block: Buffer): Buffer {
  block.write(`${checksumOf(block, 0).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** A pax header member for the records, to be put before the member that they describe. */
export function encodePaxMember(records: Iterable<readonly [string, string]>, name: RawPath): Buffer {
  const body = encodePax(records);
  const header = encodeTarHeader({ name, type: 'x', mode: 0o644, uid: 0, gid: 0, size: body.length, mtime: 0, linkName: '' });
  return Buffer.concat([header, body, Buffer.alloc(paddedSize(body.length) - body.length)]);
}

interface LinkFields {
  readonly path: RawPath;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: string;
}

/** The member that makes `path` another name of `target`. Long names, names that are not ASCII and large owners go into pax records. */
export function encodeLinkMember(entry: LinkFields, target: RawPath): Buffer {
  const name = `./${entry.path}`;
  const linkName = `./${target}`;
  const records: [string, string][] = [];
  if (needsPax(name)) records.push(['path', name]);
  if (needsPax(linkName)) records.push(['linkpath', linkName]);
  for (const key of ['uid', 'gid'] as const) if (entry[key] > 0o7777777) records.push([key, String(entry[key])]);
  const mtime = Number(entry.mtime);
  if (!Number.isInteger(mtime) || mtime < 0) records.push(['mtime', entry.mtime]);
  const header = encodeTarHeader({
    name,
    type: '1',
    mode: entry.mode,
    uid: Math.min(entry.uid, 0o7777777),
    gid: Math.min(entry.gid, 0o7777777),
    size: 0,
    mtime,
    linkName,
  });
  return records.length === 0 ? header : Buffer.concat([encodePaxMember(records, './PaxHeaders/link'), header]);
}

function needsPax(name: RawPath): boolean {
  // oxlint-disable-next-line no-control-regex -- exactly the printable bytes of ASCII
  return name.length > 100 || /[^\x20-\x7e]/.test(name);
}

/** The sum of all bytes, those of the checksum itself taken for spaces. */
function checksumOf(bytes: Buffer, at: number): number {
  const block = new DataView(bytes.buffer, bytes.byteOffset + at, BLOCK);
  // Four bytes a step, in two halves of 16 bits: 128 times two bytes just fit in. Summed one by one it was half of a reader's time.
  let halves = 0;
  for (let i = 0; i < BLOCK; i += 4) {
    const word = block.getInt32(i);
    halves = (halves + (word & 0x00ff00ff) + ((word >>> 8) & 0x00ff00ff)) | 0;
  }
  let sum = (halves & 0xffff) + (halves >>> 16) + 8 * 0x20;
  for (let i = at + 148; i < at + 156; i += 1) sum -= bytes[i] ?? 0;
  return sum;
}

function text(bytes: Buffer, start: number, length: number): string {
  let end = start;
  while (end < start + length && bytes[end] !== 0) end += 1;
  return end === start ? '' : bytes.toString('latin1', start, end);
}

function number(block: Buffer, start: number, length: number): number {
  // What everybody writes: digits with zeros in front, ended by NUL, by a space or by the field's end.
  let value = 0;
  for (let at = start, end = start + length; at < end; at += 1) {
    const byte = block[at] ?? 0;
    if (byte >= 0x30 && byte <= 0x37) value = value * 8 + byte - 0x30;
    else if (at > start && (byte === 0 || (byte === 0x20 && at === end - 1))) return value;
    else return unusualNumber(block, start, length);
  }
  return value;
}

/** Base-256, and octal digits with spaces around them. */
function unusualNumber(block: Buffer, start: number, length: number): number {
  const first = block[start] ?? 0;
  if (first === 0x80 || first === 0xff) {
    let value = first === 0xff ? -1n : 0n;
    for (let i = start + 1; i < start + length; i += 1) value = (value << 8n) | BigInt(block[i] ?? 0);
    return Number(value);
  }
  const digits = text(block, start, length).trim();
  if (digits === '') return 0;
  if (!/^[0-7]+$/.test(digits)) throw new TarFormatError('a tar header holds a number that cannot be read');
  return Number.parseInt(digits, 8);
}

function octal(block: Buffer, start: number, length: number, value: number): void {
  block.write(value.toString(8).padStart(length - 1, '0'), start, 'latin1');
}
