import type { PruneDecision } from '../domain/ports.ts';
import type { StrategyName } from '../domain/manifest.ts';
import { applyClassicRetention, applyRetention, protectNewestCaptures, type RetentionPolicy } from '../domain/retention.ts';
import type { SnapshotSummary } from '../domain/snapshot-summary.ts';
import { McadsError } from '../errors.ts';
import { classicVerificationKey, listClassicArchives } from './classic-archives.ts';
import { BAD_SUFFIX, CHUNKS, idOfKey, SEGMENTS } from './format.ts';
import { IdSet } from './id-set.ts';
import { LeaseObserver, type Lease } from './lease.ts';
import { listSnapshotFolders, removeManifest, toSummary } from './manifest-store.ts';
import { ObjectReader } from './object-reader.ts';
import { loadSnapshots, pagesOf, walkChunkIds, type HeldSnapshot, type HeldSnapshots } from './references.ts';
import type { Store, StoreEntry } from './store.ts';

/** Objects deleted between two looks at the lease. */
const DELETE_BATCH = 500;
const DEFAULT_GRACE_MS = 3_600_000;
/** Below this share of garbage a sweep is not worth its time. */
const SWEEP_SHARE = 0.1;
/** So many objects' sizes are asked for to know whether it is. */
const SAMPLE_OBJECTS = 2048;
const STATS_AT_ONCE = 64;

export interface PruneOptions {
  readonly policy: RetentionPolicy;
  readonly dryRun: boolean;
  /** Only snapshots of this project are decided on; all when absent. */
  readonly project?: string;
  readonly strategy?: StrategyName;
  /** `auto`: chunks are deleted once a tenth of the bytes is garbage. */
  readonly sweep?: 'auto' | 'always';
  /** Objects younger than this stay; an hour unless given. */
  readonly gracePeriodMs?: number;
  readonly now?: Date;
  readonly signal: AbortSignal;
}

export interface PruneReport {
  readonly snapshots: readonly PruneDecision[];
  /** Archives of the old scripts, by file name. */
  readonly classic: readonly PruneDecision[];
  /** Bytes deleted; with `dryRun` those that would be. */
  readonly freedBytes: number;
  /** Bytes that no snapshot needs and that stay for now (too young, or too few to sweep: then an estimate where there are thousands of objects). */
  readonly garbageBytes: number;
}

/**
 * Applies the policy, then deletes what no snapshot needs. Rejects `damaged` or `newer-format`, with nothing deleted, while any manifest or
 * page cannot be read: what it needs would be unknown. Without a lease only a dry run is possible.
 */
export async function prune(store: Store, lease: Lease | null, options: PruneOptions): Promise<PruneReport> {
  const { signal, now = new Date() } = options;
  const held = await loadSnapshots(store);
  assertAllReadable(held);
  const decisions = await decide(store, held.good, options, now);
  const isKept = new Set(decisions.filter(({ kept }) => kept).map(({ name }) => name));
  const kept = held.good.filter(({ manifest }) => isKept.has(manifest.name));
  const removed = held.good.filter(({ manifest }) => !isKept.has(manifest.name));

  const needed = await mark(store, kept, removed, signal);
  if (lease !== null) await removeManifests(store, lease, removed, held, signal);
  const classic = await pruneClassic(store, lease, options, now);
  const swept = await sweep(store, lease, needed, options, now);
  return {
    snapshots: decisions.filter(({ name }) => isInScope(held.good, name, options)),
    classic: classic.decisions,
    freedBytes: swept.freedBytes + classic.freedBytes,
    garbageBytes: swept.garbageBytes,
  };
}

function assertAllReadable({ damaged }: HeldSnapshots): void {
  const first = damaged[0];
  if (first === undefined) return;
  throw new McadsError(first.problem === 'unreadable' ? 'newer-format' : 'damaged', `nothing was pruned: ${first.message}`, {
    hint:
      first.problem === 'unreadable'
        ? 'Update mcads-orchestrate on this machine.'
        : `What it needs cannot be told from what nobody needs. RECOVERY.md, section 7, looks for its manifest; \`forget ${first.id}\` removes it.`,
  });
}

async function decide(
  store: Store,
  snapshots: readonly HeldSnapshot[],
  options: PruneOptions,
  now: Date,
): Promise<readonly PruneDecision[]> {
  const summaries: SnapshotSummary[] = [];
  for (const { manifest, folder } of snapshots) summaries.push(await toSummary(store, manifest, folder.drills));
  const inScope = summaries.filter(
    ({ project, strategy }) => (options.project ?? project) === project && (options.strategy ?? strategy) === strategy,
  );
  const byPolicy = new Map(applyRetention(inScope, options.policy, now).map((decision) => [decision.name, decision]));
  const parents = new Set(store.writable ? (await new LeaseObserver(store).alive()).flatMap((record) => record.parents) : []);
  const decisions = summaries.map(({ name }) => {
    const decision = byPolicy.get(name) ?? { name, kept: true, reason: 'not asked for' };
    return !decision.kept && parents.has(name) ? { name, kept: true, reason: 'a running backup builds on it' } : decision;
  });
  return protectNewestCaptures(decisions, summaries);
}

