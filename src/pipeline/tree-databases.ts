import type { SnapshotWriter } from '../domain/ports.ts';
import { compareWalkOrder, type ChunkRef, type RawPath, type TreeEntry } from '../domain/tree.ts';
import { printableRaw } from '../stream/catalogue.ts';
import { detached } from '../stream/raw-path.ts';
import { TRAILER } from '../stream/tar-header.ts';
import { scanTar } from '../stream/tar-scanner.ts';

export interface SeenDatabase {
  readonly engine: string;
  readonly path: string;
}

/** What only one engine makes, by its name or names in the database's folder. */
const MARKS: ReadonlyMap<string, { readonly type: 'f' | 'd'; readonly engine: string }> = new Map([
  ['ibdata1', { type: 'f', engine: 'mysql' }],
  ['mysql.ibd', { type: 'f', engine: 'mysql' }],
  ['WiredTiger', { type: 'f', engine: 'mongodb' }],
  ['dump.rdb', { type: 'f', engine: 'redis' }],
  ['appendonly.aof', { type: 'f', engine: 'redis' }],
  ['appendonlydir', { type: 'd', engine: 'redis' }],
]);
const CLUSTER_MARK = 'PG_VERSION';
const CLUSTER_CONTROL = 'global/pg_control';
/** What those names begin with: millions of others are not even cut out of their path. */
const INITIALS: ReadonlySet<number> = new Set(
  [...MARKS.keys(), CLUSTER_MARK, CLUSTER_CONTROL.slice(CLUSTER_CONTROL.indexOf('/') + 1)].map((name) => name.charCodeAt(0)),
);
const SQLITE_LOGS = ['-wal', '-journal'];
/** Names that are told of, for whoever remembers that nothing was to be told of some. */
export const WATCHED_NAMES: readonly string[] = [...MARKS.keys(), CLUSTER_MARK, CLUSTER_CONTROL, ...SQLITE_LOGS];
const SQLITE_MAGIC = Buffer.from('SQLite format 3\0', 'latin1');
const MOST = 100;

/**
 * Recognises databases that may be in use among entries in walk order. By names, because unchanged files are not read; but SQLite: a log with
 * content (`-wal`, `-journal`) beside a file makes that a suspect (a database that is closed leaves none), and its first bytes decide.
 */
export class DatabaseWatch {
  readonly #seen = new Map<string, SeenDatabase>();
  readonly #clusters = new Set<RawPath>();
  readonly #suspects = new Set<RawPath>();
  readonly #confirmed = new Set<RawPath>();
  /** The suspects in walk order. */
  #sorted: readonly RawPath[] = [];
  /** Files whose path the current one begins with; each begins with the one before it. */
  readonly #prefixes: RawPath[] = [];
  /** What lies before it may not have been shown. */
  #unseenBefore: RawPath | null = null;

