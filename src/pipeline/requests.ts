import type { ExportReport } from '../domain/archive.ts';
import type { ComposeModel } from '../domain/compose-model.ts';
import type { EngineContainer } from '../domain/engine-model.ts';
import type { EventSink } from '../domain/events.ts';
import type { Finding, Uncovered } from '../domain/finding.ts';
import type { Manifest, StrategyName } from '../domain/manifest.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { HostRuntime, HostSettings } from '../domain/host.ts';
import type { BackupPlan, ComponentSettings, Project } from '../domain/plan.ts';
import type { DatabaseAdapter } from '../domain/database-ports.ts';
import type { Engine, HostFiles, PruneDecision, SnapshotRepository } from '../domain/ports.ts';
import type { EngineTransport, HelperWeights } from '../domain/tree.ts';

/** What the user asked a project to be found by. */
export interface ProjectRequest {
  /** Absolute. */
  readonly directory: string;
  readonly projectName: string | null;
}

/** Which part of the project, and how to read it. */
export interface PlanRequest extends ProjectRequest {
  readonly services: readonly string[];
  /** `--component` globs. */
  readonly components: readonly string[];
  readonly images: 'none' | 'local';
  /** Further files for the `config` component, globs relative to the project directory. */
  readonly configFiles: readonly string[];
  /** Globs that apply to every tree. */
  readonly exclude: readonly string[];
  /** Ask the engine for the sizes of volumes: it walks them all, which can take seconds. */
  readonly sizes: boolean;
  /** Folders that are never captured however they are reached: the repository. */
  readonly neverCapture: readonly string[];
  /** Where this tool writes its logs: never captured, but on a host, where the application's own may lie beside them. */
  readonly logDirectory: string;
  /** The application on a host without Docker. */
  readonly hostSettings: HostSettings;
  readonly strategy: 'auto' | StrategyName;
}

/** Folders left out by device and inode. Of the log folder of a host the survey leaves out our files. */
export function neverCaptured(
  { neverCapture, logDirectory }: PlanRequest,
  { strategy, otherRepositories = [] }: Pick<Project, 'strategy' | 'otherRepositories'>,
): readonly string[] {
  return strategy === 'host' ? neverCapture : [...neverCapture, logDirectory, ...otherRepositories];
}

export interface BackupRequest extends PlanRequest {
  readonly transport: 'auto' | EngineTransport;
  readonly helperImage: string | null;
  readonly weights?: HelperWeights;
  /** Bytes that all components together read in a second; none: no limit. */
  readonly limitRate?: number | null;
  /** Read every byte although fingerprints match. */
  readonly rescan: boolean;
  readonly jobs: number;
  /** Also write the snapshot as a classic archive into the repository's folder. */
  readonly archive?: boolean;
  /** Apply the retention policy after a complete backup. */
  readonly prune: boolean;
  readonly healthTimeoutMs: number;
  /** Absolute path of the repository. */
  readonly repository: string;
}

/** A service's or volume's settings; `failure` when one of its labels is wrong. */
export interface SettingsLookup {
  forService(service: string, labels: Readonly<Record<string, string>>): SettingsResult;
  forVolume(key: string, labels: Readonly<Record<string, string>>): SettingsResult;
}

export interface SettingsResult {
  readonly settings: ComponentSettings;
  readonly failure: { readonly reason: string; readonly hint?: string | undefined } | null;
  /** Where each setting comes from, for those that somebody set. */
  readonly origins?: Readonly<Record<string, { readonly kind: string }>>;
}

/** A snapshot or a classic archive. */
export interface PastBackup {
  readonly project: string;
  readonly strategy: StrategyName;
  readonly isClassic: boolean;
}

export interface DiscoverPorts {
  /** Null where Docker is absent. */
  readonly engine: Engine | null;
  /** Rejects `nothing-found` without files, `config` for files that do not load. */
  loadCompose(): Promise<ComposeModel>;
  /** Snapshots and classic archives of the repository, oldest first; empty where there is none yet. */
  history(): Promise<readonly PastBackup[]>;
  /** This machine; null where the host strategy cannot be taken. */
  readonly hostRuntime: HostRuntime | null;
  readonly host: HostFiles;
}

export interface PlanPorts {
  readonly adapters: readonly DatabaseAdapter[];
  /** Engines that are known to hold state but have no adapter: `redis`, `mysql` …; null for any other image. */
  recognise(container: Pick<EngineContainer, 'image' | 'imageTags' | 'imageDigests' | 'imageEnvironment' | 'labels'>): string | null;
  settingsFor(model: ComposeModel | null): SettingsLookup;
  readonly host: HostFiles;
  readonly runId: string;
}

export interface BackupPorts extends DiscoverPorts, PlanPorts {
  /** Opens (and creates where allowed) the repository for writing; called after the plan holds something to capture. */
  openRepository(): Promise<SnapshotRepository>;
  /** Who is asked for the claim on a project of the host strategy; null where that cannot be taken. */
  readonly hostClaims: Pick<Engine, 'claimProject'> | null;
  /** Writes the snapshot as a classic archive beside the repository's own files. */
  exportArchive(snapshot: string): Promise<ExportReport>;
  /** Applies the retention policy; called only after a complete backup. */
  applyRetention(project: string, strategy: StrategyName): Promise<readonly PruneDecision[]>;
  /** Removes what an earlier restore replaced and nobody may go back to any more; the project is claimed. */
  discardOld(project: string): Promise<readonly Finding[]>;
  renderVerification(manifest: Manifest): string;
  now(): Date;
  readonly tool: { readonly name: string; readonly version: string };
  readonly machine: { readonly name: string; readonly platform: string; readonly node: string };
  readonly events: EventSink;
}

export interface BackupResult {
  /** Null when nothing could be captured. */
  readonly manifest: Manifest | null;
  readonly plan: BackupPlan;
  readonly outcomes: readonly Outcome[];
  readonly findings: readonly Finding[];
  readonly uncovered: readonly Uncovered[];
  /** The classic archive, where one was asked for and could be written. */
  readonly archive?: ExportReport | null;
  readonly pruned: readonly PruneDecision[];
  /** Printable repository address. */
  readonly repository: string;
  readonly seconds: number;
}
