import type { IncomingMessage } from 'node:http';
import type { ByteStream } from '../domain/byte-stream.ts';
import type { Finding } from '../domain/finding.ts';
import type { TreeMount } from '../domain/plan.ts';
import type { TarVerdict, TreeScan, TreeSource } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { toEngineError } from './engine-errors.ts';
import { createHelper, removeHelper } from './helper-container.ts';
import { nameOfMount, toHelperMount, type TreeContext } from './tree-context.ts';

const BLOCK = 512;
const GO_DIRECTORY = 0x8000_0000;

/**
 * A tree read through the engine's archive call on a container that is created and never started: works with any engine image,
 * even an empty one, but keeps less (the finding says what), cannot scan and reads everything.
 */
export async function openArchiveTree(context: TreeContext, mount: TreeMount, purpose: string, signal: AbortSignal): Promise<TreeSource> {
  const name = nameOfMount(mount);
  if (context.info.podman) {
    throw new McadsError('component-failed', `${name}: Podman's archive call changes owners, so it is not used`, {
      hint: 'Give an image with GNU tar and find with --helper-image.',
    });
  }
  const archive = await openArchive(context, mount, purpose, signal);
  try {
    return new ArchiveTree(archive, name, await archive.isDirectory(signal));
  } catch (error) {
    await archive[Symbol.asyncDispose]();
    throw error;
  }
}

interface Archive extends AsyncDisposable {
  isDirectory(signal: AbortSignal): Promise<boolean>;
  /** The tar of everything below the source (`./…`), or below the folder that holds the single file. */
  get(isDirectory: boolean, signal: AbortSignal): Promise<IncomingMessage>;
  toError(error: unknown, signal: AbortSignal): McadsError;
}

async function openArchive(context: TreeContext, mount: TreeMount, purpose: string, signal: AbortSignal): Promise<Archive> {
  const { client, owner, log } = context;
  const name = nameOfMount(mount);
  const folder = '/mcads/source';
  const base = mount.type === 'bind' ? baseName(mount.hostPath) : 'data';
  const source = await toHelperMount(client, mount, `${folder}/${base}`, signal);
  const image = await context.images.empty(signal);
  const id = await createHelper(client, { image, purpose, mounts: [source], owner, log }, ['never-started'], signal);
  const path = mount.type === 'volume' && mount.subpath !== null ? `${source.target}/${mount.subpath}` : source.target;
  const url = `/containers/${id}/archive`;
  const doing = `reading the archive of ${name}`;
  return {
    async isDirectory(signal) {
      // GET, not HEAD: the modem cannot send one with a query. The head is enough.
      const response = await client.request('GET', url, { query: { path } }, doing, signal);
      response.destroy();
      return isDirectoryStat(response.headers['x-docker-container-path-stat']);
    },
    get: async (isDirectory, signal) =>
      client.request('GET', url, { query: { path: isDirectory ? `${path}/.` : `${folder}/.` } }, doing, signal),
    toError: (error, signal) => toEngineError(error, doing, client.endpoint, signal),
    [Symbol.asyncDispose]: async () => removeHelper(client, id, log),
  };
}

class ArchiveTree implements TreeSource {
  readonly transport = 'archive';
  readonly scans = false;
  readonly recipe = 'archive';
  readonly stableInodes = false;
  readonly clockIsOurs = false;
  readonly singleFile: boolean;
  readonly findings: readonly Finding[];
  readonly #archive: Archive;
  readonly #name: string;

  constructor(archive: Archive, name: string, isDirectory: boolean) {
    this.#archive = archive;
    this.#name = name;
    this.singleFile = !isDirectory;
    this.findings = [
      {
        severity: 'warning',
        code: 'archive-transport',
        subject: name,
        message: `${name} is read through the engine's archive call, which loses extended attributes (other than capabilities), ACLs, sockets, fractions of seconds in times and the holes of sparse files`,
        hint: 'An image with GNU tar and find keeps everything: name one with --helper-image.',
      },
    ];
  }

  /** There is nothing to flush with; nothing is reused by times either. */
  async sync(): Promise<number> {
    return Date.now() / 1000;
  }

