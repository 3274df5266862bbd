import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { sha256 } from '../stream/digest.ts';
import { McadsError } from '../errors.ts';
import { LOCKS, parseObject } from './format.ts';
import type { Store } from './store.ts';

/*
 * Leases: one JSON object each under `locks/`, counting up while its holder lives.
 *
 * Decision: no clock is compared between machines. An observer calls a lease stale when its counter has not moved for the lease's
 * whole time on the observer's own monotonic clock; a holder stops by itself when half of that time went by without a renewal.
 * On a local disk the kernel tells at once (see Liveness).
 * A lease is first `pending`: who then sees a conflicting held lease, or a pending one with a lower id, withdraws; who sees a pending
 * one with a higher id waits until that one has withdrawn or is held. So of two that start together exactly one wins.
 */

export type LeaseMode = 'shared' | 'exclusive';

interface LeaseTimes {
  readonly timeToLiveMs: number;
  readonly renewMs: number;
  readonly pollMs: number;
}

/** How long a run waits for another one that holds the repository, unless told otherwise. */
export const DEFAULT_LOCK_TIMEOUT_MS = 60_000;

const TIMES: LeaseTimes = { timeToLiveMs: 120_000, renewMs: 15_000, pollMs: 250 };

interface LeaseRecord {
  readonly id: string;
  readonly mode: LeaseMode;
  readonly state: 'pending' | 'held';
  readonly purpose: string;
  readonly snapshot: string | null;
  readonly parents: readonly string[];
  readonly counter: number;
  readonly timeToLiveMs: number;
  readonly machine: string | null;
  readonly host: string;
  readonly pid: number;
  readonly since: string;
}

export interface LeaseRequest {
  readonly mode: LeaseMode;
  /** For whoever has to wait: `backup of shop`. */
  readonly purpose: string;
  /** The snapshot name that this run writes; no other live lease may have it. */
  readonly snapshot?: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly times?: LeaseTimes;
}

export class Lease implements AsyncDisposable {
  readonly id: string;
  readonly #store: Store;
  readonly #times: LeaseTimes;
  readonly #kernel: AsyncDisposable | null;
  readonly #lost = new AbortController();
  #record: LeaseRecord;
  #renewedMonotonic = performance.now();
  #renewedWall = Date.now();
  #timer: NodeJS.Timeout | null = null;
  #renewing: Promise<void> = Promise.resolve();

  private constructor(store: Store, record: LeaseRecord, kernel: AsyncDisposable | null, times: LeaseTimes) {
    this.id = record.id;
    this.#store = store;
    this.#record = record;
    this.#kernel = kernel;
    this.#times = times;
  }

  /** Rejects `locked` naming the holder when it is not to be had within the time, or when the snapshot name is taken (`context.nameTaken`). */
  static async acquire(store: Store, request: LeaseRequest): Promise<Lease> {
    const observer = new LeaseObserver(store);
    const deadline = performance.now() + request.timeoutMs;
    const times = request.times ?? TIMES;
    for (;;) {
      request.signal.throwIfAborted();
      const lease = await Lease.#announce(store, request, times);
      let conflict: LeaseRecord | null;
      try {
        conflict = await lease.#settle(observer, request);
      } catch (error) {
        await lease[Symbol.asyncDispose]();
        throw error;
      }
      if (conflict === null) {
        lease.#startRenewing();
        return lease;
      }
      await lease[Symbol.asyncDispose]();
      if (conflict.snapshot !== null && conflict.snapshot === request.snapshot) {
        throw new McadsError('locked', `another backup writes ${conflict.snapshot} right now`, { context: { nameTaken: true } });
      }
      // Who waits at least as long as by default waits until it is known whether a holder that shows no life is dead: else every night would end here.
      const patience = request.timeoutMs >= DEFAULT_LOCK_TIMEOUT_MS ? (observer.knownIn(conflict) ?? 0) : 0;
      const left = Math.max(deadline - performance.now(), patience);
      if (left <= 0) throw lockedBy(conflict, request);
      await delay(Math.min(times.pollMs * (0.75 + Math.random() / 2), Math.max(1, left)), undefined, { signal: request.signal });
    }
  }

