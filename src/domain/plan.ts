import type { ComponentId } from './component.ts';
import type { ComposeModel } from './compose-model.ts';
import type { Assertion } from './drill.ts';
import type { EngineInfo, EngineProject } from './engine-model.ts';
import type { Finding, Uncovered } from './finding.ts';
import type { HostApplication, HostServerDatabase } from './host.ts';
import type { Because, Consistency, StrategyName } from './manifest.ts';

export type QuiesceMode = 'none' | 'pause' | 'stop';

/** Labels and settings of one service or volume after all sources are joined. */
export interface ComponentSettings {
  readonly enable: boolean | null;
  readonly engine: string | null;
  readonly postgres: {
    readonly user: string | null;
    readonly passwordFile: string | null;
    readonly port: number | null;
    readonly databases: readonly string[] | null;
  };
  readonly exclude: readonly string[];
  readonly quiesce: QuiesceMode | null;
  readonly consistency: 'crash' | null;
  readonly execBefore: readonly string[] | null;
  readonly execAfter: readonly string[] | null;
  readonly execTimeoutMs: number;
  readonly execUser: string | null;
  /** What a drill tries in the restored copy. */
  readonly assertions?: readonly Assertion[] | undefined;
}

/** Settings of a service that nobody set anything for, but how its database is reached. */
export function settingsForAccess(postgres: ComponentSettings['postgres']): ComponentSettings {
  return {
    enable: null,
    engine: null,
    postgres,
    exclude: [],
    quiesce: null,
    consistency: null,
    execBefore: null,
    execAfter: null,
    execTimeoutMs: 0,
    execUser: null,
  };
}

/** Everything known of a project, from files and engine; either may be absent. */
export interface Project {
  readonly name: string;
  readonly strategy: StrategyName;
  readonly directory: string | null;
  readonly model: ComposeModel | null;
  readonly engine: EngineProject | null;
  readonly engineInfo: EngineInfo | null;
  /** Why the Compose files did not load although the engine knows the project. */
  readonly modelError: Finding | null;
  /** Other repositories of this tool among its files: they are nobody's state. */
  readonly otherRepositories?: readonly string[];
  /** The application on this host; only in the host strategy. */
  readonly host?: HostApplication | undefined;
  /** What the choice of the strategy left uncovered, and what is to be said of it. */
  readonly choice?: { readonly findings: readonly Finding[]; readonly uncovered: readonly Uncovered[] } | undefined;
}

/** How one component is captured. Exhaustively switched by the pipeline. */
export type CaptureMethod =
  | { readonly kind: 'dump'; readonly adapter: string; readonly service: string; readonly container: string; readonly database: string }
  | { readonly kind: 'globals'; readonly adapter: string; readonly service: string; readonly container: string }
  | { readonly kind: 'tree'; readonly mount: TreeMount; readonly exclude: readonly string[] }
  | { readonly kind: 'config' }
  | { readonly kind: 'state' }
  | { readonly kind: 'image'; readonly service: string; readonly image: string }
  /** An SQLite database of this host. */
  | { readonly kind: 'sqlite'; readonly path: string }
  /** The files of an SQLite database that could not be copied as one. */
  | { readonly kind: 'sqlite-raw'; readonly path: string }
  /** A database on a server that this host reaches. */
  | { readonly kind: 'host-dump'; readonly server: HostServerDatabase }
  /** A directory or file of this host. */
  | { readonly kind: 'host-tree'; readonly path: string; readonly exclude: readonly string[] }
  /** System, packages and units of this host. */
  | { readonly kind: 'host-state' };

/** A mountable source of files. */
export type TreeMount =
  | { readonly type: 'volume'; readonly name: string; readonly driver: string; readonly subpath: string | null }
  | { readonly type: 'bind'; readonly hostPath: string };

export interface PlannedComponent {
  readonly id: ComponentId;
  readonly method: CaptureMethod;
  /** For people: `pg_dump through exec in mcads-db-1`. */
  readonly how: string;
  readonly because: Because;
  /** Estimate where known cheaply. */
  readonly bytes: number | null;
  readonly consistency: Consistency;
  /** Containers using the component (by id), for quiescing and hooks. */
  readonly users: readonly string[];
  readonly quiesce: QuiesceMode;
  readonly findings: readonly Finding[];
  readonly settings: ComponentSettings | null;
  /** Known before anything runs: this component cannot be captured (its reason becomes the failure). */
  readonly failure?: { readonly reason: string; readonly hint?: string | undefined } | undefined;
  readonly hooks?: readonly CaptureHook[] | undefined;
  /** Facts for the manifest known at plan time (volume driver and labels, mount targets …). */
  readonly facts?: Readonly<Record<string, import('./byte-stream.ts').JsonValue>> | undefined;
}

/** Commands that run in a container around the capture of what it uses. */
export interface CaptureHook {
  readonly container: string;
  /** The container's name, for people. */
  readonly name: string;
  readonly before: readonly string[] | null;
  readonly after: readonly string[] | null;
  readonly timeoutMs: number;
  readonly user: string | null;
}

/** Components captured together: one consistency point. */
export interface CaptureGroup {
  readonly quiesce: QuiesceMode;
  /** Container ids to freeze or stop, in stop order; empty for `none`. */
  readonly containers: readonly string[];
  readonly components: readonly PlannedComponent[];
}

export interface BackupPlan {
  readonly project: Project;
  readonly groups: readonly CaptureGroup[];
  /** What the user's selection leaves out; a snapshot with any is partial. */
  readonly left: readonly PlannedComponent[];
  readonly uncovered: readonly Uncovered[];
  readonly findings: readonly Finding[];
}
