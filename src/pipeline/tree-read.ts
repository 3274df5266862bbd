import { createHash } from 'node:crypto';
import type { SnapshotWriter } from '../domain/ports.ts';
import type { ChunkRef, RawPath, RawPaths, TreeSource } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { pathOfMessage } from '../stream/stat-lines.ts';
import { SegmentCutter } from '../stream/segmenter.ts';
import { encodeLinkMember } from '../stream/tar-header.ts';
import { TarReader, type TarMember } from '../stream/tar-scanner.ts';
import { SegmentAssembler, type StoredSegment } from './segment-assembler.ts';
import type { AsRead } from './tree-catalogue.ts';
import type { PlannedSegment } from './tree-plan.ts';

/**
 * GNU tar 1.34 keeps about 100 bytes of every name that it was given until it ends: one of ten million names took 1 GB, so that many names are read by
 * one tar after the other. A start costs a tenth of a second in a container.
 */
const NAMES_A_TAR = 250_000;

/** What reading made of a planned segment. */
export interface ReadSegment {
  readonly index: number;
  readonly bytes: number;
  readonly storedBytes: number;
  readonly chunks: readonly ChunkRef[];
  /** Members that tar did not deliver: vanished, or not readable. */
  readonly missing: readonly RawPath[];
  /** Digests of the first bytes of members, for those that were asked for. */
  readonly prefixes?: Readonly<Record<RawPath, string>>;
  /** Files that were not as long, or as old, as planned. */
  readonly asRead?: Readonly<Record<RawPath, AsRead>>;
}

export interface ReadOptions {
  /** Bytes read from the source so far. */
  readonly onBytes: (bytes: number) => void;
  /** Length of the prefix of a member to digest. */
  readonly prefixOf?: (path: RawPath) => number | undefined;
  /** Names that one tar process gets; `NAMES_A_TAR` unless told. */
  readonly namesATar?: number;
}

/**
 * Reads segments through tar and stores them. `planned` is pulled as fast as tar takes names; `onRead` gets every segment in
 * order. Resolves with tar's messages by path; rejects where tar's stream is not whole. Starts nothing where no segment comes.
 */
export async function readSegments(
  source: TreeSource,
  writer: SnapshotWriter,
  planned: AsyncIterable<PlannedSegment>,
  onRead: (segment: ReadSegment) => Promise<void>,
  options: ReadOptions,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const reader = new SegmentReader(writer, onRead, options);
  const names = new NameQueue(namesOf(planned, reader.expected));
  const most = options.namesATar ?? NAMES_A_TAR;
  const messages: string[] = [];
  try {
    for (let first = await names.take(most); first !== null; first = await names.take(most)) {
      const some = names.startingWith(first, most);
      // One by one: a tree that may not be read has more of them than a call takes arguments.
      for (const message of await readOnce(source, some, reader, signal)) messages.push(message);
    }
    await reader.finish();
    return messages;
  } finally {
    names.stop();
  }
}

/** One tar process from its start to its verdict. */
async function readOnce(source: TreeSource, names: RawPaths, reader: SegmentReader, signal: AbortSignal): Promise<readonly string[]> {
  const stop = new AbortController();
  const stream = source.read(names, AbortSignal.any([signal, stop.signal]));
  stream.done.catch(() => undefined); // awaited below
  try {
    await using tar = new TarReader(stream.body, { recycles: true });
    for (;;) {
      const next = tar.next();
      const event = next instanceof Promise ? await next : next;
      if (event === null) break;
      const storing = event.kind === 'member' ? reader.member(event.member) : reader.data(event.bytes);
      if (storing !== null) await storing;
    }
    return (await stream.done).messages;
  } catch (error) {
    stop.abort();
    signal.throwIfAborted();
    // tar's own verdict says more than a stream that ended too early.
    if (!(error instanceof McadsError)) await stream.done;
    throw error;
  }
}

/** The names that tar gets; every segment is put on the list of expectations before its first name is handed out. */
async function* namesOf(planned: AsyncIterable<PlannedSegment>, expected: PlannedSegment[]): AsyncGenerator<readonly RawPath[]> {
  for await (const segment of planned) {
    expected.push(segment);
    const names = segment.members.filter(({ link }) => link === null).map(({ path }) => path);
    if (names.length > 0) yield names;
  }
}

/** Hands out names, by the list, and never more than are asked for. */
class NameQueue {
  readonly #source: AsyncGenerator<readonly RawPath[]>;
  #waiting: readonly RawPath[] = [];

  constructor(source: AsyncGenerator<readonly RawPath[]>) {
    this.#source = source;
  }

  /** Null where there are no more. */
  async take(most: number): Promise<readonly RawPath[] | null> {
    if (this.#waiting.length === 0) {
      const next = await this.#source.next();
      if (next.done === true) return null;
      this.#waiting = next.value;
    }
    const taken = this.#waiting.slice(0, most);
    this.#waiting = this.#waiting.slice(most);
    return taken;
  }

  /** The first ones and those behind them, `most` in all. */
  async *startingWith(first: readonly RawPath[], most: number): AsyncGenerator<readonly RawPath[]> {
    yield first;
    for (let left = most - first.length; left > 0;) {
      const some = await this.take(left);
      if (some === null) return;
      left -= some.length;
      yield some;
    }
  }

  /** Whoever lists the files stops too. Not waited for: a name may be on its way. */
  stop(): void {
    this.#source.return(undefined).catch(() => undefined);
  }
}

