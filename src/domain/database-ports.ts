import type { Bytes, ByteStream, JsonValue } from './byte-stream.ts';
import type { EngineContainer } from './engine-model.ts';
import type { Finding } from './finding.ts';
import type { ManifestArtifact } from './manifest.ts';
import type { ComponentSettings, TreeMount } from './plan.ts';
import type { Engine } from './ports.ts';

/** A running (or stopped) database service as an adapter sees it. */
export interface DatabaseTarget {
  readonly service: string;
  readonly container: EngineContainer;
  readonly settings: ComponentSettings;
}

export interface DatabaseListing {
  readonly databases: readonly { readonly name: string; readonly bytes: number }[];
  readonly facts: Readonly<Record<string, JsonValue>>;
  readonly findings: readonly Finding[];
  /** The same for all ways in to one server, within one network; null where the server does not tell. */
  readonly server: string | null;
  /** Databases that hold state and cannot be dumped, in whatever way they are told. */
  readonly notDumped?: readonly string[];
  /** Directory inside the container whose mount holds the cluster: not captured raw when dumped. */
  readonly dataDirectory: string;
  /** Further directories of the cluster, outside of that one (tablespaces): a dump covers them too. */
  readonly furtherDirectories?: readonly string[];
}

export interface Detection {
  readonly because: 'label' | 'detected';
  /** What was recognised: `image postgres`, `PG_MAJOR in the image's environment`. */
  readonly why: string;
}

export interface CapturedDump {
  readonly stream: ByteStream;
  readonly format: ManifestArtifact['format'];
}

/** One database technology in one file. */
export interface DatabaseAdapter {
  readonly engine: string;
  /** Pure. Null: not mine. */
  detect(
    container: Pick<EngineContainer, 'image' | 'imageTags' | 'imageDigests' | 'imageEnvironment' | 'labels'>,
    settings: ComponentSettings,
  ): Detection | null;
  /** Where the cluster's files lie according to image and environment, for stopped containers. */
  dataDirectory(container: EngineContainer): string;
  /** What can be dumped. Rejects with `component-failed` and the reason when the server does not answer. */
  list(target: DatabaseTarget, io: DatabaseIo): Promise<DatabaseListing>;
  dump(target: DatabaseTarget, database: string, io: DatabaseIo): Promise<CapturedDump>;
  /** What `restorer` wants to know of a database beside its dump, whoever makes that: fact → query in the dump's snapshot whose JSON it is. */
  readonly snapshotQueries: Readonly<Record<string, string>>;
  globals(target: DatabaseTarget, io: DatabaseIo): Promise<CapturedDump>;
  /**
   * Reads a stored dump in full through the technology's own tool and compares it with what `dump` recorded.
   * Resolves with more facts (rows and hash per table); rejects `component-failed` where the dump is not whole.
   */
  check(
    target: DatabaseTarget,
    facts: Readonly<Record<string, JsonValue>>,
    artifact: Bytes,
    io: DatabaseIo,
  ): Promise<{ readonly facts: Readonly<Record<string, JsonValue>>; readonly findings: readonly Finding[] }>;
  /** How dumps of this technology are brought back. */
  readonly restorer: DatabaseRestorer;
  /** Looks at a stopped cluster's files: `clean` may be captured cold. */
  coldState(
    target: Pick<DatabaseTarget, 'container' | 'settings'>,
    dataMount: TreeMount,
    dataPath: string,
    io: DatabaseIo,
  ): Promise<{ readonly clean: boolean; readonly detail: string; readonly facts: Readonly<Record<string, JsonValue>> }>;
}

export interface DatabaseIo {
  readonly engine: Engine;
  readonly runId: string;
  readonly signal: AbortSignal;
  /** A secret's bytes from a file inside the container or on the host. */
  readonly warn: (finding: Finding) => void;
}

export interface DatabaseSwap {
  readonly database: string;
  readonly temporary: string;
  readonly kept: string;
}

export interface DatabaseSource {
  readonly database: string;
  /** As `dump` and `check` recorded them. */
  readonly facts: Readonly<Record<string, JsonValue>>;
}

export interface BuiltDatabase {
  readonly tables: number;
  readonly rows: number;
  readonly findings: readonly Finding[];
}

/** How one database technology is brought back. Every method wants a running server, unless it says otherwise. */
export interface DatabaseRestorer {
  /** Pure: what a database is called while it is built, and the replaced one afterwards, in a form that no backup captures. `run` as in `RestoreRun`. */
  names(database: string, run: string): { readonly temporary: string; readonly kept: string };
  /** Resolves when the server takes connections and its first initialisation is over; rejects `component-failed` when it exits or the time is over. */
  waitReady(target: DatabaseTarget, timeoutMs: number, io: DatabaseIo): Promise<void>;
  /** Pure, no server: rejects `component-failed` where a cluster of these facts (a cold copy's) does not fit the container's image. */
  checkCold(target: Pick<DatabaseTarget, 'service' | 'container'>, facts: Readonly<Record<string, JsonValue>>): void;
  /** Before anything is touched: rejects `component-failed` for an older server, a missing extension, an unknown locale or encoding, a disk too full, a user without the rights. */
  check(
    target: DatabaseTarget,
    source: DatabaseSource,
    io: DatabaseIo,
  ): Promise<{ readonly exists: boolean; readonly findings: readonly Finding[] }>;
  /** Roles that the globals hold and the server does not. */
  missingRoles(target: DatabaseTarget, globals: string, io: DatabaseIo): Promise<readonly string[]>;
  /** `missing`: only those roles, their settings and memberships. `all`: everything that the globals say, in one transaction. Resolves with the statements that take it back where roles existed (kept in memory only: they hold password verifiers). */
  applyGlobals(
    target: DatabaseTarget,
    globals: string,
    mode: 'missing' | 'all',
    io: DatabaseIo,
  ): Promise<{ readonly undo: string | null; readonly findings: readonly Finding[] }>;
  runGlobals(target: DatabaseTarget, statements: string, io: DatabaseIo): Promise<void>;
  dropRoles(target: DatabaseTarget, roles: readonly string[], io: DatabaseIo): Promise<void>;
  /**
   * Makes `temporary` from the recorded properties, restores the dump into it and compares rows and objects with the recorded ones. Rejects
   * `component-failed` for a tool's error, `proof-failed` for a difference, and drops it then. Reports progress in bytes of the dump.
   */
  build(
    target: DatabaseTarget,
    source: DatabaseSource,
    temporary: string,
    dump: Bytes,
    options: { readonly jobs: number; readonly onProgress: (bytes: number) => void },
    io: DatabaseIo,
  ): Promise<BuiltDatabase>;
  /** All of them in one transaction, sessions ended. A database that does not exist has nothing to keep. */
  swap(target: DatabaseTarget, swaps: readonly DatabaseSwap[], io: DatabaseIo): Promise<void>;
  /** Which of these databases there are. */
  present(target: DatabaseTarget, databases: readonly string[], io: DatabaseIo): Promise<ReadonlySet<string>>;
  /** Back to before, from whatever state; idempotent. Resolves with what was done, for people. */
  revert(target: DatabaseTarget, swaps: readonly DatabaseSwap[], io: DatabaseIo): Promise<readonly string[]>;
  /** Runs one statement that changes nothing; resolves with its lines, columns apart by `|`. Rejects `component-failed` with the server's words. */
  ask(target: DatabaseTarget, database: string, sql: string, io: DatabaseIo): Promise<readonly string[]>;
  /** Drops kept databases; missing ones are no error. */
  drop(target: DatabaseTarget, databases: readonly string[], io: DatabaseIo): Promise<void>;
}
