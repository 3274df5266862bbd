import { createHash, type Hash } from 'node:crypto';
import type { RawPath } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import type { TarEvent } from '../stream/tar-scanner.ts';

export type HashedFile = readonly [path: RawPath, sha256: string];

interface OpenFile {
  readonly path: RawPath;
  readonly hash: Hash;
  /** Bytes of data that are still to come, padding apart. */
  left: number;
  readonly sparse: SparseFile | null;
}

const ZEROS = Buffer.alloc(64 * 1024);

/** SHA-256 of every regular file of a tar that streams by, holes as zeros. */
export class HashedFiles {
  #open: OpenFile | null = null;

  /** Every event in order; the file that ended before this one, if any. */
  observe(event: TarEvent): HashedFile | null {
    if (event.kind === 'member') {
      const ended = this.finish();
      const { path, type, sparse, storedSize, size } = event.member;
      if (type === 'f') this.#open = { path, hash: createHash('sha256'), left: storedSize, sparse: sparse ? new SparseFile(size) : null };
      return ended;
    }
    const open = this.#open;
    if (open !== null) {
      const mine = event.bytes.subarray(0, open.left);
      open.left -= mine.length;
      if (open.sparse === null) open.hash.update(mine);
      else open.sparse.push(mine, open.hash);
    }
    return null;
  }

  finish(): HashedFile | null {
    const open = this.#open;
    this.#open = null;
    if (open === null) return null;
    open.sparse?.end(open.hash);
    return [open.path, open.hash.digest('hex')];
  }
}

/**
 * The data of a GNU sparse member (version 1.0): first a map of decimal lines (count, then offset and length of each part), padded to 512 bytes, then
 * the parts.
 */
class SparseFile {
  readonly #size: number;
  #map: Buffer = Buffer.alloc(0);
  #parts: { offset: number; length: number }[] | null = null;
  /** Bytes of the file that were hashed. */
  #at = 0;

  constructor(size: number) {
    this.#size = size;
  }

  push(bytes: Uint8Array, hash: Hash): void {
    let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#parts === null) {
      this.#map = Buffer.concat([this.#map, rest]);
      const map = parseMap(this.#map);
      if (map === null) return;
      this.#parts = map.parts;
      rest = this.#map.subarray(map.length);
    }
    while (rest.length > 0) {
      const [part] = this.#parts;
      if (part === undefined) throw new McadsError('damaged', 'a sparse file holds more data than its map says');
      this.#zeros(part.offset - this.#at, hash);
      const mine = rest.subarray(0, part.length);
      hash.update(mine);
      this.#at += mine.length;
      part.offset += mine.length;
      part.length -= mine.length;
      if (part.length === 0) this.#parts.shift();
      rest = rest.subarray(mine.length);
    }
  }

  end(hash: Hash): void {
    this.#zeros(this.#size - this.#at, hash);
  }

  #zeros(count: number, hash: Hash): void {
    for (let left = count; left > 0; left -= ZEROS.length) hash.update(left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS);
    this.#at += Math.max(0, count);
  }
}

/** Null while not all of it is there. */
function parseMap(bytes: Buffer): { readonly parts: { offset: number; length: number }[]; readonly length: number } | null {
  let at = 0;
  const next = (): number | null => {
    const end = bytes.indexOf(0x0a, at);
    if (end === -1) return null;
    const value = Number(bytes.toString('latin1', at, end));
    if (!Number.isSafeInteger(value) || value < 0) throw new McadsError('damaged', 'the map of a sparse file cannot be understood');
    at = end + 1;
    return value;
  };
  const count = next();
  if (count === null) return null;
  const parts: { offset: number; length: number }[] = [];
  for (let index = 0; index < count; index += 1) {
    const offset = next();
    const length = offset === null ? null : next();
    if (offset === null || length === null) return null;
    if (length > 0) parts.push({ offset, length });
  }
  const padded = Math.ceil(at / 512) * 512;
  return bytes.length < padded ? null : { parts, length: padded };
}
