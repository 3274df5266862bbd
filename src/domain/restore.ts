import type { JsonObject, JsonValue } from './byte-stream.ts';
import type { ComponentId } from './component.ts';
import type { Finding } from './finding.ts';
import type { ComponentSettings, TreeMount } from './plan.ts';
import type { RawPath, TransportName } from './tree.ts';

/** A running restore's own mark: 12 hexadecimal digits. Part of every name that it makes. */
export type RestoreRun = string;

export interface NamedContainer {
  readonly id: string;
  readonly name: string;
}

/** How the server is reached: names and a path, no secret. */
export type DatabaseAccess = ComponentSettings['postgres'];

/** A tree that a restore builds beside the live one and then swaps in, and how to find both again. */
export interface JournalTree {
  readonly component: ComponentId;
  readonly place: TreePlace;
  /** Topmost directory that did not exist before the restore made it (binds only); null where all were there. */
  readonly createdFrom: string | null;
  /** Inode of the root that was there: another one is another folder, or what a disk is not mounted on. */
  readonly rootInode?: string | null | undefined;
  /** It is swapped in, and can only be put back by what swaps. */
  readonly swaps?: boolean;
}

/** A database that a restore builds under another name and then renames. */
export interface JournalDatabase {
  readonly component: ComponentId;
  readonly adapter: string;
  readonly service: string;
  readonly container: NamedContainer;
  readonly access: DatabaseAccess;
  /** The name that users know. */
  readonly database: string;
  /** What the restored one is called until the swap. */
  readonly temporary: string;
  /** What the replaced one is called from the swap on. */
  readonly kept: string;
}

export interface JournalRoles {
  readonly adapter: string;
  readonly service: string;
  readonly container: NamedContainer;
  readonly access: DatabaseAccess;
  /** Did not exist before. */
  readonly created: readonly string[];
}

/** A configuration file that was replaced (`kept` is where the old one is) or made (`kept` null). Absolute paths. */
export interface JournalFile {
  readonly path: string;
  readonly kept: string | null;
  /** Topmost directory that was made for it. */
  readonly createdFrom?: string | null;
  /** Of what the restore writes: anything else that is there is somebody's own. */
  readonly sha256?: string | undefined;
}

/** What a restore made where nothing had been; a rollback takes it away again. */
export interface MadePlace {
  /** For people: a component, or the path of a configuration file. */
  readonly what: string;
  /** Null where it is not on this machine, or not told apart from what had been there. */
  readonly local: {
    /** Absolute. */
    readonly path: string;
    readonly isFile: boolean;
    /** What goes with a file: absolute paths. */
    readonly companions: readonly string[];
    /** Topmost directory that was made for it. */
    readonly createdFrom: string | null;
    /** What was changed after it has a later time: nanoseconds of its filesystem's clock. */
    readonly stamp: string;
  } | null;
}

/**
 * All that is needed to bring a project back to what it was before a restore. It is written into the engine before the first change; every
 * step of going back is idempotent, so it may be done again after it was interrupted. Names only, no secrets.
 */
export interface RestoreJournal {
  readonly format: 1;
  readonly run: RestoreRun;
  /** The project that is restored (with `--as`, the new one). */
  readonly project: string;
  readonly snapshot: string;
  /** ISO 8601 UTC. */
  readonly startedAt: string;
  /** Containers that use the targets, in the order to stop them; those of databases that are only swapped are not among them. */
  readonly users: readonly NamedContainer[];
  /** Containers that ran before, in the order to start them. */
  readonly running: readonly NamedContainer[];
  /** False from the first record on, true from before anything is stopped; left out by earlier versions. */
  readonly reachedSwap?: boolean;
  /** Whether each database server that is restored to ran before. */
  readonly servers?: readonly { readonly container: NamedContainer; readonly ran: boolean }[];
  /** Written when all was proven, before services run again: from then on a restore that is broken off is finished, not undone. */
  readonly proven?: ProvenRestore;
  /** What the helper containers of the restore were made from, where it was told. */
  readonly helperImage?: string | null;
  readonly trees: readonly JournalTree[];
  readonly databases: readonly JournalDatabase[];
  readonly roles: readonly JournalRoles[];
  readonly files: readonly JournalFile[];
  /** Of a rollback that is under way: the record that is of no use once it is done. */
  readonly rollbackOf?: string;
  /** Of a restore that is done and kept. */
  readonly made?: readonly MadePlace[];
  /** Did not exist before: container and network and volume names, removed when the restore is undone. */
  readonly created: {
    readonly containers: readonly string[];
    readonly networks: readonly string[];
    readonly volumes: readonly string[];
    /** Host folders that volumes are bound to, topmost missing ones. */
    readonly folders?: readonly string[];
    /** Known once all was made: what else bears these names is somebody else's. Ids of containers and networks, times of volumes, by name. */
    readonly made?: MadeIdentities;
  };
}

