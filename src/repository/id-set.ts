/**
 * A set of SHA-256 ids at 32 bytes each (plus a fifth of free slots), because a repository holds millions:
 * open addressing over one Uint32Array; an all-zero slot is free.
 */
export class IdSet {
  #table: Uint32Array<ArrayBuffer>;
  #slots: number;
  #size = 0;
  readonly #scratch = new Uint32Array(8);
  readonly #scratchBytes = Buffer.from(this.#scratch.buffer);

  constructor(expected = 1024) {
    this.#slots = Math.max(16, Math.ceil(expected * 1.3));
    this.#table = new Uint32Array(this.#slots * 8);
  }

  get size(): number {
    return this.#size;
  }

  /** Takes 64 hex digits; true when the id was not there. */
  add(id: string): boolean {
    this.#load(id);
    return this.#addLoaded();
  }

  /** The same of the 64 hex digits (lower case, as who calls has made sure) at a place in some bytes, without a string. */
  addDigits(bytes: Uint8Array, at: number): boolean {
    const scratch = this.#scratchBytes;
    for (let index = 0; index < 32; index += 1) {
      scratch[index] = (valueOf(bytes[at + 2 * index] ?? 0) << 4) | valueOf(bytes[at + 2 * index + 1] ?? 0);
    }
    return this.#addLoaded();
  }

  has(id: string): boolean {
    this.#load(id);
    return !this.#isFree(this.#find());
  }

  #addLoaded(): boolean {
    const slot = this.#find();
    if (!this.#isFree(slot)) return false;
    this.#table.set(this.#scratch, slot * 8);
    this.#size += 1;
    if (this.#size > this.#slots * 0.85) this.#grow();
    return true;
  }

  #load(id: string): void {
    if (id.length !== 64 || this.#scratchBytes.write(id, 'hex') !== 32) throw new TypeError(`not an id: ${id.slice(0, 80)}`);
  }

  /** The slot of the loaded id, or the free one where it belongs. Ids are evenly spread already. */
  #find(): number {
    const wanted = this.#scratch;
    const table = this.#table;
    let slot = Math.floor(((wanted[0] ?? 0) / 0x1_0000_0000) * this.#slots);
    for (;;) {
      const at = slot * 8;
      let same = 0;
      while (same < 8 && table[at + same] === wanted[same]) same += 1;
      if (same === 8 || this.#isFree(slot)) return slot;
      slot = slot + 1 === this.#slots ? 0 : slot + 1;
    }
  }

  #isFree(slot: number): boolean {
    const table = this.#table;
    for (let at = slot * 8, end = at + 8; at < end; at += 1) if (table[at] !== 0) return false;
    return true;
  }

  #grow(): void {
    const old = this.#table;
    this.#slots = Math.ceil(this.#slots * 1.6);
    this.#table = new Uint32Array(this.#slots * 8);
    for (let at = 0; at < old.length; at += 8) {
      const entry = old.subarray(at, at + 8);
      if (entry.every((word) => word === 0)) continue;
      this.#scratch.set(entry);
      this.#table.set(entry, this.#find() * 8);
    }
  }
}

function valueOf(digit: number): number {
  return digit <= 0x39 ? digit - 0x30 : digit - 0x57;
}
