import type { ExportReport, ImportReport } from '../domain/archive.ts';
import type { RepositoryStats } from '../domain/repository-stats.ts';
import type { KeepSettings } from '../config/setting.ts';
import type { ComposeModel } from '../domain/compose-model.ts';
import type { Assertion } from '../domain/drill.ts';
import type { EngineProjectSummary } from '../domain/engine-model.ts';
import type { EventSink, RunEvent } from '../domain/events.ts';
import type { Finding } from '../domain/finding.ts';
import type { HostSettings } from '../domain/host.ts';
import type { BackupPlan } from '../domain/plan.ts';
import type { Damage, PruneDecision, SnapshotRepository, UndoReport } from '../domain/ports.ts';
import type { ClassicArchive } from '../domain/snapshot-summary.ts';
import type { EngineAnswer, UnitState } from '../domain/status.ts';
import type { KeptRestore, RestorePlan, RestoreResult } from '../domain/restore.ts';
import type { DrillRequest, DrillResult } from '../pipeline/drill-requests.ts';
import type { ExportRequest } from '../pipeline/export.ts';
import type { ExtractReport, ExtractRequest } from '../pipeline/extract.ts';
import type { ImportRequest } from '../pipeline/import.ts';
import type { Difference, ListedFile } from '../pipeline/read-tree.ts';
import type { BackupRequest, BackupResult, PlanRequest, SettingsLookup } from '../pipeline/requests.ts';
import type { RestoreRequest, RollbackRequest, RollbackResult } from '../pipeline/restore-requests.ts';
import type { Selection } from '../pipeline/select-components.ts';

/** How to find the Compose files, as given on the command line. Paths are absolute; `-` in `files` is stdin. */
export interface ComposeRequest {
  readonly workingDirectory: string;
  readonly files: readonly string[];
  readonly projectName: string | null;
  readonly projectDirectory: string | null;
  readonly envFiles: readonly string[];
}

/** Which engine. `strategy` is `docker` where the host strategy must not be taken. */
export interface EngineRequest {
  readonly context: string | null;
  readonly strategy: 'auto' | 'docker' | 'host';
  /** The application on this host; what a restore there left is found in its directory. */
  readonly host: { readonly directory: string; readonly settings: HostSettings };
}

/** What the runs on a live project share. */
export interface RunSetup {
  readonly engine: EngineRequest;
  /** Absolute path (later an address). */
  readonly repository: string;
  readonly lockTimeoutMs: number;
  readonly keep: KeepSettings;
  loadCompose(): Promise<ComposeModel>;
  settingsFor(model: ComposeModel | null): SettingsLookup;
}

export interface VerifyRequest {
  /** Null: structure only; 1: every byte; a fraction: a random sample. */
  readonly share: number | null;
}

export interface VerifyReport {
  readonly snapshots: number;
  readonly chunks: number;
  readonly bytes: number;
  readonly damaged: readonly Damage[];
  readonly findings: readonly Finding[];
}

export interface PruneRequest {
  readonly project: string | null;
  readonly keep: KeepSettings;
  readonly dryRun: boolean;
}

export interface PruneReport {
  readonly decisions: readonly PruneDecision[];
  readonly freedBytes: number;
  readonly findings: readonly Finding[];
}

/** An open repository with what commands do to it. */
export interface RepositoryService extends AsyncDisposable {
  readonly repository: SnapshotRepository;
  /** Snapshots that exist but cannot be used. */
  damagedSnapshots(): Promise<readonly Damage[]>;
  verify(request: VerifyRequest, events: EventSink, signal: AbortSignal): Promise<VerifyReport>;
  prune(request: PruneRequest, events: EventSink, signal: AbortSignal): Promise<PruneReport>;
  stats(signal: AbortSignal): Promise<RepositoryStats>;
  files(snapshot: string, selections: readonly Selection[], signal: AbortSignal): AsyncIterable<ListedFile>;
  diff(before: string, after: string, components: readonly string[], signal: AbortSignal): AsyncIterable<Difference>;
  extract(request: ExtractRequest, events: EventSink, signal: AbortSignal): Promise<ExtractReport>;
  /** One snapshot as a classic archive. */
  exportSnapshot(request: ExportRequest, events: EventSink, signal: AbortSignal): Promise<ExportReport>;
}

