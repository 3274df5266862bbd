import type { Finding } from '../domain/finding.ts';
import type { ComposeModel } from '../domain/compose-model.ts';
import type { DatabaseAdapter } from '../domain/database-ports.ts';
import type { EventSink } from '../domain/events.ts';
import type { Engine, HostFiles, ProjectClaim, SnapshotRepository, UndoReport } from '../domain/ports.ts';
import type { KeptRestore, RestorePlan, ServiceResult } from '../domain/restore.ts';
import type { OpenTreeOptions } from '../domain/tree.ts';
import type { HostWriter } from '../domain/host-writer.ts';
import type { SettingsLookup } from './requests.ts';

export interface RestoreRequest {
  /** Full name. */
  readonly snapshot: string;
  /** Only what these services hold; empty: everything. */
  readonly services: readonly string[];
  /** `--component` globs; empty: everything. */
  readonly components: readonly string[];
  /** Absolute: where the project's files are, or go. */
  readonly directory: string;
  /** The project to restore onto; null: the snapshot's own. */
  readonly projectName: string | null;
  /** Another project beside it. */
  readonly as: string | null;
  /** Somebody has to agree to the plan first. */
  readonly asks: boolean;
  readonly withConfig: boolean;
  /** How long what was replaced is kept for `rollback`; 0: not at all. */
  readonly keepOldMs: number;
  readonly forceShared: boolean;
  readonly safetyBackup: boolean;
  /** Start what ran in the snapshot when nothing of the project is there yet. */
  readonly start: boolean;
  readonly jobs: number;
  readonly transport: OpenTreeOptions['transport'];
  readonly helperImage: string | null;
  readonly healthTimeoutMs: number;
  /** Absolute paths that are never moved: repository, logs. */
  readonly neverTouch: readonly string[];
}

export interface RestorePorts {
  readonly engine: Engine;
  readonly adapters: readonly DatabaseAdapter[];
  readonly host: HostFiles;
  readonly hostWriter: HostWriter;
  openRepository(): Promise<SnapshotRepository>;
  /** Rejects `nothing-found` without files, `config` for files that do not load. */
  loadCompose(): Promise<ComposeModel>;
  settingsFor(model: ComposeModel | null): SettingsLookup;
  /** What the application in a directory of this host may be called. */
  namesOf(directory: string): Promise<readonly string[]>;
  /** Shows the plan and asks; rejects `cancelled` for a no, `usage` where it can neither ask nor was told `--yes`. */
  confirm(plan: RestorePlan): Promise<void>;
  /** Captures these components of the live project; resolves with the snapshot's name. The project is claimed already; what is stopped for it is written there. */
  safetyBackup(components: readonly string[], claim: ProjectClaim, signal: AbortSignal): Promise<string>;
  now(): Date;
  /** 12 hexadecimal digits. */
  readonly run: string;
  readonly events: EventSink;
}

export interface RollbackRequest {
  readonly project: string;
  readonly healthTimeoutMs: number;
}

export interface RollbackPorts {
  readonly engine: Engine;
  readonly adapters: readonly DatabaseAdapter[];
  readonly hostWriter: HostWriter;
  settingsFor(model: ComposeModel | null): SettingsLookup;
  /** As for a restore. */
  confirm(kept: KeptRestore): Promise<void>;
  now(): Date;
  readonly events: EventSink;
}

export interface RollbackResult {
  readonly kept: KeptRestore;
  readonly report: UndoReport;
  readonly services: readonly ServiceResult[];
  readonly findings: readonly Finding[];
}
