import type { Damage } from '../domain/ports.ts';
import { McadsError, messageOf } from '../errors.ts';
import { sha256 } from '../stream/digest.ts';
import { CHUNKS, chunkKey, idOfKey, manifestDigestKey, manifestKey, pageKey } from './format.ts';
import { IdSet } from './id-set.ts';
import { LeaseObserver } from './lease.ts';
import { manifestBytes, toDigestBytes } from './manifest-store.ts';
import { CheckPool } from './decode-pool.ts';
import { artifactDigest, ObjectReader, type OwnedChunk } from './object-reader.ts';
import { loadSnapshots, walkSegments, type HeldSnapshot } from './references.ts';
import type { Store } from './store.ts';

/** Smaller than any frame with checksum. */
const MIN_FRAME_BYTES = 12;
/** What a thread gets in one message, and how many of these are on their way for each. */
const BATCH_CHUNKS = 64;
const BATCHES_A_THREAD = 2;

export interface VerifyOptions {
  /** Read and hash chunks, not only look for them. */
  readonly readData: boolean;
  /** With `readData`: read this share of the chunks, the same ones for the same seed. */
  readonly sample?: { readonly percent: number; readonly seed: string };
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: { readonly chunks: number; readonly bytes: number }) => void;
}

export interface VerifyReport {
  /** Chunks and plain bytes that were read; without `readData` those that were found. */
  readonly checked: { readonly snapshots: number; readonly pages: number; readonly chunks: number; readonly bytes: number };
  readonly damaged: readonly Damage[];
}

type Problem = Pick<Damage, 'kind' | 'problem' | 'message'>;

/**
 * Checks every manifest, page and the presence and size of every chunk; with `readData` the chunks' content. Damaged chunks and pages of a
 * writable repository are set aside as `.bad` (unless a backup runs), so that the next backup stores them again.
 */
export async function verify(store: Store, writable: boolean, options: VerifyOptions): Promise<VerifyReport> {
  const run = new Verification(store, options);
  const { good, damaged } = await loadSnapshots(store);
  await run.check(good);
  if (writable && !(await isBackupRunning(store))) await run.setAside();
  const found = [...damaged, ...(await run.damages(good))];
  for (const snapshot of good) if (snapshot.damage !== null) found.push(await ofManifest(store, snapshot, writable));
  if (writable) await restoreDigests(store, good);
  return { checked: { snapshots: good.length, ...run.checked }, damaged: found };
}

class Verification {
  readonly checked = { pages: 0, chunks: 0, bytes: 0 };
  readonly #store: Store;
  readonly #options: VerifyOptions;
  readonly #reader: ObjectReader;
  readonly #present = new IdSet();
  readonly #tooSmall = new IdSet();
  readonly #seen = new IdSet();
  readonly #problems = new Map<string, Problem>();
  readonly #snapshotProblems: Damage[] = [];
  readonly #reading = new Set<Promise<void>>();
  #toRead: OwnedChunk[] = [];

  constructor(store: Store, options: VerifyOptions) {
    this.#store = store;
    this.#options = options;
    this.#reader = new ObjectReader(store);
  }