function isInScope(snapshots: readonly HeldSnapshot[], name: string, options: PruneOptions): boolean {
  const sealed = snapshots.find(({ manifest }) => manifest.name === name)?.manifest.sealed;
  return (
    sealed !== undefined &&
    (options.project ?? sealed.project) === sealed.project &&
    (options.strategy ?? sealed.strategy) === sealed.strategy
  );
}

/** Ids of everything that the kept snapshots need. Pages of the removed ones must be readable too: damage anywhere stops a prune. */
async function mark(store: Store, kept: readonly HeldSnapshot[], removed: readonly HeldSnapshot[], signal: AbortSignal): Promise<IdSet> {
  const reader = new ObjectReader(store);
  const needed = new IdSet();
  const pages = new IdSet();
  const manifestsOf = (snapshots: readonly HeldSnapshot[]) => snapshots.map(({ manifest }) => manifest);
  const refuse = (_page: unknown, error: McadsError): never => {
    throw new McadsError('damaged', `nothing was pruned: ${error.message}`, {
      cause: error,
      hint: '`verify` lists the snapshots that need it; `forget NAME` removes one that is not wanted any more.',
    });
  };
  await walkChunkIds(reader, manifestsOf(kept), signal, (digits, at) => needed.addDigits(digits, at), refuse, pages);
  await walkChunkIds(reader, manifestsOf(removed), signal, () => undefined, refuse, pages);
  for (const { id } of pagesOf(manifestsOf(kept))) needed.add(id);
  for (const { manifestId } of kept) needed.add(manifestId);
  return needed;
}

async function removeManifests(
  store: Store,
  lease: Lease,
  removed: readonly HeldSnapshot[],
  held: HeldSnapshots,
  signal: AbortSignal,
): Promise<void> {
  for (const { folder } of removed) {
    signal.throwIfAborted();
    lease.assertHeld();
    await removeManifest(store, folder);
  }
  for (const folder of held.leftovers) {
    lease.assertHeld();
    await removeManifest(store, folder);
  }
  await store.tidy();
  await store.flush();
  const expected = new Set(held.good.filter((snapshot) => !removed.includes(snapshot)).map(({ manifest }) => manifest.name));
  const now = (await listSnapshotFolders(store)).filter(({ hasManifest, hasDigest }) => hasManifest || hasDigest);
  const stranger = now.find(({ name }) => !expected.has(name));
  if (stranger !== undefined) {
    throw new McadsError('locked', `snapshot ${stranger.name} appeared while prune held the lock; no chunk was deleted`, {
      hint: 'Run prune again.',
    });
  }
}

async function pruneClassic(
  store: Store,
  lease: Lease | null,
  options: PruneOptions,
  now: Date,
): Promise<{ decisions: readonly PruneDecision[]; freedBytes: number }> {
  const archives = (await listClassicArchives(store)).filter(
    ({ project, strategy }) => (options.project ?? project) === project && (options.strategy ?? strategy) === strategy,
  );
  const decisions = applyClassicRetention(archives, options.policy, now);
  let freedBytes = 0;
  for (const { name, kept } of decisions) {
    if (kept) continue;
    freedBytes += archives.find(({ file }) => file === name)?.bytes ?? 0;
    if (lease === null) continue;
    lease.assertHeld();
    await store.remove(name);
    await store.remove(classicVerificationKey(name));
  }
  if (lease !== null) await store.flush();
  return { decisions, freedBytes };
}

async function sweep(
  store: Store,
  lease: Lease | null,
  needed: IdSet,
  options: PruneOptions,
  now: Date,
): Promise<{ freedBytes: number; garbageBytes: number }> {
  const { sweep: mode = 'auto', gracePeriodMs = DEFAULT_GRACE_MS, signal } = options;
  const limit = now.getTime() - gracePeriodMs;
  if (mode === 'auto') {
    const { garbageBytes, isDue } = await estimate(store, needed, limit, signal);
    if (!isDue) return { freedBytes: 0, garbageBytes };
  }
  let youngBytes = 0;
  let oldBytes = 0;
  for await (const { bytes, modifiedMs } of garbage(store, needed, signal)) {
    if (modifiedMs > limit) youngBytes += bytes;
    else oldBytes += bytes;
  }
  if (oldBytes === 0) return { freedBytes: 0, garbageBytes: youngBytes + oldBytes };
  if (lease !== null) await deleteGarbage(store, lease, needed, limit, signal);
  return { freedBytes: oldBytes, garbageBytes: youngBytes };
}

