import type { Stats } from 'node:fs';
import { lstat, open, readlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { constants } from 'node:fs';
import { isUtf8 } from 'node:buffer';
import { basename, dirname } from 'node:path';
import { Readable } from 'node:stream';
import * as tarFs from 'tar-fs';
import type { ByteStream } from '../domain/byte-stream.ts';
import type { Finding } from '../domain/finding.ts';
import type { RawPath, RawPaths, TarVerdict, TreeEntry, TreeScan, TreeSource } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { excludeMatcher } from '../stream/exclude-globs.ts';
import { toRaw, toText, upwards } from '../stream/raw-path.ts';
import { bytesOf, oneByOne, restatTree, walkTree } from './node-walk.ts';

const READ_BYTES = 256 * 1024;

/**
 * A directory or single file of this machine where there is no GNU tar, packed by tar-fs. Incremental like any other; what it cannot keep is
 * its finding.
 */
export async function openNodeTree(path: string, prune: readonly string[] = [], exclude: readonly string[] = []): Promise<TreeSource> {
  const info = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    throw new McadsError('component-failed', `${path} cannot be read: ${error.message}`, { cause: error });
  });
  return info.isDirectory()
    ? new NodeTree(path, path, null, prune, exclude)
    : new NodeTree(path, dirname(path), basename(path), [], exclude);
}

class NodeTree implements TreeSource {
  readonly transport = 'node';
  readonly scans = true;
  readonly recipe = 'tar-fs 3';
  readonly stableInodes = true;
  readonly clockIsOurs = true;
  readonly singleFile: boolean;
  readonly #name: string;
  readonly #folder: string;
  readonly #file: string | null;
  readonly #prune: ReadonlySet<RawPath>;
  readonly #isExcluded: (path: RawPath) => boolean;
  readonly #leftOut = new Set<string>();

  constructor(name: string, folder: string, file: string | null, prune: readonly string[], exclude: readonly string[]) {
    this.#isExcluded = excludeMatcher(exclude);
    this.#prune = new Set(prune.map((path) => toRaw(path)));
    this.#name = name;
    this.#folder = folder;
    this.#file = file;
    this.singleFile = file !== null;
  }

