import type { Bytes } from '../domain/byte-stream.ts';
import type { EntryType, RawPath } from '../domain/tree.ts';
import { releasePiece } from './release-buffer.ts';
import { BLOCK, encodePaxMember, isZeroBlock, paddedSize, parsePax, parseTarHeader, sealTarHeader, TarFormatError } from './tar-header.ts';

/** One member of a tar stream. */
export interface TarMember {
  /** Everything before the data, pax headers included, exactly as read (sparse files' process ids apart); maybe a view of what came in. */
  readonly header: Buffer;
  /** Without leading `./` and trailing `/`; `''` is the root. */
  readonly path: RawPath;
  /** The name and the link's as they are in the archive. */
  readonly name: RawPath;
  readonly linkName: RawPath;
  /** Types of the headers before the member's own, in order: `x` in what we and GNU tar write. */
  readonly extensions: string;
  readonly type: EntryType | 'link' | 'other';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of data in the archive; `data` events bring them and the padding. */
  readonly storedSize: number;
  /** Length of the file (larger than `storedSize` for a sparse one). */
  readonly size: number;
  readonly mtime: string;
  /** Target of a symlink as it is, of a hard link like `path`. */
  readonly target: RawPath | null;
  readonly sparse: boolean;
  readonly pax: ReadonlyMap<string, string>;
}

export type TarEvent = { readonly kind: 'member'; readonly member: TarMember } | { readonly kind: 'data'; readonly bytes: Uint8Array };

const MAX_PAX_BYTES = 16 * 1024 * 1024;
const TYPES: Readonly<Record<string, TarMember['type']>> = { '0': 'f', '1': 'link', '2': 'l', '3': 'c', '4': 'b', '5': 'd', '6': 'p' };

/**
 * Members of a tar stream and their data in pieces that are views of what came in. Throws TarFormatError for a wrong checksum, a stream
 * that ends inside a member, and one without the two zero blocks at its end.
 *
 * `recycles`: the source hands its buffers over and the reader keeps no view past the next event, so that each is given back as soon as it is used up.
 */
export async function* scanTar(body: Bytes, options: TarReaderOptions = {}): AsyncGenerator<TarEvent> {
  await using reader = new TarReader(body, options);
  for (;;) {
    const next = reader.next();
    const event = next instanceof Promise ? await next : next;
    if (event === null) return;
    yield event;
  }
}

interface TarReaderOptions {
  readonly recycles?: boolean;
}

/** The events of `scanTar` without a wait for each: for trees of millions. */
export class TarReader implements AsyncDisposable {
  readonly #input: BlockReader;
  #left = 0;

  constructor(body: Bytes, { recycles = false }: TarReaderOptions = {}) {
    this.#input = new BlockReader(body, recycles);
  }

  /** The next event, or a promise of it where its bytes are still to come; null at the end. Asked again only after that was settled. */
  next(): TarEvent | null | Promise<TarEvent | null> {
    if (this.#left > 0) {
      const bytes = this.#input.some(this.#left);
      return bytes === null ? this.#moreData() : this.#data(bytes);
    }
    const member = wholeMember(this.#input);
    return member === null ? this.#moreMembers() : this.#member(member);
  }

  #data(bytes: Buffer): TarEvent {
    this.#left -= bytes.length;
    return { kind: 'data', bytes };
  }

  async #moreData(): Promise<TarEvent> {
    return this.#data(await this.#input.more(this.#left));
  }

  #member(member: TarMember): TarEvent {
    this.#left = paddedSize(member.storedSize);
    return { kind: 'member', member };
  }

  async #moreMembers(): Promise<TarEvent | null> {
    const member = await readMember(this.#input);
    if (member !== null) return this.#member(member);
    await this.#input.drainZeros();
    return null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
  }
}

/**
 * The member whose headers all lie in the buffer at hand, as a view of it: nearly every one. Null where they do not, and where something is unusual:
 * nothing was taken then. One pax header at most, which is what GNU tar writes.
 */
function wholeMember(input: BlockReader): TarMember | null {
  const first = input.peek(0, BLOCK);
  if (first === null || first[0] === 0) return null;
  const header = parseTarHeader(first);
  if (header.type !== 'x')
    return 'gLK'.includes(header.type) ? null : toMember([], input.take(BLOCK) ?? first, header, new Map(), null, null);
  if (header.size > MAX_PAX_BYTES) return null;
  const length = BLOCK + paddedSize(header.size);
  const block = input.peek(length, BLOCK);
  if (block === null || block[0] === 0) return null;
  const own = parseTarHeader(block);
  if ('xgLK'.includes(own.type)) return null;
  const pax = parsePax(input.peek(BLOCK, header.size) ?? block);
  const whole = input.take(length + BLOCK) ?? block;
  return toMember([whole.subarray(0, length)], whole.subarray(length), own, pax, null, null, whole);
}