/**
 * Whether a tenth of the bytes is garbage. Decision: every night's look lists all names, but asks for the size of only so many of each kind. Names are
 * hashes, so that the first ones of a folder that are told are like all others there; the sizes of 14,000 chunks took as long as a whole backup that found nothing new.
 */
async function estimate(
  store: Store,
  needed: IdSet,
  limit: number,
  signal: AbortSignal,
): Promise<{ readonly garbageBytes: number; readonly isDue: boolean }> {
  const [useful, useless]: [Sample[], Sample[]] = [[], []];
  for (const folder of [CHUNKS, SEGMENTS]) {
    const [needs, garbage] = [new Sample(), new Sample()];
    for await (const key of keysIn(store, folder, signal)) (isUnneeded(key, needed) ? garbage : needs).add(key);
    useful.push(needs);
    useless.push(garbage);
  }
  const garbage = await measureAll(useless, store, limit, signal);
  if (garbage.oldBytes === 0) return { garbageBytes: garbage.bytes, isDue: false };
  const kept = await measureAll(useful, store, limit, signal);
  return { garbageBytes: garbage.bytes, isDue: garbage.bytes >= SWEEP_SHARE * (garbage.bytes + kept.bytes) };
}

interface Sizes {
  readonly bytes: number;
  readonly oldBytes: number;
}

async function measureAll(samples: readonly Sample[], store: Store, limit: number, signal: AbortSignal): Promise<Sizes> {
  let [bytes, oldBytes] = [0, 0];
  for (const sample of samples) {
    const found = await sample.measure(store, limit, signal);
    bytes += found.bytes;
    oldBytes += found.oldBytes;
  }
  return { bytes, oldBytes };
}

/** Counts objects and keeps the first of them, whose sizes speak for all. */
class Sample {
  count = 0;
  readonly #keys: string[] = [];

  add(key: string): void {
    this.count += 1;
    if (this.#keys.length < SAMPLE_OBJECTS) this.#keys.push(key);
  }

  async measure(store: Store, limit: number, signal: AbortSignal): Promise<Sizes> {
    let bytes = 0;
    let oldBytes = 0;
    for await (const entry of sizes(store, this.#keys, signal)) {
      bytes += entry.bytes;
      if (entry.modifiedMs <= limit) oldBytes += entry.bytes;
    }
    const factor = this.count / Math.max(1, this.#keys.length);
    return { bytes: Math.round(bytes * factor), oldBytes: Math.round(oldBytes * factor) };
  }
}

/** Damaged objects set aside count as needed while their id is. Names that are no ids are left alone. */
function isUnneeded(key: string, needed: IdSet): boolean {
  const id = idOfKey(key.endsWith(BAD_SUFFIX) ? key.slice(0, -BAD_SUFFIX.length) : key);
  return id !== null && !needed.has(id);
}

async function deleteGarbage(store: Store, lease: Lease, needed: IdSet, limit: number, signal: AbortSignal): Promise<void> {
  let sinceLook = DELETE_BATCH;
  for await (const { key, modifiedMs } of garbage(store, needed, signal)) {
    if (modifiedMs > limit) continue;
    if (sinceLook >= DELETE_BATCH) {
      lease.assertHeld();
      sinceLook = 0;
    }
    await store.remove(key);
    sinceLook += 1;
  }
  await store.flush();
}

/** Mostly there is little, and names are cheaper to come by than the size of every object. */
async function* garbage(store: Store, needed: IdSet, signal: AbortSignal): AsyncGenerator<StoreEntry> {
  let some: string[] = [];
  for await (const key of keys(store, signal)) {
    if (!isUnneeded(key, needed)) continue;
    some.push(key);
    if (some.length < STATS_AT_ONCE) continue;
    yield* sizes(store, some, signal);
    some = [];
  }
  yield* sizes(store, some, signal);
}

/** What is there of these objects, a few asked for at a time. */
async function* sizes(store: Store, wanted: readonly string[], signal: AbortSignal): AsyncGenerator<StoreEntry> {
  for (let at = 0; at < wanted.length; at += STATS_AT_ONCE) {
    signal.throwIfAborted();
    const entries = await Promise.all(wanted.slice(at, at + STATS_AT_ONCE).map(async (key) => store.stat(key)));
    for (const entry of entries) if (entry !== null) yield entry;
  }
}

async function* keys(store: Store, signal: AbortSignal): AsyncGenerator<string> {
  for (const folder of [CHUNKS, SEGMENTS]) yield* keysIn(store, folder, signal);
}

async function* keysIn(store: Store, folder: string, signal: AbortSignal): AsyncGenerator<string> {
  for await (const page of store.list(folder)) {
    signal.throwIfAborted();
    for (const { key } of page) yield key;
  }
}