class SegmentReader {
  readonly expected: PlannedSegment[] = [];
  readonly #assembler: SegmentAssembler;
  readonly #onRead: (segment: ReadSegment) => Promise<void>;
  readonly #options: ReadOptions;
  #segment: PlannedSegment | null = null;
  #next = 0;
  #missing: RawPath[] = [];
  #prefixes: Record<RawPath, string> = {};
  #asRead: Record<RawPath, AsRead> = {};
  #isCut = false;
  #digest: { readonly path: RawPath; readonly hash: ReturnType<typeof createHash>; left: number } | null = null;
  #bytes = 0;
  #tail: Promise<void> = Promise.resolve();

  constructor(writer: SnapshotWriter, onRead: (segment: ReadSegment) => Promise<void>, options: ReadOptions) {
    this.#assembler = new SegmentAssembler(writer);
    this.#onRead = onRead;
    this.#options = options;
  }

  /** Null where nothing has to be waited for: the next member of the running segment, and not a large one. */
  member(member: TarMember): Promise<void> | null {
    this.#endDigest();
    const isNext = this.#segment?.members[this.#next]?.path === member.path;
    return isNext ? this.#begin(member) : this.#beginFurtherOn(member);
  }

  async #beginFurtherOn(member: TarMember): Promise<void> {
    await this.#advanceTo(member.path);
    await this.#begin(member);
  }

  #begin(member: TarMember): Promise<void> | null {
    const planned = this.#segment?.members[this.#next];
    this.#next += 1;
    if (planned?.type === 'f' && (planned.size !== member.size || !isSameTime(planned.mtime, member.mtime)))
      this.#asRead[member.path] = { size: member.size, mtime: member.mtime };
    this.#isCut = planned !== undefined && SegmentCutter.isLarge(planned, false) && member.storedSize > 0;
    const prefix = this.#options.prefixOf?.(member.path);
    if (prefix !== undefined && !member.sparse && member.storedSize >= prefix)
      this.#digest = { path: member.path, hash: createHash('sha256'), left: prefix };
    this.#bytes += member.header.length;
    this.#options.onBytes(this.#bytes);
    // Headers of a large file are a chunk of their own: touching it does not store its data again.
    if (this.#isCut) return this.#assembler.gather(member.header).then(() => this.#assembler.flush());
    return this.#gather(member.header);
  }

  /** Null where nothing has to be waited for. */
  data(bytes: Uint8Array): Promise<void> | null {
    if (this.#digest !== null && this.#digest.left > 0) {
      const part = bytes.subarray(0, this.#digest.left);
      this.#digest.hash.update(part);
      this.#digest.left -= part.length;
    }
    this.#bytes += bytes.length;
    this.#options.onBytes(this.#bytes);
    return this.#isCut ? this.#assembler.cut(bytes) : this.#gather(bytes);
  }

  #gather(bytes: Uint8Array): Promise<void> | null {
    return this.#assembler.keep(bytes) ? null : this.#assembler.gather(bytes);
  }

  async finish(): Promise<void> {
    this.#endDigest();
    for (;;) {
      await this.#skipTo(null);
      if (this.#segment !== null) await this.#endSegment();
      if (!this.#nextSegment()) break;
    }
    await this.#tail;
  }

  /** Moves to the member of that name; those passed over are links to write, or missing. */
  async #advanceTo(path: RawPath): Promise<void> {
    for (;;) {
      if (await this.#skipTo(path)) return;
      if (this.#segment !== null) await this.#endSegment();
      if (!this.#nextSegment())
        throw new McadsError('component-failed', `tar delivered a file that it was not asked for: ${JSON.stringify(path)}`);
    }
  }

  async #skipTo(path: RawPath | null): Promise<boolean> {
    const members = this.#segment?.members ?? [];
    for (; this.#next < members.length; this.#next += 1) {
      const member = members[this.#next];
      if (member === undefined || member.path === path) return true;
      if (member.link === null) this.#missing.push(member.path);
      else await this.#assembler.gather(encodeLinkMember(member, member.link));
    }
    return false;
  }

  #nextSegment(): boolean {
    this.#segment = this.expected.shift() ?? null;
    this.#next = 0;
    this.#missing = [];
    this.#prefixes = {};
    this.#asRead = {};
    return this.#segment !== null;
  }

  /** Segments are handed on in order, while the chunks of the next ones are already being made. */
  async #endSegment(): Promise<void> {
    const index = this.#segment?.index ?? 0;
    const missing = this.#missing;
    const noted = {
      ...(Object.keys(this.#prefixes).length === 0 ? {} : { prefixes: this.#prefixes }),
      ...(Object.keys(this.#asRead).length === 0 ? {} : { asRead: this.#asRead }),
    };
    const [stored] = await this.#assembler.end();
    const before = this.#tail;
    const handOn = async (): Promise<void> => {
      await before;
      const segment: StoredSegment = (await stored) ?? { bytes: 0, storedBytes: 0, chunks: [] };
      await this.#onRead({ ...segment, index, missing, ...noted });
    };
    this.#tail = handOn();
    this.#tail.catch(() => undefined); // thrown by finish, and by the writer's next call
  }

  #endDigest(): void {
    if (this.#digest !== null && this.#digest.left === 0) this.#prefixes[this.#digest.path] = this.#digest.hash.digest('hex');
    this.#digest = null;
  }
}

/** find writes all nine digits of the fraction, tar none that it does not need. */
function isSameTime(scanned: string, read: string): boolean {
  return scanned === read || (scanned.startsWith(read) && /^\.?0*$/.test(scanned.slice(read.length)));
}

/** Messages by the path that they are about; those about no path under null. */
export function messagesByPath(messages: readonly string[]): ReadonlyMap<RawPath | null, string> {
  return new Map(messages.map((message) => [pathOfMessage(message), message]));
}