export interface LogFile extends AsyncDisposable {
  readonly path: string;
  write(event: RunEvent, at: Date): void;
  /** The run's end: the error, if any, with its stack. */
  end(exitCode: number, error: unknown): void;
}

/** Everything that commands need from the layers that they may not import. Made once, in `src/wiring.ts`. */
export interface Services {
  /** Rejects `nothing-found` without files, `config` for files that do not load. */
  loadCompose(request: ComposeRequest): Promise<ComposeModel>;
  /** Projects that the engine knows; null where it is absent or silent. Never rejects for that. */
  listProjects(request: EngineRequest, signal: AbortSignal): Promise<readonly EngineProjectSummary[] | null>;
  /** What runs of a project. Never rejects for an engine that does not answer. */
  projectServices(project: string, engine: EngineRequest, signal: AbortSignal): Promise<EngineAnswer>;
  /** These systemd units, without those that do not exist; empty where systemd does not answer. */
  unitStates(names: readonly string[], signal: AbortSignal): Promise<readonly UnitState[]>;
  plan(request: PlanRequest, setup: RunSetup, events: EventSink, signal: AbortSignal): Promise<BackupPlan>;
  backup(request: BackupRequest, setup: RunSetup, events: EventSink, signal: AbortSignal): Promise<BackupResult>;
  /** Restore's plan and nothing else. */
  planRestore(request: RestoreRequest, setup: RunSetup, events: EventSink, signal: AbortSignal): Promise<RestorePlan>;
  /** Shows its plan through `confirm` before the first change. */
  restore(
    request: RestoreRequest,
    setup: RunSetup,
    confirm: (plan: RestorePlan) => Promise<void>,
    events: EventSink,
    signal: AbortSignal,
  ): Promise<RestoreResult>;
  /** Back to before the newest restore that is kept. Rejects `nothing-found` where none is. */
  rollback(
    request: RollbackRequest,
    setup: RunSetup,
    confirm: (kept: KeptRestore) => Promise<void>,
    events: EventSink,
    signal: AbortSignal,
  ): Promise<RollbackResult>;
  /** Restores into an isolated copy and proves it. What does not hold is in the result. */
  drill(
    request: DrillRequest,
    assertions: readonly Assertion[],
    setup: RunSetup,
    events: EventSink,
    signal: AbortSignal,
  ): Promise<DrillResult>;
  /** What `recover` does, where the engine answers at once; null where it does not. Never rejects for the engine's sake. */
  undoLeftovers(project: string | null, engine: EngineRequest, signal: AbortSignal): Promise<UndoReport | null>;
  /** What a restore on this host left in the directory, if anything; null where there is nothing. Never rejects for its sake. */
  undoOnHost(engine: EngineRequest, signal: AbortSignal): Promise<UndoReport | null>;
  /** The project of the newest restore on this host that `rollback` can undo; null where there is none. */
  keptOnHost(engine: EngineRequest): Promise<string | null>;
  recover(project: string | null, engine: EngineRequest, signal: AbortSignal): Promise<UndoReport>;
  /** An existing one. Rejects `no-repository`, `forbidden`, `newer-format`. */
  openRepository(location: string, lockTimeoutMs: number): Promise<RepositoryService>;
  /** Classic archives in a folder that is no repository yet, newest last; empty where there is none. */
  classicArchives(location: string): Promise<readonly ClassicArchive[]>;
  /** Stores a classic archive as a snapshot; creates the repository where it may, after the archive was found good. */
  importArchive(
    request: ImportRequest,
    repository: { readonly location: string; readonly lockTimeoutMs: number },
    events: EventSink,
    signal: AbortSignal,
  ): Promise<ImportReport>;
  /** Creates the folder and a file of mode 0600 in it; rejects `forbidden` where that is impossible. */
  openLog(directory: string, command: string, at: Date, onFailure: (why: string) => void): Promise<LogFile>;
  /** True inside a container. */
  readonly inContainer: boolean;
}
