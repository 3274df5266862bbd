/** The end of a stream of text, so much of it as `limit` bytes hold. */
export class Tail {
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(data: Buffer): void {
    this.#chunks.push(Buffer.from(data)); // a copy, or a few bytes would hold a whole socket buffer
    this.#length += data.length;
    if (this.#length > 2 * this.#limit) this.#shorten();
  }

  toString(): string {
    this.#shorten();
    return this.#chunks[0]?.toString() ?? '';
  }

  #shorten(): void {
    const whole = Buffer.concat(this.#chunks);
    this.#chunks = [Buffer.from(whole.subarray(Math.max(0, whole.length - this.#limit)))];
    this.#length = this.#chunks[0]?.length ?? 0;
  }
}
