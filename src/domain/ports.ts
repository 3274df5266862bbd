import type { Bytes, ByteStream, JsonObject } from './byte-stream.ts';
import type { Finding } from './finding.ts';
import type { FileAttributes } from './host-writer.ts';
import type { DrillEngine } from './drill-ports.ts';
import type { EngineContainer, EngineInfo, EngineProject, EngineProjectSummary, EngineState } from './engine-model.ts';
import type { Manifest, ManifestArtifact } from './manifest.ts';
import type { QuiesceMode, TreeMount } from './plan.ts';
import type { RestoreEngine } from './restore-ports.ts';
import type { RestoreJournal } from './restore.ts';
import type { Secret } from './secret.ts';
import type { ClassicArchive, SnapshotSummary } from './snapshot-summary.ts';
import type { ChunkRef, OpenTreeOptions, Segment, TreeSource } from './tree.ts';

/* ---------------------------------------------------------------- engine */

export interface ExecOptions {
  readonly environment?: Readonly<Record<string, string | Secret>>;
  readonly user?: string;
  readonly workingDirectory?: string;
  /** Each piece is used up when the next is asked for. */
  readonly input?: Bytes;
}

export interface ExecExit {
  readonly code: number;
  /** The last 16 KiB of stderr. */
  readonly stderr: string;
}

export interface ExecHandle {
  /** Must be drained or returned early (which abandons the process's output). */
  readonly stdout: Bytes;
  /** Resolves after clean framing and the engine's own word on the exit code; rejects with `engine-lost`/`engine-failed`, also when the container was restarted meanwhile. */
  readonly exit: Promise<ExecExit>;
}

/** A container made from an image only to run one command, removed afterwards. No network, labelled, log driver none. */
export interface ThrowawaySpec {
  /** Image id or reference present on the engine. */
  readonly image: string;
  readonly argv: readonly string[];
  readonly user?: string;
  readonly environment?: Readonly<Record<string, string | Secret>>;
  /** Read-only mounts. */
  readonly mounts?: readonly { readonly mount: TreeMount; readonly target: string }[];
  readonly input?: Bytes;
  readonly purpose: string;
}

/** A mark in the engine: the project's mutex and the journal of what to undo. */
export interface ProjectClaim extends AsyncDisposable {
  /** Written durably in the engine before any stop or pause: what to bring back, in start order. Resolves with what clears it once all of it is back. */
  recordUndo(steps: readonly UndoStep[]): Promise<() => Promise<void>>;
  /** Written durably in the engine before the first change of a restore: a run that dies is gone back on (or finished, once proven) by the next one. Takes the place of what was written before. */
  recordRestore(journal: RestoreJournal): Promise<void>;
  /** The restore is done, or undone. */
  clearRestore(): Promise<void>;
}

export type UndoStep =
  | { readonly action: 'unpause'; readonly container: string; readonly name: string }
  | { readonly action: 'start'; readonly container: string; readonly name: string; readonly waitHealthy: boolean };

export interface UndoReport {
  readonly undone: readonly string[];
  readonly failed: readonly string[];
  /** What a rollback leaves where nothing had been, and why. */
  readonly stays?: readonly string[];
  /** Nothing was changed but that services may have been stopped. */
  readonly untouched?: boolean;
  /** What was overwritten where nothing can put it back, services that do not stay up: nothing that another try would mend. */
  readonly lost?: readonly string[];
}

export interface EngineImage {
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly sizeBytes: number;
}

/** Goes back to before a restore; given to the engine, which calls it for what a dead run left. */
export type UndoRestore = (engine: Engine, journal: RestoreJournal, signal: AbortSignal) => Promise<UndoReport>;

