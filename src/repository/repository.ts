import type { Finding } from '../domain/finding.ts';
import type { Bytes } from '../domain/byte-stream.ts';
import type { Manifest, ManifestArtifact } from '../domain/manifest.ts';
import type { DrillRepository } from '../domain/drill-repository.ts';
import type { ChunkerSettings, Damage, SnapshotWriter } from '../domain/ports.ts';
import type { ClassicArchive, SnapshotSummary } from '../domain/snapshot-summary.ts';
import type { ChunkRef, Segment } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { listClassicArchives } from './classic-archives.ts';
import { evidenceKey, manifestKey, unknownWriteFeatures, type RepositoryConfig } from './format.ts';
import { DEFAULT_LOCK_TIMEOUT_MS, Lease, LeaseObserver, type LeaseMode } from './lease.ts';
import { readManifest, toSummary } from './manifest-store.ts';
import { ObjectReader } from './object-reader.ts';
import { prune, type PruneOptions, type PruneReport } from './prune.ts';
import { loadSnapshots } from './references.ts';
import { removeSnapshot } from './remove-snapshot.ts';
import { RepositoryWriter } from './snapshot-writer.ts';
import type { RepositoryStats } from '../domain/repository-stats.ts';
import { measureRepository } from './stats.ts';
import type { Store } from './store.ts';
import { verify, type VerifyOptions, type VerifyReport } from './verify.ts';

/** Left to itself the kernel writes hardly anything for half a minute, and a run would end by waiting for all of it. */
const DEFAULT_FLUSH_BYTES = 256 * 1024 ** 2;

export interface RepositoryTuning {
  /** How long to wait for others; 1 minute unless given. */
  readonly lockTimeoutMs?: number;
  /** Compressed bytes written between two flushes, so the most that a dead run leaves unpublished; 1 GiB unless given. */
  readonly flushBytes?: number;
}

export interface SnapshotInventory {
  readonly snapshots: readonly SnapshotSummary[];
  /** Snapshots whose manifest cannot be used. */
  readonly damaged: readonly Damage[];
}

/** An open repository over any store. Obtained from `openRepository`. */
export class Repository implements DrillRepository {
  readonly id: string;
  readonly location: string;
  /** False: readable only (permissions, read-only filesystem, a write feature of a newer version). Reading then takes no lease. */
  readonly writable: boolean;
  /** What was wrong with it when it was opened. */
  readonly findings: readonly Finding[];
  readonly #store: Store;
  readonly #config: RepositoryConfig;
  readonly #lockTimeoutMs: number;
  readonly #flushBytes: number;
  readonly #reader: ObjectReader;

  constructor(
    store: Store,
    config: RepositoryConfig,
    {
      lockTimeoutMs = DEFAULT_LOCK_TIMEOUT_MS,
      flushBytes = DEFAULT_FLUSH_BYTES,
      findings = [],
    }: RepositoryTuning & { readonly findings?: readonly Finding[] } = {},
  ) {
    this.id = config.id;
    this.location = store.location;
    this.writable = store.writable && unknownWriteFeatures(config.features).length === 0;
    this.findings = findings;
    this.#store = store;
    this.#config = config;
    this.#lockTimeoutMs = lockTimeoutMs;
    this.#flushBytes = flushBytes;
    this.#reader = new ObjectReader(store);
  }

  get chunker(): ChunkerSettings {
    return this.#config.chunker;
  }

  async snapshots(): Promise<readonly SnapshotSummary[]> {
    return (await this.inventory()).snapshots;
  }

