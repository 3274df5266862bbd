import type { ByteStream } from './byte-stream.ts';
import type { Finding } from './finding.ts';

/** A path relative to the tree's root, one character per byte (latin1), no leading `./`; `''` is the root itself. Compare with `<`. */
export type RawPath = string;

/** file, directory, symlink, FIFO, block device, character device, socket */
export type EntryType = 'f' | 'd' | 'l' | 'p' | 'b' | 'c' | 's';

/** Paths one by one or, where there may be millions, by the list. */
export type RawPaths = AsyncIterable<RawPath | readonly RawPath[]>;

/** One entry as the scanner saw it. Times are `seconds.fraction` in full precision; one character per byte in `path` and `target`. */
export interface TreeEntry {
  readonly path: RawPath;
  readonly type: EntryType;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: string;
  readonly ctime: string;
  readonly device: string;
  readonly inode: string;
  readonly links: number;
  readonly target: RawPath | null;
}

/**
 * Walk order: depth first, names within a directory by raw bytes, every directory right before its content.
 * Compares as if `/` were the lowest byte.
 */
export function compareWalkOrder(a: RawPath, b: RawPath): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return (left === 0x2f ? -1 : left) - (right === 0x2f ? -1 : right);
  }
  return a.length - b.length;
}

/** `local` and `node` are this machine's own files, by GNU tar and by tar-fs. */
export type TransportName = 'pipe' | 'attach' | 'archive' | 'local' | 'node';

export type EngineTransport = Exclude<TransportName, 'local' | 'node'>;

/** Shares in contended processors and disks, 10 to 1000 where everybody else has 500; null: what the engine gives. */
export interface HelperWeights {
  readonly cpu: number | null;
  readonly io: number | null;
}

export interface OpenTreeOptions {
  /** `auto` tries pipe, attach, archive in that order. */
  readonly transport: 'auto' | EngineTransport;
  readonly helperImage: string | null;
  /** Images that the project itself has, tried as helper image last. */
  readonly projectImages: readonly string[];
  readonly weights?: HelperWeights;
}

/** A directory tree somewhere (volume, bind, host folder) that can be scanned and read as tar. */
export interface TreeSource extends AsyncDisposable {
  readonly transport: TransportName;
  /** False for the archive transport: only `readAll` works and every byte is read. */
  readonly scans: boolean;
  /** Goes into every fingerprint: transport, tar's version and options. */
  readonly recipe: string;
  /** False where inodes change by themselves (FUSE, NFS, Docker Desktop). */
  readonly stableInodes: boolean;
  /** False where the source's clock is not this machine's. */
  readonly clockIsOurs: boolean;
  /** The root is a single file, not a directory (single-file bind). */
  readonly singleFile: boolean;
  readonly findings: readonly Finding[];
  /** Flushes the source filesystem's dirty pages so that pending mmap stores move ctime. Returns when that began, seconds since 1970. */
  sync(signal: AbortSignal): Promise<number>;
  /** Every entry in walk order. Rejects through `done` when the walk was not complete. */
  scan(signal: AbortSignal): TreeScan;
  /** The same stat lines again for these paths, in the order given; vanished ones are left out. */
  restat(paths: RawPaths, signal: AbortSignal): TreeScan;
  /** Tar of exactly these paths, in order, without recursion, with trailer. Members are named `./path` (`./` is the root). */
  read(paths: RawPaths, signal: AbortSignal): ByteStream<TarVerdict>;
  /** Tar of the whole tree, members named likewise. */
  readAll(signal: AbortSignal): ByteStream<TarVerdict>;
}

export interface TreeScan {
  /**
   * As they come, a good many at a time, each to be gone through before the next: whoever handles millions waits once per batch. Read one of
   * this, `entries` and `records`.
   */
  readonly batches: AsyncIterable<Iterable<TreeEntry>>;
  /** The same, one by one. */
  readonly entries: AsyncIterable<TreeEntry>;
  /** The same, where the scanner tells an entry as bytes that can be compared. */
  readonly records?: ScanRecords;
  /** Messages of the scanner about what it could not look at; paths where known. */
  readonly done: Promise<{ readonly problems: readonly string[] }>;
}

/** A range of what a scan told: how many entries, and the hash of all that it told of them. */
export interface SeenRecords {
  readonly records: number;
  readonly hash: string;
}

/** A scan whose entries are taken one by one, or left behind by the range where it tells the same of them as an earlier one. */
export interface ScanRecords extends AsyncDisposable {
  /** Goes into every hash. Set before anything is taken. */
  setContext(context: string): void;
  /** The next entry, a promise of it where it is still to come; null at the end. Asked again only after that was settled. */
  next(): TreeEntry | null | Promise<TreeEntry | null>;
  /** The path of the next entry, which is not taken. */
  nextPath(): Promise<RawPath | null>;
  /** What was taken since the last range ended (`isLastOutside`: but for the last entry, with which the next range begins). */
  endRange(isLastOutside: boolean): SeenRecords;
  /**
   * True where the next entries are told as in that range and the one behind them has that path (null: there is none): they are left behind.
   * Otherwise all are still to come. Only between two ranges.
   */
  skip(range: SeenRecords, behind: RawPath | null): Promise<boolean>;
}

export function treeScan(batches: TreeScan['batches'], done: TreeScan['done']): TreeScan {
  async function* entries(): AsyncGenerator<TreeEntry> {
    for await (const batch of batches) yield* batch;
  }
  return { batches, entries: entries(), done };
}

export interface TarVerdict {
  /** GNU tar's own lines on stderr (status 1: some file changed or vanished). Rejected for any other status but 0, 1 and 2 with file-level errors only. */
  readonly messages: readonly string[];
}

/** A chunk: its id (SHA-256 of the plain bytes, lower-case hex) and plain length. */
export type ChunkRef = readonly [id: string, length: number];

/** A contiguous part of an artifact, the unit of change detection. */
export interface Segment {
  /** Null: not to be reused (findings, or too young to trust its times), or an artifact without change detection. */
  readonly fingerprint: string | null;
  readonly bytes: number;
  readonly chunks: readonly ChunkRef[];
  /** First path in walk order (trees only): aligns two snapshots' pages in a streaming merge. */
  readonly first?: RawPath;
  /** Parts of a catalogue only: what the scan told of its entries. Where the next scan tells the same nothing of them is looked at one by one. */
  readonly seen?: SeenPart;
}

export interface SeenPart extends SeenRecords {
  /** The youngest mtime or ctime among its entries, and the youngest ctime; seconds. */
  readonly newest: number;
  readonly newestChange: number;
}

/** Writes tars onto this machine's disk with everything that they keep; the implementation is the host's. */
export interface TarExtractor {
  /** What lies at a path, symlinks not followed; path bytes one character each. */
  stateOf(path: RawPath): Promise<'missing' | 'empty-directory' | 'directory' | 'other'>;
  /**
   * Extracts into a directory, made where it is missing. Without `overwrite` an existing file is an error; with it files are replaced and
   * directories merged. Resolves with the program's warnings.
   */
  extract(
    tar: AsyncIterable<Uint8Array>,
    directory: string,
    options: { readonly overwrite: boolean },
    signal: AbortSignal,
  ): Promise<readonly string[]>;
  /** Writes one file, private to us, and the directories above it. Without `overwrite` an existing one is an error. */
  save(bytes: AsyncIterable<Uint8Array>, path: string, options: { readonly overwrite: boolean }, signal: AbortSignal): Promise<void>;
  /** The content of the tar's files, one behind the other, holes as zeros. */
  contentOf(tar: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncIterable<Uint8Array>;
}
