import { createHash, type Hash } from 'node:crypto';
import type { RawPath } from '../domain/tree.ts';
import type { TarEvent } from '../stream/tar-scanner.ts';

const WANTED = 64;
const LARGEST_BYTES = 16 * 1024 * 1024;

/** SHA-256 of about 64 regular files of a tar that streams by, chosen by their names' hash, so that the same snapshot gives the same sample. */
export class SampleHashes {
  readonly hashes = new Map<RawPath, string>();
  readonly #oneIn: number;
  #current: { readonly path: RawPath; readonly hash: Hash; left: number } | null = null;

  constructor(entries: number) {
    this.#oneIn = Math.max(1, Math.floor(entries / WANTED));
  }

  /** Every event of the tar in order. */
  observe(event: TarEvent): void {
    if (event.kind === 'member') {
      this.#end();
      const { path, type, sparse, storedSize } = event.member;
      if (type !== 'f' || sparse || storedSize > LARGEST_BYTES || this.hashes.size >= 2 * WANTED || !this.#isChosen(path)) return;
      this.#current = { path, hash: createHash('sha256'), left: storedSize };
    } else if (this.#current !== null) {
      const mine = event.bytes.subarray(0, this.#current.left);
      this.#current.hash.update(mine);
      this.#current.left -= mine.length;
    }
  }

  finish(): ReadonlyMap<RawPath, string> {
    this.#end();
    return this.hashes;
  }

  #end(): void {
    if (this.#current !== null) this.hashes.set(this.#current.path, this.#current.hash.digest('hex'));
    this.#current = null;
  }

  #isChosen(path: RawPath): boolean {
    if (this.#oneIn === 1) return true;
    let mixed = 2166136261;
    for (let i = 0; i < path.length; i += 1) mixed = Math.imul(mixed ^ path.charCodeAt(i), 16777619);
    return (mixed >>> 0) % this.#oneIn === 0;
  }
}