  static async #announce(store: Store, request: LeaseRequest, times: LeaseTimes): Promise<Lease> {
    const id = randomBytes(8).toString('hex');
    const kernel = (await store.liveness?.hold(id)) ?? null;
    const record: LeaseRecord = {
      id,
      mode: request.mode,
      state: 'pending',
      purpose: request.purpose,
      snapshot: request.snapshot ?? null,
      parents: [],
      counter: 0,
      timeToLiveMs: times.timeToLiveMs,
      machine: kernel === null ? null : (store.liveness?.machine ?? null),
      host: hostname(),
      pid: process.pid,
      since: new Date().toISOString(),
    };
    const lease = new Lease(store, record, kernel, times);
    try {
      await lease.#write({});
    } catch (error) {
      await kernel?.[Symbol.asyncDispose]();
      throw error;
    }
    return lease;
  }

  /** Null: the lease is held now. Otherwise who is in the way. */
  async #settle(observer: LeaseObserver, request: LeaseRequest): Promise<LeaseRecord | null> {
    for (;;) {
      const others = (await observer.alive()).filter((other) => other.id !== this.id && conflicts(this.#record, other));
      const winner = others.find((other) => other.state === 'held' || other.id < this.id);
      if (winner !== undefined) return winner;
      if (others.length === 0) break;
      await delay(10, undefined, { signal: request.signal });
    }
    await this.#write({ state: 'held' });
    return null;
  }

  /** Aborts with `locked` when the lease is lost. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /** Tells prune which snapshots this run builds on. */
  async nameParents(parents: readonly string[]): Promise<void> {
    await this.#renew({ parents });
  }

  /** Throws when more than half of the lease's time went by since the last renewal, on either clock: somebody else may hold it by now. */
  assertHeld(): void {
    const half = this.#times.timeToLiveMs / 2;
    if (performance.now() - this.#renewedMonotonic > half || Math.abs(Date.now() - this.#renewedWall) > half) {
      this.#lose('it could not be renewed in time (the machine slept, or the disk did not answer)');
    }
    this.#lost.signal.throwIfAborted();
  }

  #startRenewing(): void {
    this.#timer = setInterval(() => {
      void this.#renew({}).catch((error: unknown) => {
        if (performance.now() - this.#renewedMonotonic > this.#times.timeToLiveMs / 2) this.#lose(String(error));
      });
    }, this.#times.renewMs);
    this.#timer.unref();
  }

  async #renew(change: Partial<LeaseRecord>): Promise<void> {
    const next = this.#renewing.then(async () => {
      if (this.#lost.signal.aborted) return;
      this.assertHeld();
      await this.#write(change);
    });
    this.#renewing = next.catch(() => undefined); // thrown to this caller; the next renewal starts afresh
    await next;
  }

  async #write(change: Partial<LeaseRecord>): Promise<void> {
    const monotonic = performance.now();
    const wall = Date.now();
    this.#record = { ...this.#record, ...change, counter: this.#record.counter + 1 };
    await this.#store.put(leaseKey(this.id), Buffer.from(`${JSON.stringify(this.#record)}\n`), { durable: false });
    this.#renewedMonotonic = monotonic;
    this.#renewedWall = wall;
  }

  #lose(why: string): void {
    this.#lost.abort(
      new McadsError('locked', `the lock on ${this.#store.location} was lost: ${why}`, {
        hint: 'Run again; what was already stored is used again.',
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#renewing;
    try {
      await this.#store.remove(leaseKey(this.id));
    } finally {
      await this.#kernel?.[Symbol.asyncDispose]();
    }
  }
}

