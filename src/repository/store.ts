import type { McadsError } from '../errors.ts';

/** One object of a store. Keys are relative, `/`-separated, made of `[A-Za-z0-9._-]` and snapshot names. */
export interface StoreEntry {
  readonly key: string;
  /** Present when the listing was asked for it. */
  readonly bytes: number;
  readonly modifiedMs: number;
}

export interface ListOptions {
  readonly sizes?: boolean;
  /** Only what lies in the folder itself. */
  readonly shallow?: boolean;
}

/**
 * What a repository needs of the place where it lives: objects by key, whole or not there. Shaped so that an object store can serve it:
 * no partial writes, no renames, no request per chunk. Every method rejects with `McadsError` (`store-failed`, `forbidden`).
 * `test/repository/store-conformance.ts` is the suite that every implementation passes.
 */
export interface Store extends AsyncDisposable {
  /** Printable, without credentials. */
  readonly location: string;
  /** False where nothing can be written; then only get, list and stat may be called. */
  readonly writable: boolean;
  /** Why it is not: `forbidden` or `store-failed`. */
  readonly refusal: McadsError | null;
  /** Visible whole, replacing what was there; durable too unless told otherwise. */
  put(key: string, bytes: Uint8Array, options?: { readonly durable: boolean }): Promise<void>;
  /** Like a durable put; false, with nothing changed, where the key exists. */
  putIfAbsent(key: string, bytes: Uint8Array): Promise<boolean>;
  /** Null where the key does not exist. */
  get(key: string): Promise<Buffer | null>;
  /** Files of this machine, in the order of looking, one of which holds the object where it exists: a thread reads them itself. Null where there are none. */
  filesOf(key: string): readonly string[] | null;
  /** The error of a failed attempt to read them. */
  notRead(key: string, message: string, errno: string | undefined): McadsError;
  /** All objects under a folder (`chunks/`; the empty name is the root), in pages, in no particular order. Sizes and times are 0 unless asked for. */
  list(folder: string, options?: ListOptions): AsyncIterable<readonly StoreEntry[]>;
  stat(key: string): Promise<StoreEntry | null>;
  /** Also where it does not exist. Durable after the next `flush`. */
  remove(key: string): Promise<void>;
  /** Renames a damaged object to `<key>.bad`, so that its name is free for a good one. */
  setAside(key: string): Promise<void>;
  /** Makes removals durable. */
  flush(): Promise<void>;
  /** Removes what dead runs left and no listing shows (temporary names, empty folders). Only while nobody else writes. */
  tidy(): Promise<void>;
  /** The way for many objects: staged under the run's name, visible and durable after the batch's flush. */
  openBatch(run: string): Promise<StoreBatch>;
  /** Where processes can be seen to die: a mark that vanishes with its holder. Null where the place cannot tell. */
  readonly liveness: Liveness | null;
}

/** Objects that become visible only once they are durable. Disposed: what was not flushed is gone. */
export interface StoreBatch extends AsyncDisposable {
  /** A private folder on local disk, removed with the batch. */
  readonly spoolDirectory: string;
  /** Bytes put and not yet flushed. */
  readonly stagedBytes: number;
  /** Objects put and not yet flushed. */
  readonly stagedObjects: number;
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** A path that a thread of this process may write the object to itself, instead of `put`; null where the store wants the bytes. */
  placeFor(key: string): string | null;
  /** Counts an object in that now lies whole at its place. */
  placed(key: string, bytes: number): void;
  /** The error of a failed attempt to write it there. */
  notPlaced(key: string, message: string, errno: string | undefined): McadsError;
  /** Staged objects of this batch and visible ones. Null where neither exists. */
  get(key: string): Promise<Buffer | null>;
  /** As a store's. */
  filesOf(key: string): readonly string[] | null;
  notRead(key: string, message: string, errno: string | undefined): McadsError;
  /** After it resolves, everything whose put had resolved is durable and has its name. Puts may go on meanwhile. */
  flush(): Promise<void>;
  /**
   * Takes over what dead runs left staged: an object stays when `accept` says so and goes otherwise.
   * `alive` tells the runs that still work, asked once the staged ones are known; they are left alone.
   */
  adopt(alive: () => Promise<ReadonlySet<string>>, accept: (key: string, bytes: Buffer) => Promise<boolean>): Promise<void>;
}

/** Kernel-backed signs of life under a lease id. */
export interface Liveness {
  /** Null where this place cannot hold one. Disposing, or the holder's death, ends it. */
  hold(id: string): Promise<AsyncDisposable | null>;
  /** False: the holder is certainly gone. Ask only for holders on this machine. */
  isHeld(id: string): Promise<boolean>;
  /** Same for all processes that see the same kernel; null where unknown. */
  readonly machine: string | null;
}