  /** All snapshots by name, and those that exist but cannot be used. */
  async inventory(): Promise<SnapshotInventory> {
    const { good, damaged } = await loadSnapshots(this.#store);
    const snapshots: SnapshotSummary[] = [];
    for (const { manifest, folder } of good) snapshots.push(await toSummary(this.#store, manifest, folder.drills));
    return { snapshots, damaged };
  }

  async classicArchives(): Promise<readonly ClassicArchive[]> {
    return listClassicArchives(this.#store);
  }

  async manifest(name: string): Promise<Manifest> {
    const { manifest } = await readManifest(this.#store, name);
    for (const { id, artifacts } of manifest.components)
      for (const artifact of artifacts) this.#reader.describe(artifact, `${id} in ${name}`);
    return manifest;
  }

  read(artifact: ManifestArtifact, signal: AbortSignal): Bytes {
    return this.#reader.read(artifact, signal);
  }

  readChunks(chunks: readonly ChunkRef[], signal: AbortSignal): Bytes {
    return this.#reader.readChunks(chunks, signal);
  }

  segments(artifact: ManifestArtifact, signal: AbortSignal): AsyncIterable<Segment> {
    return this.#reader.segments(artifact, signal);
  }

  async snapshotExists(name: string): Promise<boolean> {
    if ((await this.#store.stat(manifestKey(name))) !== null) return true;
    return this.writable && (await new LeaseObserver(this.#store).alive()).some(({ snapshot }) => snapshot === name);
  }

  async begin(name: string, project: string, signal: AbortSignal, bytesPerSecond: number | null = null): Promise<SnapshotWriter> {
    this.#assertWritable();
    const lease = await this.#acquire('shared', `backup of ${project}`, signal, name);
    if ((await this.#store.stat(manifestKey(name))) !== null) {
      await lease[Symbol.asyncDispose]();
      throw new McadsError('locked', `a snapshot ${name} exists already`, { context: { nameTaken: true } });
    }
    const [store, config, flushBytes] = [this.#store, this.#config, this.#flushBytes];
    return RepositoryWriter.begin({ store, config, flushBytes, bytesPerSecond, lease, name, project, signal });
  }

  /** For longer readings, so that no prune runs beside them. Null where the repository cannot be written, or its disk is full: then there is no lease. */
  async lease(mode: LeaseMode, purpose: string, signal: AbortSignal): Promise<Lease | null> {
    if (!this.writable) return null;
    try {
      return await this.#acquire(mode, purpose, signal);
    } catch (error) {
      // On a full disk, too, what is there has to be brought back.
      if (mode === 'shared' && error instanceof McadsError && error.code === 'store-failed') return null;
      throw error;
    }
  }

  /** Evidence of a drill beside the manifest. Rejects `no-snapshot` where that is gone. */
  async keepEvidence(snapshot: string, name: string, evidence: string): Promise<void> {
    this.#assertWritable();
    if ((await this.#store.stat(manifestKey(snapshot))) === null)
      throw new McadsError('no-snapshot', `the snapshot ${snapshot} was removed while it was drilled`);
    await this.#store.put(evidenceKey(snapshot, name), Buffer.from(evidence));
  }

  async verify(options: VerifyOptions): Promise<VerifyReport> {
    await using lease = await this.lease('shared', 'verify', options.signal);
    return await verify(this.#store, this.writable, withLease(options, lease));
  }

  async prune(options: PruneOptions): Promise<PruneReport> {
    if (options.dryRun) return prune(this.#store, null, options);
    this.#assertWritable();
    await using lease = await this.#acquire('exclusive', 'prune', options.signal);
    return await prune(this.#store, lease, withLease(options, lease));
  }

  /** Ends one snapshot; its chunks go with the next prune. Rejects `no-snapshot`. */
  async removeSnapshot(name: string, signal: AbortSignal): Promise<void> {
    this.#assertWritable();
    await using lease = await this.#acquire('exclusive', `removing ${name}`, signal);
    await removeSnapshot(this.#store, lease, name);
  }

  async stats(signal: AbortSignal): Promise<RepositoryStats> {
    await using lease = await this.lease('shared', 'stats', signal);
    return await measureRepository(this.#store, withLease({ signal }, lease).signal);
  }

  #assertWritable(): void {
    if (this.writable) return;
    if (this.#store.refusal !== null) throw this.#store.refusal;
    throw new McadsError(
      'newer-format',
      `${this.location} can only be read: it uses ${unknownWriteFeatures(this.#config.features).join(', ')}, unknown here`,
      {
        hint: 'Update mcads-orchestrate on this machine.',
      },
    );
  }

  async #acquire(mode: LeaseMode, purpose: string, signal: AbortSignal, snapshot?: string): Promise<Lease> {
    return Lease.acquire(this.#store, {
      mode,
      purpose,
      signal,
      timeoutMs: this.#lockTimeoutMs,
      ...(snapshot === undefined ? {} : { snapshot }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
  }
}

/** Work under a lease ends with it. */
function withLease<T extends { readonly signal: AbortSignal }>(options: T, lease: Lease | null): T {
  return lease === null ? options : { ...options, signal: AbortSignal.any([options.signal, lease.signal]) };
}
