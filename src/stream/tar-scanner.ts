import type { Bytes } from '../domain/byte-stream.ts';
import type { EntryType, RawPath } from '../domain/tree.ts';
import { releasePiece } from './release-buffer.ts';
import {
  BLOCK,
  checkTarHeader,
  encodePaxMember,
  isZeroBlock,
  paddedSize,
  parsePax,
  parseTarHeader,
  sealTarHeader,
  sizeOfTarHeader,
  TarFormatError,
  type TarHeader,
} from './tar-header.ts';

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

const EMPTY = Buffer.alloc(0);
const NO_RECORDS: ReadonlyMap<string, string> = new Map();
const DOT = 0x2e;
const SLASH = 0x2f;
const MAX_PAX_BYTES = 16 * 1024 * 1024;
/** Of one member, extensions included. */
const MOST_HEADER_BYTES = 2 * MAX_PAX_BYTES;
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
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #recycles: boolean;
  readonly #splitter = new TarSplitter();
  #piece: Uint8Array = EMPTY;

  constructor(body: Bytes, { recycles = false }: TarReaderOptions = {}) {
    this.#source = body[Symbol.asyncIterator]();
    this.#recycles = recycles;
  }

  /** The next event, or a promise of it where its bytes are still to come; null at the end. Asked again only after that was settled. */
  next(): TarEvent | null | Promise<TarEvent | null> {
    return this.#splitter.next() ?? this.#more();
  }

  async #more(): Promise<TarEvent | null> {
    for (;;) {
      if (this.#recycles) releasePiece(this.#piece);
      const next = await this.#source.next();
      if (next.done === true) {
        this.#splitter.end();
        return null;
      }
      this.#piece = next.value;
      this.#splitter.push(this.#piece);
      const event = this.#splitter.next();
      if (event !== null) return event;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source.return?.();
  }
}

/**
 * Takes a tar apart as its pieces come: `push` one, then `next` until it is null; at last `end`. Events are views of the piece that was pushed
 * last, but for a header that began in an earlier one: afterwards nothing of a piece is needed. Throws as `scanTar`.
 */
export class TarSplitter {
  #piece: Buffer = EMPTY;
  #at = 0;
  /** A copy of the header's beginning, where that lay in earlier pieces. */
  #begun: Buffer = EMPTY;
  /** Bytes of data and padding that are still to come. */
  #left = 0;
  #isOver = false;

  push(piece: Uint8Array): void {
    this.#piece = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    this.#at = 0;
  }

