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

export class TarFormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TarFormatError';
  }
}

/** Parses one block (ustar, GNU and old formats, base-256 numbers). Throws TarFormatError where its checksum is wrong. */
export function parseTarHeader(block: Buffer): TarHeader {
  if (number(block, 148, 8) !== checksumOf(block)) throw new TarFormatError('a tar header has a wrong checksum');
  const name = text(block, 0, 100);
  const prefix = block[345] !== 0 && block.toString('latin1', 257, 263) === 'ustar\0' ? text(block, 345, 155) : '';
  const type = String.fromCharCode(block[156] ?? 0);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    type: type === '\0' || type === '7' ? '0' : type,
    mode: number(block, 100, 8) & 0o7777,
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    mtime: number(block, 136, 12),
    linkName: text(block, 157, 100),
  };
}

export function isZeroBlock(block: Buffer): boolean {
  return block[0] === 0 && block.every((byte) => byte === 0);
}

/** Bytes that data of this size takes, filled up to whole blocks. */
export function paddedSize(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

/** Records of a pax header, values one character per byte. Throws TarFormatError for anything that is not `length key=value\n`. */
export function parsePax(bytes: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(bytes.toString('latin1', at, space));
    if (!(length > space - at + 2) || at + length > bytes.length || bytes[at + length - 1] !== 0x0a)
      throw new TarFormatError('a pax header cannot be read');
    const record = bytes.toString('latin1', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    if (equals <= 0) throw new TarFormatError('a pax record has no key');
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
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
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
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

function checksumOf(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < 148; i += 1) sum += block[i] ?? 0;
  for (let i = 156; i < BLOCK; i += 1) sum += block[i] ?? 0;
  return sum;
}

function text(block: Buffer, start: number, length: number): string {
  if (block[start] === 0) return '';
  const end = block.indexOf(0, start);
  return block.toString('latin1', start, end < 0 || end > start + length ? start + length : end);
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