  /** True where the entry says something of a database, alone or with others. */
  see({ path, type, size }: Pick<TreeEntry, 'path' | 'type' | 'size'>): boolean {
    const nameAt = path.lastIndexOf('/') + 1;
    const isMark = INITIALS.has(path.charCodeAt(nameAt)) && this.#seeName(path, path.slice(nameAt), type);
    if (type !== 'f') return isMark;
    for (let last = this.#prefixes.at(-1); last !== undefined && !path.startsWith(last); last = this.#prefixes.at(-1)) this.#prefixes.pop();
    const log = size > 0 ? SQLITE_LOGS.find((suffix) => path.endsWith(suffix)) : undefined;
    const base = log === undefined ? undefined : path.slice(0, -log.length);
    // What was not shown may be there: whoever looks for it will find out.
    if (base !== undefined && (this.#prefixes.includes(base) || this.#isUnseen(base))) this.#suspects.add(detached(base));
    this.#prefixes.push(path);
    return isMark || log !== undefined;
  }

  /** Entries that say nothing of a database by themselves are not shown, up to the ones before that path. */
  passOver(end: RawPath): void {
    this.#unseenBefore = end;
  }

  #isUnseen(path: RawPath): boolean {
    return this.#unseenBefore !== null && compareWalkOrder(path, this.#unseenBefore) < 0;
  }

  #seeName(path: RawPath, name: string, type: TreeEntry['type']): boolean {
    const mark = MARKS.get(name);
    if (mark?.type === type) this.#add(mark.engine, folderOf(path, name));
    if (type !== 'f') return mark?.type === type;
    if (name === CLUSTER_MARK) this.#clusters.add(detached(folderOf(path, CLUSTER_MARK)));
    const isControl = isNamed(path, CLUSTER_CONTROL);
    // Walk order: the mark comes before it.
    if (isControl && this.#clusters.has(folderOf(path, CLUSTER_CONTROL))) this.#add('postgres', folderOf(path, CLUSTER_CONTROL));
    return mark?.type === type || name === CLUSTER_MARK || isControl;
  }

  /** The suspects between two paths in walk order, both included. */
  suspectsIn(first: RawPath, last: RawPath): readonly RawPath[] {
    if (this.#suspects.size === 0) return [];
    if (this.#sorted.length !== this.#suspects.size) this.#sorted = [...this.#suspects].sort(compareWalkOrder);
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareWalkOrder(this.#sorted[middle] ?? '', first) < 0) low = middle + 1;
      else high = middle;
    }
    let end = low;
    while (end < this.#sorted.length && compareWalkOrder(this.#sorted[end] ?? '', last) <= 0) end += 1;
    return this.#sorted.slice(low, end);
  }

  isSuspect(path: RawPath): boolean {
    return this.#suspects.has(path);
  }

  /** Tells that the file begins as SQLite's do, or that it cannot be told. */
  confirm(path: RawPath): void {
    this.#confirmed.add(path);
  }

  list(): readonly SeenDatabase[] {
    for (const path of this.#suspects) if (this.#confirmed.has(path)) this.#add('sqlite', path);
    return [...this.#seen.values()];
  }

  #add(engine: string, path: RawPath): void {
    if (this.#seen.size < MOST) this.#seen.set(`${engine} ${path}`, { engine, path: printableRaw(path) });
  }
}

export function isSqlite(bytes: Uint8Array): boolean {
  return SQLITE_MAGIC.equals(bytes.subarray(0, SQLITE_MAGIC.length));
}

interface StoredMembers {
  readonly members: readonly { readonly path: RawPath; readonly link: RawPath | null }[];
  readonly chunks: readonly ChunkRef[];
}

/** Looks into what is stored of a segment's suspects; reads no further than their first bytes. */
export async function confirmStored(watch: DatabaseWatch, { members, chunks }: StoredMembers, writer: SnapshotWriter): Promise<void> {
  const suspects = new Set<RawPath>();
  for (const { path, link } of members) {
    if (!watch.isSuspect(path)) continue;
    // Its bytes lie under another name.
    if (link !== null) watch.confirm(path);
    else suspects.add(path);
  }
  if (suspects.size === 0) return;
  let path: RawPath | null = null;
  async function* tar(): AsyncGenerator<Uint8Array> {
    yield* writer.readChunks(chunks);
    yield TRAILER;
  }
  for await (const event of scanTar(tar())) {
    if (event.kind === 'member') {
      if (path !== null && suspects.delete(path) && suspects.size === 0) return;
      path = suspects.has(event.member.path) ? event.member.path : null;
      if (path === null || !event.member.sparse) continue;
      // A map of its holes comes first.
      watch.confirm(path);
    } else if (path !== null) {
      if (isSqlite(event.bytes)) watch.confirm(path);
      suspects.delete(path);
      path = null;
      if (suspects.size === 0) return;
    }
  }
}

function isNamed(path: RawPath, name: string): boolean {
  return path === name || path.endsWith(`/${name}`);
}

function folderOf(path: RawPath, name: string): RawPath {
  return path.slice(0, -name.length).replace(/\/$/, '');
}
