import { setTimeout } from 'node:timers/promises';

/** Bursts up to this much time's worth of bytes are let through, so that waits are few and long enough for timers. */
const BURST_MS = 250;

/** Holds whoever counts bytes to so many a second on average, whatever number of them count. */
export class RateLimit {
  readonly #bytesPerMs: number;
  readonly #now: () => number;
  /** When the bytes counted so far are due. */
  #dueMs: number;

  constructor(bytesPerSecond: number, now: () => number = () => performance.now()) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#now = now;
    this.#dueMs = now();
  }

  count(bytes: number): void {
    this.#dueMs = Math.max(this.#dueMs, this.#now() - BURST_MS) + bytes / this.#bytesPerMs;
  }

  /** How long to wait before more bytes may be counted. */
  get aheadMs(): number {
    const ahead = this.#dueMs - this.#now();
    return ahead > BURST_MS ? ahead : 0;
  }

  /** Ends with the signal's reason where it aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    for (let ahead = this.aheadMs; ahead > 0; ahead = this.aheadMs) {
      try {
        await setTimeout(ahead, undefined, { signal });
      } finally {
        signal.throwIfAborted();
      }
    }
  }
}