async function readMember(input: BlockReader): Promise<TarMember | null> {
  const parts: Buffer[] = [];
  let pax = new Map<string, string>();
  let longName: string | null = null;
  let longLink: string | null = null;
  for (;;) {
    // Copied: it is kept while more is read.
    const block = Buffer.from(input.take(BLOCK) ?? (await input.exactly(BLOCK)));
    if (isZeroBlock(block)) {
      if (parts.length > 0) throw new TarFormatError('a tar stream ends behind a pax header');
      if (!isZeroBlock(await input.exactly(BLOCK))) throw new TarFormatError('a single zero block inside a tar stream');
      return null;
    }
    const header = parseTarHeader(block);
    if (!'xgLK'.includes(header.type)) return toMember(parts, block, header, pax, longName, longLink);
    if (header.size > MAX_PAX_BYTES) throw new TarFormatError('a pax header is too large');
    const raw = await input.exactly(paddedSize(header.size));
    const content = raw.subarray(0, header.size);
    if (header.type === 'x') pax = new Map([...pax, ...parsePax(content)]);
    else if (header.type === 'L') longName = untilZero(content);
    else if (header.type === 'K') longLink = untilZero(content);
    parts.push(Buffer.concat([block, raw]));
  }
}

function toMember(
  parts: readonly Buffer[],
  block: Buffer,
  header: ReturnType<typeof parseTarHeader>,
  pax: Map<string, string>,
  longName: string | null,
  longLink: string | null,
  whole?: Buffer,
): TarMember {
  const sparse = pax.has('GNU.sparse.major');
  const name = pax.get('GNU.sparse.name') ?? pax.get('path') ?? longName ?? header.name;
  const storedSize = count(pax.get('size'), hasData(header.type) ? header.size : 0);
  const type = TYPES[header.type] ?? 'other';
  const linkName = pax.get('linkpath') ?? longLink ?? header.linkName;
  return {
    header: sparse
      ? withoutProcessId(Buffer.from(block), pax, name)
      : (whole ?? (parts.length === 0 ? block : Buffer.concat([...parts, block]))),
    path: toRawPath(name),
    name,
    linkName,
    extensions: extensionsOf(parts),
    type,
    mode: header.mode,
    uid: count(pax.get('uid'), header.uid),
    gid: count(pax.get('gid'), header.gid),
    storedSize,
    size: count(pax.get('GNU.sparse.realsize'), storedSize),
    mtime: pax.get('mtime') ?? String(header.mtime),
    target: type === 'l' ? linkName : type === 'link' ? toRawPath(linkName) : null,
    sparse,
    pax,
  };
}

function extensionsOf(parts: readonly Buffer[]): string {
  let types = '';
  for (const part of parts) types += String.fromCharCode(part[156] ?? 0);
  return types;
}

/**
 * GNU tar names a sparse member `dir/GNUSparseFile.<pid>/name` and keeps the real name in a record. The process id would make equal
 * files differ: the header gets a constant name, and a pax `path` record (made for long names) goes.
 */
function withoutProcessId(block: Buffer, pax: Map<string, string>, name: string): Buffer {
  const records = new Map(pax);
  records.delete('path');
  const base = name.slice(name.lastIndexOf('/') + 1).slice(0, 60);
  block.fill(0, 0, 100);
  block.write(`./GNUSparseFile.0/${base}`, 0, 'latin1');
  block.fill(0, 345, 500);
  return Buffer.concat([encodePaxMember(records, './PaxHeaders/sparse'), sealTarHeader(block)]);
}

/** Removes what leads to the root and trailing slashes; absolute names and `..` stay, for the caller to refuse. */
export function toRawPath(name: string): RawPath {
  const path = name.replace(/^(?:\.\/+)+/, '').replace(/\/+$/, '');
  return path === '.' ? '' : path;
}

function hasData(type: string): boolean {
  return !'123456'.includes(type);
}

function count(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new TarFormatError('a pax record holds an impossible number');
  return value;
}

function untilZero(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
}

/** Hands out exact and partial pieces of a byte stream; synchronous where the bytes are there. */
class BlockReader {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #recycles: boolean;
  #current: Buffer = EMPTY;
  #at = 0;

  constructor(body: Bytes, recycles: boolean) {
    this.#source = body[Symbol.asyncIterator]();
    this.#recycles = recycles;
  }

  /** Bytes further on in the buffer at hand, null where it ends before. */
  peek(from: number, length: number): Buffer | null {
    const start = this.#at + from;
    return this.#current.length < start + length ? null : this.#current.subarray(start, start + length);
  }

  take(length: number): Buffer | null {
    if (this.#current.length - this.#at < length) return null;
    const bytes = this.#current.subarray(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }

  some(most: number): Buffer | null {
    const length = Math.min(most, this.#current.length - this.#at);
    return length === 0 ? null : this.take(length);
  }

  async more(most: number): Promise<Buffer> {
    if (!(await this.#fill())) throw new TarFormatError('the tar stream ended in the middle');
    return this.some(most) ?? this.more(most);
  }

  async exactly(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = length; left > 0;) {
      const bytes = this.some(left) ?? (await this.more(left));
      // Parts of two buffers: the first is given back before both are put together.
      parts.push(this.#recycles && bytes.length < length ? Buffer.from(bytes) : bytes);
      left -= bytes.length;
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }

  /** Behind the trailer only the padding of the last record may follow. */
  async drainZeros(): Promise<void> {
    do {
      if (this.#current.subarray(this.#at).some((byte) => byte !== 0)) throw new TarFormatError('bytes follow the end of the tar stream');
      this.#at = this.#current.length;
    } while (await this.#fill());
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #fill(): Promise<boolean> {
    if (this.#recycles) releasePiece(this.#current);
    this.#current = EMPTY;
    this.#at = 0;
    const next = await this.#source.next();
    if (next.done === true) return false;
    this.#current = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    return true;
  }
}

const EMPTY = Buffer.alloc(0);
