import { randomUUID } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Bytes } from '../domain/byte-stream.ts';
import type { RawPath } from '../domain/tree.ts';
import { McadsError, messageOf } from '../errors.ts';
import { printableRaw } from './catalogue.ts';
import { TRAILER } from './tar-header.ts';
import { namedHeader } from './tar-name.ts';
import { scanTar, type TarMember } from './tar-scanner.ts';

const PIECE_BYTES = 256 * 1024;

interface Row {
  readonly path: Uint8Array;
  readonly header: Uint8Array;
  readonly at: number;
  readonly bytes: number;
  readonly target: Uint8Array | null;
}

/**
 * Puts the members of a tar into walk order, each name once (the last of several wins, as when it is extracted), hard links behind what they link to.
 * Decision: the data goes through a file and the names through an SQLite database in the spool folder, so that memory does not grow with the tree.
 */
export class TarSorter implements AsyncDisposable {
  readonly #paths: readonly [string, string];
  readonly #data: FileHandle;
  readonly #names: DatabaseSync;
  readonly #find: StatementSync;

  private constructor(paths: readonly [string, string], data: FileHandle, names: DatabaseSync) {
    this.#paths = paths;
    this.#data = data;
    this.#names = names;
    this.#find = names.prepare('SELECT path, header, at, bytes, target FROM members WHERE key = ?');
  }

  /** Rejects `store-failed` where the spool folder takes no more and `damaged` for hard links to what the tar does not hold. */
  static async of(tar: Bytes, spoolDirectory: string, signal: AbortSignal): Promise<TarSorter> {
    const id = randomUUID();
    const paths = [join(spoolDirectory, `sort-${id}.tar`), join(spoolDirectory, `sort-${id}.sqlite`)] as const;
    const data = await orStoreFailed(paths[0], () => open(paths[0], 'wx+', 0o600));
    const names = new DatabaseSync(paths[1]);
    names.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192;');
    names.exec('CREATE TABLE members (key BLOB PRIMARY KEY, path BLOB, header BLOB, at INTEGER, bytes INTEGER, target BLOB) WITHOUT ROWID');
    const sorter = new TarSorter(paths, data, names);
    try {
      await sorter.#fill(tar, signal);
      return sorter;
    } catch (error) {
      await sorter[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #fill(tar: Bytes, signal: AbortSignal): Promise<void> {
    const insert = this.#names.prepare('INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?, ?)');
    this.#names.exec('BEGIN');
    let at = 0;
    for await (const event of scanTar(tar)) {
      signal.throwIfAborted();
      if (event.kind === 'member') {
        const { path, target, type, header, storedSize } = event.member;
        // GNU tar writes a file that it was given twice as a link to itself.
        if (type === 'link' && target === path && this.#row(path) !== null) continue;
        const linkTarget = type === 'link' && target !== null ? raw(target) : null;
        const values = [keyOf(path), raw(path), header, at, storedSize, linkTarget] as const;
        await orStoreFailed(this.#paths[1], async () => insert.run(...values));
      } else at += await this.#append(event.bytes, at);
    }
    await orStoreFailed(this.#paths[1], async () => this.#names.exec('COMMIT'));
  }

  async #append(bytes: Uint8Array, position: number): Promise<number> {
    for (let done = 0; done < bytes.length;) {
      const written = await orStoreFailed(this.#paths[0], () => this.#data.write(bytes, done, bytes.length - done, position + done));
      done += written.bytesWritten;
    }
    return bytes.length;
  }

  /** The sorted tar. */
  async *tar(): AsyncGenerator<Uint8Array> {
    const moved = new Map<RawPath, RawPath>();
    for (const { path, header, at, bytes, target } of this.#names
      .prepare('SELECT path, header, at, bytes, target FROM members ORDER BY key')
      .iterate() as Iterable<unknown> as Iterable<Row>) {
      const name = text(path);
      const first = moved.get(name);
      if (first !== undefined) yield namedHeader(await this.#someLink(name, first), `./${name}`, `./${first}`);
      else if (target === null) {
        yield header;
        yield* this.#bytesAt(at, bytes);
      } else yield* this.#linkOrFile(name, await memberOf(header), moved);
    }
    yield TRAILER;
  }

  /** A link, or the file itself where the link comes first in walk order: then what had been the file becomes the link. */
  async *#linkOrFile(name: RawPath, link: TarMember, moved: Map<RawPath, RawPath>): AsyncGenerator<Uint8Array> {
    const file = this.#fileOf(link);
    const fileName = text(file.path);
    const first = moved.get(fileName) ?? (Buffer.compare(keyOf(fileName), keyOf(name)) < 0 ? fileName : null);
    if (first !== null) {
      yield namedHeader(link, `./${name}`, `./${first}`);
      return;
    }
    moved.set(fileName, name);
    yield namedHeader(await memberOf(file.header), `./${name}`, null);
    yield* this.#bytesAt(file.at, file.bytes);
  }

  #fileOf(link: TarMember): Row {
    let target = link.target ?? '';
    // Links to links: GNU tar writes none.
    for (let steps = 0; steps < 16; steps += 1) {
      const row = this.#row(target);
      if (row === null) break;
      if (row.target === null) return row;
      target = text(row.target);
    }
    throw new McadsError('damaged', `the archive holds a hard link to a file that it does not hold: ${printableRaw(link.path)}`, {
      hint: 'get another copy of it; nothing was imported',
    });
  }

  /** A link header for a file that was moved: owner, mode and time are the file's own. */
  async #someLink(name: RawPath, target: RawPath): Promise<TarMember> {
    const row = this.#row(name);
    const file = await memberOf(row?.header ?? new Uint8Array());
    const header = Buffer.from(file.header.subarray(-512));
    header.write('1', 156, 'latin1');
    header.write('00000000000\0', 124, 'latin1');
    const pax = new Map([...file.pax].filter(([key]) => key !== 'size' && !key.startsWith('GNU.sparse.')));
    return { ...file, header, type: 'link', target, pax, sparse: false };
  }

  #row(path: RawPath): Row | null {
    return (this.#find.get(keyOf(path)) as unknown as Row | undefined) ?? null; // the columns of the statement
  }

  async *#bytesAt(position: number, length: number): AsyncGenerator<Uint8Array> {
    const end = position + Math.ceil(length / 512) * 512;
    for (let at = position; at < end;) {
      const { bytesRead, buffer } = await this.#data.read(Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, end - at)), 0, undefined, at);
      if (bytesRead === 0) throw new McadsError('store-failed', `${this.#paths[0]} lost its end`);
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#names.close();
    await this.#data.close();
    await Promise.all(this.#paths.map((path) => rm(path, { force: true })));
  }
}

/** Bytes that compare as paths do in walk order: the slash is the lowest, and no name holds a NUL. */
function keyOf(path: RawPath): Buffer {
  return Buffer.from(path.replaceAll('/', '\0'), 'latin1');
}

function raw(path: RawPath): Buffer {
  return Buffer.from(path, 'latin1');
}

function text(bytes: Uint8Array): RawPath {
  return Buffer.from(bytes).toString('latin1');
}

async function memberOf(header: Uint8Array): Promise<TarMember> {
  async function* alone(): AsyncGenerator<Uint8Array> {
    yield header;
  }
  for await (const event of scanTar(alone())) if (event.kind === 'member') return event.member;
  throw new McadsError('unexpected', 'a tar header lost its member');
}

async function orStoreFailed<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new McadsError('store-failed', `${path} could not be written: ${messageOf(error)}`, {
      hint: "make room on the repository's disk",
      cause: error,
    });
  }
}
