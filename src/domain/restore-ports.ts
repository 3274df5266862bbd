import type { Bytes, JsonObject } from './byte-stream.ts';
import type { EngineContainer, EngineState } from './engine-model.ts';
import type {
  KeptRestore,
  PlaceReport,
  RecreatedContainer,
  RecreatedNetwork,
  RecreatedVolume,
  Recreation,
  RecreationOptions,
  RestoreJournal,
  RestoreRun,
  TreePlace,
} from './restore.ts';
import type { OpenTreeOptions, RawPath, TransportName, TreeScan } from './tree.ts';

/**
 * A place being restored. What is new is built in a staging directory inside it, `.mcads-restore-<run>` in the root, and moved in by renames;
 * what it replaces lies in the same directory afterwards. All of it belongs to nobody else: captures leave it out.
 */
export interface TreeTarget extends AsyncDisposable {
  readonly place: TreePlace;
  readonly transport: TransportName;
  readonly swaps: boolean;
  /** Extracts a tar (members named `./path`; its pieces are given away) into the staging directory of the run, made anew. Resolves with tar's warnings; rejects `component-failed` for its errors (a full disk by name). Without `swaps`: right over what is there. */
  stage(run: RestoreRun, tar: Bytes, signal: AbortSignal): Promise<readonly string[]>;
  /** What was staged, in walk order, as `TreeSource.scan` would see it. Only with `swaps`. */
  scanStaged(run: RestoreRun, signal: AbortSignal): TreeScan;
  /** What is live, in walk order, without staging directories. Only with `swaps`. */
  scanLive(signal: AbortSignal): TreeScan;
  /** Flushes what was staged; then writes down and fsyncs the list of renames, then renames, then owner, mode, attributes and times of the root. `kept` and everything below stays where it is. */
  swap(run: RestoreRun, kept: readonly RawPath[], signal: AbortSignal): Promise<void>;
  /** SHA-256 of live regular files, in the order given; null for one that is missing or no file. */
  hash(paths: readonly RawPath[], signal: AbortSignal): Promise<readonly (string | null)[]>;
  /** Proves a staged SQLite database, of which nothing else is staged: `integrity_check` and the rows of every table. Only where the files are this machine's. */
  checkDatabase?(run: RestoreRun, signal: AbortSignal): Promise<JsonObject>;
  /**
   * Undoes whatever of stage and swap had happened and removes the staging directory. False where nothing of this run was there. With `keptSince` what
   * somebody has written into the swapped tree stays beside, as far as that can be told, and that is called back with the name of the folder.
   */
  revert(run: RestoreRun, signal: AbortSignal, keptSince?: (folder: string) => void): Promise<boolean>;
  /**
   * Rejects where `revert` would take something away that is not the tree's own (a filesystem that has been mounted in it since), or would find nothing
   * because this is not the place that was swapped. `rootInode`: of that one, null where unknown. Changes nothing.
   */
  assertRevertible(run: RestoreRun, rootInode: string | null, signal: AbortSignal): Promise<void>;
  /** Removes the staging directory, what was replaced with it; the root keeps its times. */
  discard(run: RestoreRun, signal: AbortSignal): Promise<void>;
  /** True when the swap left something to go back to. */
  holdsReplaced(run: RestoreRun, signal: AbortSignal): Promise<boolean>;
}

export interface CreatedContainer {
  readonly id: string;
  readonly name: string;
}

export interface ProbeOptions extends OpenTreeOptions {
  /** Look for repositories of this tool in all of it, which takes as long as listing it. */
  readonly findsRepositories?: boolean;
}

/** What a restore asks of an engine beyond what a backup does. */
export interface RestoreEngine {
  /** Looks without changing anything. Rejects `component-failed` for a volume in memory, a place that leads out of its mount or cannot be mounted. */
  probePlace(place: TreePlace, options: ProbeOptions, signal: AbortSignal): Promise<PlaceReport>;
  /** For writing. Makes missing folders (owned as their parent is); a missing volume is an error. */
  openTarget(place: TreePlace, options: OpenTreeOptions, signal: AbortSignal): Promise<TreeTarget>;
  /** A folder of the engine's host with all that is in it: one that a restore made for a volume that is gone again. */
  removeFolder(path: string, options: OpenTreeOptions, signal: AbortSignal): Promise<void>;
  /** Removes `path` and what lies above it up to `topmost`, as far as nothing is in them. False where something is. */
  removeEmptyFolders(topmost: string, path: string, options: OpenTreeOptions, signal: AbortSignal): Promise<boolean>;
  /** By id or name; null where there is none. */
  findContainer(reference: string, signal: AbortSignal): Promise<EngineContainer | null>;
  /** What it would take to make a recorded project again. Pure. */
  recreation(state: EngineState, options: RecreationOptions): Recreation;
  createNetwork(network: RecreatedNetwork, signal: AbortSignal): Promise<void>;
  createVolume(volume: RecreatedVolume, signal: AbortSignal): Promise<void>;
  /** Created, not started. */
  createContainer(container: RecreatedContainer, signal: AbortSignal): Promise<CreatedContainer>;
  /** Into a container that was made by this restore, from the root on. */
  putFiles(container: string, tar: Bytes, signal: AbortSignal): Promise<void>;
  /** By name, with force; missing ones are no error. */
  removeContainer(name: string, signal: AbortSignal): Promise<void>;
  removeVolume(name: string, signal: AbortSignal): Promise<void>;
  removeNetwork(name: string, signal: AbortSignal): Promise<void>;
  /** Networks among these names that exist, with their ids. */
  existingNetworks(names: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
  /** `docker load`. Rejects `component-failed` with the engine's words. */
  loadImage(tar: Bytes, signal: AbortSignal): Promise<void>;
  /** Pulls `name@sha256:…` and gives it the tags. Rejects `component-failed` where no registry answers. */
  pullImage(digest: string, tags: readonly string[], signal: AbortSignal): Promise<void>;
  /** States before a restore that can still be gone back to, newest first. */
  keptRestores(project: string | null, signal: AbortSignal): Promise<readonly KeptRestore[]>;
  /** Durable once resolved. */
  keepRestore(journal: RestoreJournal, until: Date, signal: AbortSignal): Promise<void>;
  forgetRestore(id: string, signal: AbortSignal): Promise<void>;
}
