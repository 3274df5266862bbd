import type { Bytes, JsonObject } from './byte-stream.ts';
import type { EngineContainer, EngineState } from './engine-model.ts';
import type { RestoreRun } from './restore.ts';

/** On every container, network and volume of a drill's copy: the run that it belongs to. */
export const DRILL_LABEL = 'mcads.drill';

/** What a copy of a recorded project is made for. */
export interface CopyOptions {
  readonly drill: RestoreRun;
  /** The recorded project. */
  readonly project: string;
  /** Name of the copy; holds the run. */
  readonly copy: string;
  /** Services to make; null: all of them. */
  readonly services: ReadonlySet<string> | null;
  /** Recorded volumes whose data the snapshot brings: they start empty. */
  readonly filledVolumes: ReadonlySet<string>;
  /** Host folders that the snapshot holds: each becomes a private volume. */
  readonly filledFolders: ReadonlySet<string>;
  /** Host files that the snapshot holds: their content is put into the containers. */
  readonly files: ReadonlySet<string>;
  /** The most that one container may use. */
  readonly memoryBytes: number;
}

export interface CopiedVolume {
  readonly name: string;
  /** Volume name or host folder in the snapshot. */
  readonly recorded: string;
  /** The engine's own; only `src/docker` reads it. */
  readonly body: JsonObject;
}

export interface CopiedContainer {
  readonly name: string;
  readonly service: string;
  readonly number: number;
  readonly image: string;
  readonly imageId: string;
  readonly imageDigests: readonly string[];
  readonly imageTags: readonly string[];
  readonly wasRunning: boolean;
  readonly dependsOn: readonly string[];
  /** Files to put into it before it starts. */
  readonly files: readonly { readonly hostPath: string; readonly target: string }[];
  readonly body: JsonObject;
}

/** A recorded project as it is made again for a drill: nothing in it reaches anything outside of it. */
export interface IsolatedCopy {
  readonly drill: RestoreRun;
  readonly project: string;
  readonly copy: string;
  readonly network: { readonly name: string; readonly body: JsonObject };
  readonly volumes: readonly CopiedVolume[];
  /** In the order to create and start them. */
  readonly containers: readonly CopiedContainer[];
  /** What it has not, for people: `published port 8080 of web is dropped`. */
  readonly changes: readonly string[];
}

export interface RemovedCopies {
  readonly undone: readonly string[];
  readonly failed: readonly string[];
}

/** What a drill asks of an engine beyond what a restore does. Nothing here touches what does not carry the drill's label. */
export interface DrillEngine {
  /** The containers of a recorded project as they were. Pure. */
  recordedContainers(state: EngineState): readonly EngineContainer[];
  /** Pure. */
  isolatedCopy(state: EngineState, options: CopyOptions): IsolatedCopy;
  /** Makes network, volumes and containers (not started). Resolves with container ids by name. */
  makeCopy(copy: IsolatedCopy, signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
  /** Unpacks a tar at the root of a created container of this drill. */
  putIntoCopy(drill: RestoreRun, container: string, tar: Bytes, signal: AbortSignal): Promise<void>;
  /** The last lines that a container of this drill wrote. */
  copyLogs(drill: RestoreRun, container: string, lines: number, signal: AbortSignal): Promise<string>;
  /** Until then nobody sweeps it away. */
  keepCopy(copy: IsolatedCopy, until: Date, signal: AbortSignal): Promise<void>;
  /** Everything of this drill, with force. Whatever cannot be removed is told and the rest goes all the same. */
  removeCopy(drill: RestoreRun, signal: AbortSignal): Promise<RemovedCopies>;
  /** Copies whose drill died, and kept ones whose time is over; of one project or of all. */
  sweepCopies(project: string | null, signal: AbortSignal): Promise<RemovedCopies>;
}