export interface MadeIdentities {
  readonly containers: Readonly<Record<string, string>>;
  readonly networks: Readonly<Record<string, string>>;
  readonly volumes: Readonly<Record<string, string>>;
}

/** What is left to do of a restore whose data is in place and proven. */
export interface ProvenRestore {
  /** In the order to start them. */
  readonly start: readonly NamedContainer[];
  /** What can be gone back to, and until when (ISO 8601 UTC); null where nothing was replaced or nothing is to be kept. */
  readonly kept: { readonly journal: RestoreJournal; readonly until: string } | null;
  /** What is to be cleared away. */
  readonly rest: RestoreJournal;
}

/** The state before a restore that is still there, in staging directories and renamed databases. */
export interface KeptRestore {
  readonly id: string;
  readonly journal: RestoreJournal;
  /** ISO 8601 UTC; removed by the first run after it. */
  readonly until: string;
}

/* ---------------------------------------------------------------- trees */

/** Where a tree is restored to. */
export interface TreePlace {
  readonly mount: TreeMount;
  /** Name (text, as commands take it) of the only file of the tree: it is swapped within its folder. Null for directories. */
  readonly singleFile: string | null;
  /** Names (text) beside a single file that are moved away with it: an SQLite database's log. */
  readonly companions?: readonly string[];
  /** The only names of a directory that are swapped, as raw paths; everything else in it stays. Left out: all are. */
  readonly names?: readonly RawPath[];
}

/** What is at a place, seen without changing anything. */
export interface PlaceReport {
  /** False for a volume that the engine does not have, a host path that is not there. */
  readonly exists: boolean;
  /** Topmost path that would have to be made (missing binds). */
  readonly createdFrom: string | null;
  /** Nothing is in it (a missing single file, an empty directory). */
  readonly isEmpty: boolean;
  readonly transport: TransportName;
  /** False: files are overwritten in place, nothing can be swapped, removed or put back (archive transport). */
  readonly swaps: boolean;
  /** Null where the transport cannot tell. */
  readonly freeBytes: number | null;
  readonly freeInodes: number | null;
  /** Equal for places on one filesystem; null where unknown. */
  readonly filesystem: string | null;
  /** Of the root that is there, where it can be told. */
  readonly rootInode?: string | null;
  /** Other filesystems mounted below, relative to the tree; never moved. */
  readonly nestedMounts: readonly RawPath[];
  /** Repositories of this tool in it, relative to the tree (`''` where it is one itself); never moved. Only where they were asked for. */
  readonly repositories: readonly RawPath[];
  readonly readOnly: boolean;
  /** Of the single file that is there, where the place can tell. */
  readonly owner?: { readonly mode: number; readonly uid: number; readonly gid: number } | null;
}

/** A container, volume or network of a recorded project, as it would be made again; `body` is the engine's own and only `src/docker` reads it. */
export interface RecreatedVolume {
  readonly name: string;
  /** Compose key, null for anonymous and external ones. */
  readonly composeKey: string | null;
  /** Name in the snapshot. */
  readonly recordedName: string;
  /** Host folder that the volume is bound to by its options; the engine does not make it. */
  readonly folder: string | null;
  readonly body: JsonObject;
}

export interface RecreatedNetwork {
  readonly name: string;
  readonly body: JsonObject;
}

export interface RecreatedContainer {
  readonly name: string;
  readonly service: string;
  readonly number: number;
  /** As written in its configuration. */
  readonly image: string;
  readonly imageId: string;
  /** `name@sha256:…`, to be pulled by. */
  readonly imageDigests: readonly string[];
  readonly imageTags: readonly string[];
  readonly wasRunning: boolean;
  readonly dependsOn: readonly string[];
  /** Volume names and host paths it mounts, after renaming. */
  readonly volumes: readonly string[];
  readonly binds: readonly string[];
  readonly body: JsonObject;
}

/** How a recorded project is made again. */
export interface Recreation {
  readonly networks: readonly RecreatedNetwork[];
  readonly volumes: readonly RecreatedVolume[];
  /** Topmost missing directories of the folders that volumes are bound to; known once somebody looked. */
  readonly missingFolders?: readonly string[];
  /** In the order to create them. One-off containers are left out. */
  readonly containers: readonly RecreatedContainer[];
  /** What is not as it was, for people: `published port 8080 of web is dropped`. */
  readonly changes: readonly string[];
}

export interface RecreationOptions {
  readonly project: { readonly from: string; readonly to: string };
  /** Project directory then and now; null where none was recorded. */
  readonly directory: { readonly from: string; readonly to: string } | null;
  /** Host paths of captured binds then and now, longest first. */
  readonly binds: readonly { readonly from: string; readonly to: string }[];
  /** `--as`: no published ports, no fixed names, addresses and host names, external volumes and networks become private. */
  readonly beside: boolean;
}

/* ---------------------------------------------------------------- plan */

