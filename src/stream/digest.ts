import { hash, createHash } from 'node:crypto';

/** SHA-256 of bytes in memory, 32 bytes. */
export function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer');
}

/** SHA-256 of bytes in memory, lower-case hex. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}

/** Passes bytes through unchanged; `hex()` and `bytes` are right once the iteration has ended. */
export class DigestStream {
  readonly #hash = createHash('sha256');
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  async *through(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const bytes of source) {
      this.#hash.update(bytes);
      this.#bytes += bytes.length;
      yield bytes;
    }
  }

  /** Ends the digest; call it once. */
  hex(): string {
    return this.#hash.digest('hex');
  }
}