/** One container engine. The only implementation with a network is `src/docker`. */
export interface Engine extends RestoreEngine, DrillEngine, AsyncDisposable {
  readonly info: EngineInfo;
  listProjects(signal: AbortSignal): Promise<readonly EngineProjectSummary[]>;
  /** Also for a project that has no containers left but volumes; empty lists when the engine knows nothing of it. */
  viewProject(project: string, signal: AbortSignal): Promise<EngineProject>;
  inspectContainer(id: string, signal: AbortSignal): Promise<EngineContainer>;
  /** Null where the engine has no such image. */
  inspectImage(reference: string, signal: AbortSignal): Promise<EngineImage | null>;
  /** Volumes by name that exist, for volumes the labels do not know (external ones). */
  viewVolumes(names: readonly string[], signal: AbortSignal): Promise<EngineProject['volumes']>;
  /** Sizes of local volumes by name where the engine tells within the time limit. */
  volumeSizes(signal: AbortSignal): Promise<ReadonlyMap<string, number>>;
  exec(container: string, argv: readonly string[], options: ExecOptions, signal: AbortSignal): Promise<ExecHandle>;
  runThrowaway(spec: ThrowawaySpec, signal: AbortSignal): Promise<ExecHandle>;
  openTree(mount: TreeMount, options: OpenTreeOptions, signal: AbortSignal): Promise<TreeSource>;
  /** A small file as the daemon's host sees it (secrets, env files that we may not read); null where it is missing. */
  readHostFile(path: string, signal: AbortSignal): Promise<Uint8Array | null>;
  /** A small file in a container, whatever its state; null where there is none. */
  readContainerFile(container: string, path: string, signal: AbortSignal): Promise<HostFile | null>;
  state(project: EngineProject, signal: AbortSignal): Promise<EngineState>;
  /** `docker save` of one image. */
  saveImage(image: string, signal: AbortSignal): ByteStream;
  pause(container: string, signal: AbortSignal): Promise<void>;
  unpause(container: string, signal: AbortSignal): Promise<void>;
  stop(container: string, signal: AbortSignal): Promise<void>;
  start(container: string, signal: AbortSignal): Promise<void>;
  /** Resolves when the container is healthy (or runs, where it has no check); rejects when it exits or the time is over. */
  waitHealthy(container: string, timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** One writer per project. Rejects `locked` with who holds it. Undoes what a dead holder left first and reports it. */
  claimProject(
    project: string,
    purpose: string,
    signal: AbortSignal,
  ): Promise<{ readonly claim: ProjectClaim; readonly undone: UndoReport }>;
  /** Brings back what dead runs left (all projects, or one) and removes their helpers. */
  recover(project: string | null, signal: AbortSignal): Promise<UndoReport>;
}

/* ---------------------------------------------------------------- repository */

export interface StoredChunk {
  readonly ref: ChunkRef;
  /** True when this call wrote it. */
  readonly isNew: boolean;
  /** Compressed bytes written, 0 when it was there. */
  readonly storedBytes: number;
}

/** How the repository cuts data into chunks; `src/stream/content-chunker.ts` takes it. */
export interface ChunkerSettings {
  /** Hex. Fixes the gear table, so that equal bytes give equal chunks within one repository only. */
  readonly seed: string;
  readonly minBytes: number;
  readonly averageBytes: number;
  readonly maxBytes: number;
}

/** One running backup's way into the repository. Disposed without commit, nothing of it becomes visible. */
export interface SnapshotWriter extends AsyncDisposable {
  readonly name: string;
  /** Aborts when the lease is lost. */
  readonly signal: AbortSignal;
  readonly chunker: ChunkerSettings;
  /** Chunks stored so far that the repository did not have. */
  readonly newChunks: number;
  /**
   * Stores one chunk (at most 4 MiB). The bytes are copied before the call returns.
   * Await `room()` between calls: it bounds what is in flight.
   */
  putChunk(bytes: Uint8Array): Promise<StoredChunk>;
  room(): Promise<void>;
  /** True when all chunks of a segment are present and not known to be damaged. */
  canReuse(segment: Segment): boolean;
  /** Collects segments into pages; `finish` returns the artifact's manifest entry. */
  artifact(name: ManifestArtifact['name'], format: ManifestArtifact['format']): ArtifactWriter;
  /** Reads an artifact of this run or an older one, every chunk checked. */
  read(artifact: ManifestArtifact): Bytes;
  /** Bytes of single chunks in order, checked. */
  readChunks(chunks: readonly ChunkRef[]): Bytes;
  /** Segments of an older artifact in order. */
  segments(artifact: ManifestArtifact): AsyncIterable<Segment>;
  /** The newest manifest of this project that captured the component, partial ones included. */
  parentOf(component: string): Manifest | null;
  /** A private folder for spool files, removed with the run. */
  readonly spoolDirectory: string;
  /** Flushes, renames, writes the manifest last. After it resolves the snapshot exists and is durable. */
  commit(manifest: Manifest, verification: string): Promise<void>;
}

export interface ArtifactWriter {
  /** In order. Back-pressured. */
  add(segment: Segment): Promise<void>;
  finish(): Promise<ManifestArtifact>;
}

export interface Damage {
  readonly kind: 'chunk' | 'page' | 'manifest' | 'snapshot';
  readonly id: string;
  readonly problem: 'missing' | 'damaged' | 'unreadable';
  readonly message: string;
  /** Snapshot and component ids that need it. */
  readonly affects: readonly string[];
}

export interface PruneDecision {
  readonly name: string;
  readonly kept: boolean;
  readonly reason: string;
}

export interface SnapshotRepository extends AsyncDisposable {
  readonly id: string;
  /** Printable. */
  readonly location: string;
  readonly writable: boolean;
  /** What was wrong with it when it was opened. */
  readonly findings: readonly Finding[];
  readonly chunker: ChunkerSettings;
  /** True for a committed snapshot and for a name that a running backup holds. */
  snapshotExists(name: string): Promise<boolean>;
  snapshots(): Promise<readonly SnapshotSummary[]>;
  classicArchives(): Promise<readonly ClassicArchive[]>;
  /** Rejects `damaged` for a manifest that does not match its digest, `newer-format` for an unknown feature. */
  manifest(name: string): Promise<Manifest>;
  read(artifact: ManifestArtifact, signal: AbortSignal): Bytes;
  /** While it is held no prune runs; its signal aborts when it is lost. Null where the repository cannot be written. */
  lease(mode: 'shared', purpose: string, signal: AbortSignal): Promise<({ readonly signal: AbortSignal } & AsyncDisposable) | null>;
  readChunks(chunks: readonly ChunkRef[], signal: AbortSignal): Bytes;
  segments(artifact: ManifestArtifact, signal: AbortSignal): AsyncIterable<Segment>;
  /** Rejects `locked` with `context.nameTaken` when another run holds this name: wait for the next second and take the next name. */
  begin(name: string, project: string, signal: AbortSignal, bytesPerSecond?: number | null): Promise<SnapshotWriter>;
}

export interface HostFile extends FileAttributes {
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface FileIdentity {
  readonly device: string;
  readonly inode: string;
  readonly type: 'file' | 'directory' | 'socket' | 'other';
  /** Without symlinks. */
  readonly realPath: string;
}

/** A file that a process of this machine has open. */
export interface OpenFile {
  readonly path: string;
  readonly pid: number;
  /** Of its program. */
  readonly name: string;
  /** The systemd unit that it runs in. */
  readonly unit: string | null;
}

/** The machine we run on, as far as the docker strategy needs it. */
export interface HostFiles {
  /** Null where missing; rejects `forbidden` where we may not read. */
  readFile(path: string): Promise<HostFile | null>;
  /** Device and inode of an existing path, null where missing. */
  identify(path: string): Promise<FileIdentity | null>;
  /** The name of the rotating disk under a path; null for any other, and where that is not known. Never rejects. */
  rotatingDisk(path: string): Promise<string | null>;
  /** Those of these files that have an access list beside their mode, as far as that can be told here. */
  withAccessList(paths: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>>;
  /** Who has one of these files (without symlinks) open for writing, as far as we may look. Never rejects. */
  openForWriting(paths: readonly string[]): Promise<readonly OpenFile[]>;
  /** What lies right in a folder; nothing where it is missing. Rejects `forbidden` where it cannot be read. */
  namesIn(folder: string): Promise<readonly string[]>;
  /** Repositories of this tool that are a folder, or lie right in it. Never rejects. */
  repositoriesIn(folder: string): Promise<readonly string[]>;
  /** Files matching globs under a directory, sorted. */
  glob(directory: string, patterns: readonly string[]): Promise<readonly string[]>;
}

export type { JsonObject, QuiesceMode };