/** What happens to one component. Exhaustively switched by the pipeline. */
export type RestoreTarget =
  | {
      readonly kind: 'tree';
      readonly place: TreePlace;
      /** For people: `volume shop_media`, `/srv/shop/media`. */
      readonly name: string;
      readonly report: PlaceReport;
      /** Paths in it that are never moved: repository, logs, other mounts, excluded files' globs are in `keptGlobs`. */
      readonly kept: readonly RawPath[];
      readonly keptGlobs: readonly string[];
      /** The volume is made first. */
      readonly createsVolume: boolean;
    }
  | {
      readonly kind: 'database';
      readonly adapter: string;
      readonly service: string;
      readonly database: string;
      readonly temporary: string;
      readonly kept: string;
      /** Null: its container is made by this restore. */
      readonly container: NamedContainer | null;
      /** Null where that is not known before the server runs. */
      readonly exists: boolean | null;
    }
  | {
      readonly kind: 'globals';
      readonly adapter: string;
      readonly service: string;
      readonly container: NamedContainer | null;
      /** `missing`: roles that exist stay as they are. */
      readonly mode: 'missing' | 'all';
    }
  | { readonly kind: 'config'; readonly directory: string; readonly files: readonly PlannedFile[] }
  | { readonly kind: 'image'; readonly image: string; readonly exists: boolean }
  /** Only read: the recorded state of the engine. */
  | { readonly kind: 'state' };

export interface PlannedFile {
  /** Relative to the target's directory, absolute outside of it. */
  readonly path: string;
  readonly action: 'create' | 'replace' | 'keep' | 'same';
  /** Topmost directory that has to be made for it. */
  readonly createdFrom?: string | null;
  /** SHA-256 of what is written. */
  readonly sha256?: string;
}

export type RestoreAction = 'create' | 'fill' | 'replace' | 'overwrite' | 'keep';

export interface PlannedRestore {
  readonly id: ComponentId;
  readonly target: RestoreTarget;
  readonly action: RestoreAction;
  /** For people: `replaces what is in volume shop_media`. */
  readonly how: string;
  readonly bytes: number;
  readonly facts: Readonly<Record<string, JsonValue>>;
}

export interface RestoredService {
  readonly name: string;
  /** Container name. */
  readonly container: string;
  /** Stopped while data is swapped. */
  readonly stops: boolean;
  readonly ran: boolean;
  /** Made by the restore, and started in the end. */
  readonly starts?: boolean;
}

export interface RestorePlan {
  readonly snapshot: string;
  /** ISO 8601. */
  readonly takenAt: string;
  readonly completeness: 'complete' | 'partial';
  /** Level of the last drill; null: never drilled. */
  readonly proof: string | null;
  readonly project: string;
  /** Engine name and address, or the host's. */
  readonly engine: string;
  /** An application on a host: its services are systemd units. */
  readonly onHost?: boolean;
  readonly directory: string;
  readonly beside: boolean;
  /** Nothing of the project is on the engine. */
  readonly fresh: boolean;
  readonly components: readonly PlannedRestore[];
  readonly services: readonly RestoredService[];
  /** What is made first; null where everything is there. */
  readonly recreation: Recreation | null;
  /** Images that neither the engine nor the snapshot has, with the command that gets or builds each. */
  readonly missingImages: readonly { readonly image: string; readonly services: readonly string[]; readonly command: string }[];
  /** Captured first, because no swap keeps them. */
  readonly safety: readonly ComponentId[];
  readonly findings: readonly Finding[];
}

/* ---------------------------------------------------------------- result */

export interface RestoredComponent {
  readonly id: ComponentId;
  readonly outcome: 'restored' | 'kept' | 'skipped' | 'failed';
  readonly detail: string;
  readonly bytes: number;
  readonly seconds: number;
}

export interface RestoredDatabase {
  readonly component: ComponentId;
  readonly name: string;
  readonly tables: number;
  readonly rows: number;
  /** Null where the snapshot does not say which rows there were: an archive of the old scripts. */
  readonly rowsEqual: boolean | null;
}

export interface ServiceResult {
  readonly name: string;
  readonly state: string;
  readonly health: string;
  /** From its stop to its being healthy again; null where it was not stopped. */
  readonly downSeconds: number | null;
}

export interface FilesProof {
  readonly component: ComponentId;
  /** Entries compared with the recorded ones (type, owner, mode, size, times, target). */
  readonly entries: number;
  readonly bytes: number;
  /** Files whose content was hashed again after the swap. */
  readonly hashed: number;
}

export interface RestoreResult {
  readonly plan: RestorePlan;
  readonly components: readonly RestoredComponent[];
  readonly services: readonly ServiceResult[];
  readonly databases: readonly RestoredDatabase[];
  readonly files: readonly FilesProof[];
  readonly findings: readonly Finding[];
  /** Until when `rollback` works; null where nothing was replaced or kept. */
  readonly keptUntil: string | null;
  /** Name of the safety snapshot. */
  readonly safetySnapshot: string | null;
  readonly startedAt: string;
  readonly seconds: number;
}