/** Watches the leases of a store over this process's own clock. */
export class LeaseObserver {
  readonly #store: Store;
  readonly #seen = new Map<string, { readonly counter: number; readonly at: number; readonly moved: boolean }>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Leases whose holders are not known to be dead; dead ones are removed. */
  async alive(): Promise<readonly LeaseRecord[]> {
    const alive: LeaseRecord[] = [];
    for await (const page of this.#store.list(LOCKS)) {
      for (const { key } of page) {
        if (!key.endsWith('.json')) continue;
        const bytes = await this.#store.get(key);
        const record = bytes === null ? null : this.#recordOf(bytes, key);
        if (record === null) continue;
        if (await this.#isDead(record)) await this.#bury(record);
        else alive.push(record);
      }
    }
    return alive;
  }

  /** One that cannot be read (a full disk, a power cut) is whose it is all the same: the kernel's lock, else that nobody changes it, says when it is over. */
  #recordOf(bytes: Uint8Array, key: string): LeaseRecord {
    try {
      return toRecord(bytes, key);
    } catch (error) {
      if (!(error instanceof McadsError) || error.code !== 'damaged') throw error;
      return {
        id: key.slice(LOCKS.length, -'.json'.length),
        mode: 'exclusive',
        state: 'held',
        purpose: `a run whose lease ${key} cannot be read`,
        snapshot: null,
        parents: [],
        counter: sha256(bytes).readUInt32LE(0),
        timeToLiveMs: TIMES.timeToLiveMs,
        machine: this.#store.liveness?.machine ?? null,
        host: '?',
        pid: 0,
        since: '?',
      };
    }
  }

  async #isDead(record: LeaseRecord): Promise<boolean> {
    const liveness = this.#store.liveness;
    if (liveness !== null && record.machine !== null) {
      if (record.machine === liveness.machine) return !(await liveness.isHeld(record.id));
      if (record.host === hostname()) return true; // a local disk, the same host, another boot: the holder went down with it
    }
    const seen = this.#seen.get(record.id);
    if (seen?.counter !== record.counter) {
      this.#seen.set(record.id, { counter: record.counter, at: performance.now(), moved: seen !== undefined });
      return false;
    }
    return performance.now() - seen.at > record.timeToLiveMs;
  }

  /** Milliseconds until a holder that has shown no life since it is watched is taken for dead; null for one that is alive, or judged otherwise. */
  knownIn({ id, timeToLiveMs }: LeaseRecord): number | null {
    const seen = this.#seen.get(id);
    return seen === undefined || seen.moved ? null : timeToLiveMs - (performance.now() - seen.at) + 1;
  }

  async #bury(record: LeaseRecord): Promise<void> {
    await this.#store.remove(leaseKey(record.id));
    await this.#store.remove(`${LOCKS}${record.id}.lock`);
  }
}

function leaseKey(id: string): string {
  return `${LOCKS}${id}.json`;
}

function conflicts(mine: LeaseRecord, other: LeaseRecord): boolean {
  return mine.mode === 'exclusive' || other.mode === 'exclusive' || (mine.snapshot !== null && mine.snapshot === other.snapshot);
}

function toRecord(bytes: Uint8Array, key: string): LeaseRecord {
  const record = parseObject(bytes, key) as unknown as LeaseRecord; // foreign JSON, checked below
  if (
    typeof record.id !== 'string' ||
    typeof record.counter !== 'number' ||
    typeof record.timeToLiveMs !== 'number' ||
    (record.mode !== 'shared' && record.mode !== 'exclusive')
  ) {
    throw new McadsError('damaged', `${key} is no lease`, { hint: `Remove the file when nothing else uses the repository.` });
  }
  return record;
}

function lockedBy(record: LeaseRecord, request: LeaseRequest): McadsError {
  const seconds = Math.round(request.timeoutMs / 1000);
  return new McadsError(
    'locked',
    `the repository is in use: ${record.purpose} on ${record.host} (process ${record.pid}) since ${record.since}, still after ${seconds} s`,
    {
      hint: `Wait for it, or give --lock-timeout more time. A holder that died on another machine is noticed after ${record.timeToLiveMs / 1000} s.`,
      context: { holder: record.id },
    },
  );
}