  async check(snapshots: readonly HeldSnapshot[]): Promise<void> {
    for await (const page of this.#store.list(CHUNKS, { sizes: true })) {
      for (const { key, bytes } of page) {
        const id = idOfKey(key);
        if (id !== null) (bytes < MIN_FRAME_BYTES ? this.#tooSmall : this.#present).add(id);
      }
    }
    for (const snapshot of snapshots) await this.#checkManifest(snapshot);
    const pages = new IdSet();
    await using pool = new CheckPool();
    try {
      await walkSegments(
        this.#reader,
        snapshots.map(({ manifest }) => manifest),
        this.#options.signal,
        async ({ chunks }, page) => {
          for (const ref of chunks) if (this.#seen.add(ref[0])) await this.#checkChunk({ ref, owner: page.owner }, pool);
        },
        (page, error) => this.#problems.set(page.id, { kind: 'page', problem: problemOf(error), message: error.message }),
        pages,
      );
      await this.#read(pool);
    } finally {
      await Promise.allSettled(this.#reading);
    }
    await Promise.all(this.#reading);
    this.checked.pages = pages.size;
  }

  async #checkManifest({ manifest, manifestId }: HeldSnapshot): Promise<void> {
    try {
      await this.#reader.page(manifestId, `the copy of ${manifest.name}'s manifest`);
    } catch (error) {
      if (!(error instanceof McadsError) || (error.code !== 'damaged' && error.code !== 'store-failed')) throw error;
      this.#problems.set(manifestId, { kind: 'page', problem: problemOf(error), message: error.message });
    }
    for (const { id, artifacts } of manifest.components) {
      for (const artifact of artifacts) {
        if (artifactDigest(artifact.pages) === artifact.digest) continue;
        this.#snapshotProblems.push({
          kind: 'snapshot',
          id: manifest.name,
          problem: 'damaged',
          message: `the page list of ${id} in ${manifest.name} does not match its digest`,
          affects: [manifest.name, id],
        });
      }
    }
  }

  async #checkChunk(chunk: OwnedChunk, pool: CheckPool): Promise<void> {
    const { ref, owner } = chunk;
    const [id, length] = ref;
    if (this.#tooSmall.has(id))
      this.#problems.set(id, { kind: 'chunk', problem: 'damaged', message: `chunk ${id}, needed by ${owner}, is cut short` });
    else if (!this.#present.has(id))
      this.#problems.set(id, { kind: 'chunk', problem: 'missing', message: `chunk ${id}, needed by ${owner}, is missing` });
    else if (!this.#options.readData) this.#count(length);
    else if (isSampled(id, this.#options.sample)) {
      this.#toRead.push(chunk);
      if (this.#toRead.length >= BATCH_CHUNKS) await this.#read(pool);
    }
  }

  /** Has what was gathered read, once there is a thread for it. */
  async #read(pool: CheckPool): Promise<void> {
    const chunks = this.#toRead;
    if (chunks.length === 0) return;
    this.#toRead = [];
    while (this.#reading.size >= BATCHES_A_THREAD * pool.size) await Promise.race(this.#reading);
    const reading: Promise<void> = this.#readBatch(chunks, pool).finally(() => this.#reading.delete(reading));
    reading.catch(() => undefined); // awaited at the end
    this.#reading.add(reading);
  }

  async #readBatch(chunks: readonly OwnedChunk[], pool: CheckPool): Promise<void> {
    const problems = await this.#reader.check(chunks, pool);
    for (const [at, { ref }] of chunks.entries()) {
      const error = problems[at] ?? null;
      if (error === null) this.#count(ref[1]);
      else this.#problems.set(ref[0], { kind: 'chunk', problem: problemOf(error), message: error.message });
    }
  }

  #count(bytes: number): void {
    this.checked.chunks += 1;
    this.checked.bytes += bytes;
    if (this.checked.chunks % 256 === 0) this.#options.onProgress?.({ chunks: this.checked.chunks, bytes: this.checked.bytes });
  }

  async setAside(): Promise<void> {
    for (const [id, { kind, problem }] of this.#problems) {
      if (problem !== 'missing') await this.#store.setAside(kind === 'chunk' ? chunkKey(id) : pageKey(id));
    }
  }

  /** A second walk, only where something is wrong, finds everybody who needs it. */
  async damages(snapshots: readonly HeldSnapshot[]): Promise<readonly Damage[]> {
    if (this.#problems.size === 0) return this.#snapshotProblems;
    const affected = new Map<string, Set<string>>([...this.#problems.keys()].map((id) => [id, new Set()]));
    for (const { manifest, manifestId } of snapshots) {
      affected.get(manifestId)?.add(manifest.name);
      for (const component of manifest.components) {
        const note = (id: string) => affected.get(id)?.add(manifest.name).add(component.id);
        await walkSegments(
          this.#reader,
          [{ ...manifest, components: [component] }],
          this.#options.signal,
          ({ chunks }) => {
            for (const [id] of chunks) note(id);
          },
          ({ id }) => note(id),
        );
      }
    }
    return [
      ...this.#snapshotProblems,
      ...[...this.#problems].map(([id, problem]) => ({ ...problem, id, affects: [...(affected.get(id) ?? [])] })),
    ];
  }
}

/** `store-failed` is a disk that cannot read this file; the others may still be fine. */
function problemOf(error: McadsError): Damage['problem'] {
  if (error.code !== 'damaged') return 'unreadable';
  return error.context['problem'] === 'missing' ? 'missing' : 'damaged';
}

function isSampled(id: string, sample: VerifyOptions['sample']): boolean {
  if (sample === undefined) return true;
  return sha256(Buffer.from(`${sample.seed}:${id}`)).readUInt32LE(0) / 2 ** 32 < sample.percent / 100;
}

/** A running backup has listed the chunks already: what is set aside now it would take for present. The next verify does it. */
async function isBackupRunning(store: Store): Promise<boolean> {
  return (await new LeaseObserver(store).alive()).some(({ snapshot }) => snapshot !== null);
}

/** The copy is written over a manifest that is not whole. */
async function ofManifest(store: Store, { manifest: { name }, damage }: HeldSnapshot, writable: boolean): Promise<Damage> {
  const told = (what: string): Damage => ({ kind: 'manifest', id: name, problem: 'damaged', message: `${damage}; ${what}`, affects: [] });
  if (!writable) return told('its copy under segments/ stands in for it');
  try {
    await store.put(manifestKey(name), (await manifestBytes(store, name)).bytes);
    return told('it was put back from its copy under segments/');
  } catch (error) {
    return told(`its copy under segments/ stands in for it, and cannot be put in its place: ${messageOf(error)}`);
  }
}

/** A run that died right after its commit left no digest, or it is damaged; the copy under `segments/` has vouched for the manifest. */
async function restoreDigests(store: Store, snapshots: readonly HeldSnapshot[]): Promise<void> {
  for (const { isDigestWhole, manifest } of snapshots) {
    if (isDigestWhole) continue;
    const { bytes } = await manifestBytes(store, manifest.name);
    await store.put(manifestDigestKey(manifest.name), toDigestBytes(bytes));
  }
}