  scan(): TreeScan {
    throw this.#noScan();
  }

  restat(): TreeScan {
    throw this.#noScan();
  }

  read(): ByteStream<TarVerdict> {
    throw this.#noScan();
  }

  readAll(signal: AbortSignal): ByteStream<TarVerdict> {
    const { promise: done, resolve, reject } = Promise.withResolvers<TarVerdict>();
    done.catch(() => undefined); // handed out for later
    const archive = this.#archive;
    const isDirectory = !this.singleFile;
    async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
      let told = false;
      try {
        const response = await archive.get(isDirectory, signal);
        yield* isDirectory ? response : withoutFirstFolder(response);
        told = true;
        resolve({ messages: [] });
      } catch (error) {
        told = true;
        const failure = archive.toError(error, signal);
        reject(failure);
        throw failure;
      } finally {
        if (!told) reject(new McadsError('component-failed', 'the archive was not read to its end'));
      }
    }
    return { body: body(), done };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#archive[Symbol.asyncDispose]();
  }

  #noScan(): McadsError {
    return new McadsError('unexpected', `${this.#name}: the archive transport cannot scan`);
  }
}

/** A single file is read as the only content of the folder that it is mounted in; that folder is none of its members. */
async function* withoutFirstFolder(body: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array, void, undefined> {
  let head: Buffer | null = Buffer.alloc(0);
  for await (const chunk of body) {
    if (head === null) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < BLOCK) continue;
    if (head.toString('latin1', 0, 3) !== './\0' || head[156] !== 0x35)
      throw new McadsError('component-failed', 'the archive does not begin with its folder');
    if (head.length > BLOCK) yield head.subarray(BLOCK);
    head = null;
  }
}

const LARGEST_FILE = 16 * 1024 * 1024;

/** A file as the engine's host sees it, null where it does not exist. Rejects `component-failed` for folders and for more than 16 MiB. */
export async function readHostFile(context: TreeContext, path: string, signal: AbortSignal): Promise<Uint8Array | null> {
  let archive: Archive;
  try {
    archive = await openArchive(context, { type: 'bind', hostPath: path }, 'file', signal);
  } catch (error) {
    if (error instanceof McadsError && error.message.includes('bind source path does not exist')) return null;
    throw error;
  }
  try {
    if (await archive.isDirectory(signal)) throw new McadsError('component-failed', `${path} is a folder, not a file`);
    const chunks: Buffer[] = [];
    let bytes = 0;
    const response = await archive.get(false, signal);
    for await (const chunk of response as AsyncIterable<Buffer>) {
      // a response without encoding yields buffers
      bytes += chunk.length;
      if (bytes > LARGEST_FILE) throw new McadsError('component-failed', `${path} is too large for a configuration file`);
      chunks.push(chunk);
    }
    return onlyFile(Buffer.concat(chunks), path);
  } catch (error) {
    throw archive.toError(error, signal);
  } finally {
    await archive[Symbol.asyncDispose]();
  }
}

/** The content of the first regular member. */
function onlyFile(tar: Buffer, path: string): Uint8Array {
  for (let at = 0; at + BLOCK <= tar.length;) {
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 136), 8) || 0;
    const type = tar[at + 156];
    const content = tar.subarray(at + BLOCK, at + BLOCK + size);
    if (type === 0x30 || type === 0) {
      if (content.length === size) return content;
      break;
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  throw new McadsError('component-failed', `${path} could not be read whole`);
}

/** The engine's stat is JSON in base64 with Go's file mode. */
function isDirectoryStat(header: string | readonly string[] | undefined): boolean {
  if (typeof header !== 'string') throw new McadsError('engine-failed', 'the engine told no stat of the path');
  const stat = JSON.parse(Buffer.from(header, 'base64').toString()) as { readonly mode?: number }; // the engine's own JSON
  return ((stat.mode ?? 0) & GO_DIRECTORY) !== 0;
}

function baseName(path: string): string {
  return path.replace(/\/+$/, '').split('/').pop() || 'root';
}