  get findings(): readonly Finding[] {
    const limits: Finding = {
      severity: 'warning',
      code: 'no-gnu-tar',
      subject: this.#name,
      message: `${this.#name} is packed without GNU tar: extended attributes, ACLs, FIFOs, devices and the holes of sparse files are not kept`,
      hint: 'install GNU tar, findutils and coreutils',
    };
    if (this.#leftOut.size === 0) return [limits];
    const message = `${this.#leftOut.size} FIFOs, devices, or names or link targets that are not UTF-8 are left out: ${[...this.#leftOut].slice(0, 3).join(', ')}`;
    return [limits, { severity: 'error', code: 'not-stored', subject: this.#name, message, hint: limits.hint }];
  }

  async sync(): Promise<number> {
    return Date.now() / 1000;
  }

  scan(): TreeScan {
    return walkTree(this.#folder, this.#file === null ? '' : toRaw(this.#file), (entry) => this.#isLeftOut(entry), this.#prune);
  }

  restat(paths: RawPaths): TreeScan {
    return restatTree(this.#folder, paths);
  }

  read(paths: RawPaths, signal: AbortSignal): ByteStream<TarVerdict> {
    const messages: string[] = [];
    const folder = this.#folder;
    const verdict = Promise.withResolvers<TarVerdict>();
    verdict.promise.catch(() => undefined); // handed out for later
    async function* body(): AsyncGenerator<Uint8Array> {
      const stop = new AbortController();
      const pack = tarFs.pack(folder, { entries: [], finalize: false });
      const packing = packAll(pack, folder, paths, messages, AbortSignal.any([signal, stop.signal])).catch((error: unknown) =>
        pack.destroy(error instanceof Error ? error : new Error(String(error))),
      );
      try {
        // Copies: whoever reads may give the memory back, and tar-stream's blocks are shared. It yields buffers.
        for await (const piece of pack as AsyncIterable<Buffer>) yield new Uint8Array(piece);
        await packing;
        verdict.resolve({ messages });
      } catch (error) {
        verdict.reject(error);
        throw error;
      } finally {
        stop.abort();
        pack.destroy();
        // Whoever stops reading still waits for the verdict; one that is there already stays.
        verdict.reject(new McadsError('component-failed', `${folder} was not read to its end`));
      }
    }
    return { body: body(), done: verdict.promise };
  }

  readAll(signal: AbortSignal): ByteStream<TarVerdict> {
    const { entries } = this.scan();
    async function* paths(): AsyncGenerator<RawPath> {
      for await (const entry of entries) if (entry.type !== 's') yield entry.path;
    }
    return this.read(paths(), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is held between calls.
  }

  #isLeftOut({ path, type, target }: TreeEntry): boolean {
    const isKept = 'fdls'.includes(type) && isUtf8(Buffer.from(path, 'latin1')) && isUtf8(Buffer.from(target ?? '', 'latin1'));
    // What nobody wants is not missing.
    if (!isKept && !upwards(path).some(this.#isExcluded)) this.#leftOut.add(JSON.stringify(toText(path)));
    return !isKept;
  }
}

type Pack = ReturnType<typeof tarFs.pack>;

/** One entry at a time into one archive, each opened before its header is written: what vanishes or may not be read is told, and nothing else is lost. */
async function packAll(pack: Pack, folder: string, paths: RawPaths, messages: string[], signal: AbortSignal): Promise<void> {
  for await (const path of oneByOne(paths)) {
    signal.throwIfAborted();
    let opened: Opened;
    try {
      opened = await openEntry(folder, path);
    } catch (error) {
      messages.push(`tar: ./${quoted(path)}: Cannot open: ${error instanceof Error ? error.message : String(error)}`);
      continue;
    }
    try {
      await packOne(pack, folder, path, opened);
    } finally {
      await opened.handle?.close();
    }
  }
  pack.finalize();
}

interface Opened {
  readonly info: Stats;
  readonly mtime: string;
  readonly handle: FileHandle | null;
  readonly target: string | null;
}

async function openEntry(folder: string, path: RawPath): Promise<Opened> {
  const place = bytesOf(folder, path);
  const seen = await lstat(place);
  if (!seen.isFile()) {
    const target = seen.isSymbolicLink() ? (await readlink(place, { encoding: 'buffer' })).toString('utf8') : null;
    return { info: seen, mtime: timeOf((await lstat(place, { bigint: true })).mtimeNs), handle: null, target };
  }
  const handle = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const exact = await handle.stat({ bigint: true });
  return { info: await handle.stat(), mtime: timeOf(exact.mtimeNs), handle, target: null };
}

function timeOf(ns: bigint): string {
  const whole = ns / 1_000_000_000n;
  return ns < 0n ? String(whole) : `${whole}.${String(ns % 1_000_000_000n).padStart(9, '0')}`;
}

async function packOne(pack: Pack, folder: string, path: RawPath, { info, mtime, handle, target }: Opened): Promise<void> {
  const name = toText(path);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onClose = (): void => reject(new Error('nobody reads any more'));
  pack.once('error', reject).once('close', onClose);
  try {
    tarFs.pack(folder, {
      entries: [`./${name}`],
      pack,
      finalize: false,
      umask: 0,
      finish: () => resolve(),
      map: (header) => {
        const { uid, gid } = header;
        // Numbers that a plain header has no room for.
        const pax = { mtime, ...(uid > 0o7777777 ? { uid: String(uid) } : {}), ...(gid > 0o7777777 ? { gid: String(gid) } : {}) };
        // tar-stream writes a plain header's seconds in 31 bits; the record above has them all.
        return Object.assign(header, { pax, mtime: new Date(Math.min(Math.max(0, info.mtimeMs), 0x7fff_ffff * 1000)) });
      },
      fs: {
        lstat: (_: string, done: (error: null, stats: Stats) => void) => done(null, info),
        readdir: (_: string, done: (error: null, names: readonly string[]) => void) => done(null, []),
        readlink: (_: string, done: (error: null, target: string) => void) => done(null, target ?? ''),
        createReadStream: () => Readable.from(exactly(handle, info.size), { objectMode: false }),
      },
    } as Parameters<typeof tarFs.pack>[1]); // its types do not know of `fs` and `pack`
    await promise;
  } finally {
    pack.off('error', reject).off('close', onClose);
  }
}

/** As many bytes as the header says, whatever became of the file: zeros where it shrank, like GNU tar. */
async function* exactly(handle: FileHandle | null, size: number): AsyncGenerator<Buffer> {
  let at = 0;
  while (at < size) {
    const wanted = Math.min(READ_BYTES, size - at);
    const buffer = Buffer.alloc(wanted);
    const bytesRead = handle === null ? 0 : (await handle.read(buffer, 0, wanted, at)).bytesRead;
    const piece = bytesRead === 0 ? buffer : buffer.subarray(0, bytesRead);
    at += piece.length;
    yield piece;
  }
}

/** As GNU tar's `--quoting-style=escape` would write it. */
function quoted(path: RawPath): string {
  return path.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