  /** Null: the next piece is needed. */
  next(): TarEvent | null {
    if (this.#left > 0) return this.#data();
    const member = this.#isOver ? this.#padding() : this.#member();
    if (member === null) return null;
    this.#left = paddedSize(member.storedSize);
    return { kind: 'member', member };
  }

  end(): void {
    if (!this.#isOver) throw new TarFormatError('the tar stream ended in the middle');
  }

  #data(): TarEvent | null {
    const bytes = this.#piece.subarray(this.#at, this.#at + this.#left);
    if (bytes.length === 0) return null;
    this.#left -= bytes.length;
    this.#use(bytes.length);
    return { kind: 'data', bytes };
  }

  /** Takes the next member's headers, its own and those before it, as one. */
  #member(): TarMember | null {
    let length = 0;
    let extensions = '';
    let pax: Map<string, string> | null = null;
    let longName: string | null = null;
    let longLink: string | null = null;
    for (;;) {
      if (length > MOST_HEADER_BYTES) throw new TarFormatError('a member has too many headers');
      if (!this.#holds(length + BLOCK)) return null;
      const at = this.#headerAt + length;
      if (isZeroBlock(this.#headers, at)) return this.#trailer(extensions);
      const type = checkTarHeader(this.#headers, at);
      if (!'xgLK'.includes(type)) {
        const header = parseTarHeader(this.#headers, at, type);
        return toMember(this.#takeHeader(length + BLOCK), header, { extensions, pax, longName, longLink });
      }
      const size = sizeOfTarHeader(this.#headers, at);
      if (size > MAX_PAX_BYTES) throw new TarFormatError('a pax header is too large');
      const end = length + BLOCK + paddedSize(size);
      if (!this.#holds(end)) return null;
      const begin = this.#headerAt + length + BLOCK;
      const content = this.#headers.subarray(begin, begin + size);
      if (type === 'x') pax = pax === null ? parsePax(content) : new Map([...pax, ...parsePax(content)]);
      else if (type === 'L') longName = untilZero(content);
      else if (type === 'K') longLink = untilZero(content);
      extensions += type;
      length = end;
    }
  }

  #trailer(extensions: string): null {
    if (extensions !== '') throw new TarFormatError('a tar stream ends behind a pax header');
    if (!this.#holds(2 * BLOCK)) return null;
    if (!isZeroBlock(this.#headers, this.#headerAt + BLOCK)) throw new TarFormatError('a single zero block inside a tar stream');
    this.#takeHeader(2 * BLOCK);
    this.#isOver = true;
    return this.#padding();
  }

  /** Behind the trailer only the padding of the last record may follow. */
  #padding(): null {
    if (this.#piece.subarray(this.#at).some((byte) => byte !== 0)) throw new TarFormatError('bytes follow the end of the tar stream');
    this.#at = this.#piece.length;
    return null;
  }

  /** What holds the headers that are looked at: the piece, or what was kept of it and others. */
  get #headers(): Buffer {
    return this.#begun.length > 0 ? this.#begun : this.#piece;
  }

  get #headerAt(): number {
    return this.#begun.length > 0 ? 0 : this.#at;
  }

  /** False where not so many bytes of the headers are at hand: what there is of them is kept then. */
  #holds(length: number): boolean {
    if (this.#begun.length === 0) {
      if (this.#piece.length - this.#at >= length) return true;
      this.#keep(this.#piece.length - this.#at);
      return false;
    }
    if (this.#begun.length < length) this.#keep(length - this.#begun.length);
    return this.#begun.length >= length;
  }

  #keep(most: number): void {
    const some = this.#piece.subarray(this.#at, this.#at + most);
    this.#begun = Buffer.concat([this.#begun, some]);
    this.#use(some.length);
  }

  #takeHeader(length: number): Buffer {
    if (this.#begun.length > 0) {
      const whole = this.#begun; // never more than was asked for
      this.#begun = EMPTY;
      return whole;
    }
    const whole = this.#piece.subarray(this.#at, this.#at + length);
    this.#use(length);
    return whole;
  }

  /** A piece that is used up is let go of: whoever got its last bytes may have given it back. */
  #use(length: number): void {
    this.#at += length;
    if (this.#at < this.#piece.length) return;
    this.#piece = EMPTY;
    this.#at = 0;
  }
}

interface Extensions {
  readonly extensions: string;
  readonly pax: Map<string, string> | null;
  readonly longName: string | null;
  readonly longLink: string | null;
}

function toMember(whole: Buffer, header: TarHeader, { extensions, pax, longName, longLink }: Extensions): TarMember {
  const records = pax ?? NO_RECORDS;
  const sparse = records.has('GNU.sparse.major');
  const name = records.get('GNU.sparse.name') ?? records.get('path') ?? longName ?? header.name;
  const storedSize = count(records.get('size'), hasData(header.type) ? header.size : 0);
  const type = TYPES[header.type] ?? 'other';
  const linkName = records.get('linkpath') ?? longLink ?? header.linkName;
  return {
    header: sparse ? withoutProcessId(Buffer.from(whole.subarray(-BLOCK)), records, name) : whole,
    path: toRawPath(name),
    name,
    linkName,
    extensions,
    type,
    mode: header.mode,
    uid: count(records.get('uid'), header.uid),
    gid: count(records.get('gid'), header.gid),
    storedSize,
    size: count(records.get('GNU.sparse.realsize'), storedSize),
    mtime: records.get('mtime') ?? String(header.mtime),
    target: type === 'l' ? linkName : type === 'link' ? toRawPath(linkName) : null,
    sparse,
    pax: records,
  };
}

/**
 * GNU tar names a sparse member `dir/GNUSparseFile.<pid>/name` and keeps the real name in a record. The process id would make equal
 * files differ: the header gets a constant name, and a pax `path` record (made for long names) goes.
 */
function withoutProcessId(block: Buffer, pax: ReadonlyMap<string, string>, name: string): Buffer {
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
  if (isPlain(name)) return name.slice(2);
  const path = name.replace(/^(?:\.\/+)+/, '').replace(/\/+$/, '');
  return path === '.' ? '' : path;
}

/** `./` and a path, nothing to be removed from that: what we and GNU tar write of all but directories. */
function isPlain(name: string): boolean {
  const first = name.charCodeAt(2);
  return name.startsWith('./') && name.length > 2 && first !== SLASH && first !== DOT && name.charCodeAt(name.length - 1) !== SLASH;
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
