import { posix } from 'node:path';
import type { Bytes } from '../domain/byte-stream.ts';
import type { PlaceReport, RestoreRun, TreePlace } from '../domain/restore.ts';
import type { TreeTarget } from '../domain/restore-ports.ts';
import type { RawPath, TreeScan } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { renamedHeader } from '../stream/tar-rename.ts';
import { scanTar } from '../stream/tar-scanner.ts';
import { createHelper, removeHelper } from './helper-container.ts';
import { sendTar } from './send-tar.ts';
import { nameOfMount, toHelperMount, type TreeContext } from './tree-context.ts';

const FOLDER = 'mcads-target';
const BLOCK = 512;

interface Mounted extends AsyncDisposable {
  readonly id: string;
  /** Host path that is mounted (binds). */
  readonly at: string;
  /** Below it, not there yet. */
  readonly missing: string;
}

/** What can be told of a place where no helper runs: whether it is there and holds something. */
export async function probeArchivePlace(context: TreeContext, place: TreePlace, signal: AbortSignal): Promise<PlaceReport> {
  await using mounted = await mount(context, place, true, signal);
  const { missing, at } = mounted;
  const isEmpty = missing !== '' || (await holdsNothing(context, mounted.id, place, signal));
  return {
    exists: missing === '' && (place.singleFile === null || !isEmpty),
    createdFrom: missing === '' ? null : posix.join(at, missing.split('/')[0] ?? ''),
    isEmpty,
    transport: 'archive',
    swaps: false,
    freeBytes: null,
    freeInodes: null,
    filesystem: null,
    nestedMounts: [],
    repositories: [],
    readOnly: false,
  };
}

/** A place written through the engine's archive call, over what is there: works with any engine image, even an empty one. */
export async function openArchivePlace(context: TreeContext, place: TreePlace, signal: AbortSignal): Promise<TreeTarget> {
  if (context.info.podman) {
    throw new McadsError('component-failed', `${nameOfMount(place.mount)}: Podman's archive call writes elsewhere, so it is not used`, {
      hint: 'Give an image with GNU tar and find with --helper-image.',
    });
  }
  return new ArchiveTarget(context, place, await mount(context, place, false, signal));
}

class ArchiveTarget implements TreeTarget {
  readonly place: TreePlace;
  readonly transport = 'archive';
  readonly swaps = false;
  readonly #context: TreeContext;
  readonly #mounted: Mounted;

  constructor(context: TreeContext, place: TreePlace, mounted: Mounted) {
    this.#context = context;
    this.place = place;
    this.#mounted = mounted;
  }

  async stage(_run: RestoreRun, tar: Bytes, signal: AbortSignal): Promise<readonly string[]> {
    const { id, missing } = this.#mounted;
    const prefix = missing === '' ? FOLDER : `${FOLDER}/${missing}`;
    const name = nameOfMount(this.place.mount);
    const query = { path: '/', noOverwriteDirNonDir: '1' };
    try {
      await sendTar(this.#context.client, 'PUT', `/containers/${id}/archive`, query, below(prefix, tar), `writing ${name}`, signal);
    } catch (error) {
      if (!(error instanceof McadsError) || error.code !== 'engine-failed') throw error;
      throw new McadsError('component-failed', error.message, { hint: error.hint, cause: error });
    }
    return [];
  }

  scanStaged(): TreeScan {
    throw this.#cannot();
  }

  scanLive(): TreeScan {
    throw this.#cannot();
  }

  async swap(): Promise<void> {
    throw this.#cannot();
  }

  /** Nothing can be read back but by reading all of it. */
  async hash(paths: readonly RawPath[]): Promise<readonly null[]> {
    return paths.map(() => null);
  }

  async revert(): Promise<boolean> {
    return false;
  }

  async assertRevertible(): Promise<void> {
    return undefined;
  }

  async discard(): Promise<void> {
    return undefined;
  }

  async holdsReplaced(): Promise<boolean> {
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mounted[Symbol.asyncDispose]();
  }

  #cannot(): McadsError {
    return new McadsError('unexpected', `${nameOfMount(this.place.mount)}: the archive transport can only write`);
  }
}

/** Mounts the place, or the nearest folder above it that is there, in a container that is never started. */
async function mount(context: TreeContext, place: TreePlace, readOnly: boolean, signal: AbortSignal): Promise<Mounted> {
  const { client, owner, log } = context;
  const image = await context.images.empty(signal);
  const path = place.mount.type === 'bind' ? posix.normalize(place.mount.hostPath).replace(/(?<=.)\/+$/, '') : '/';
  const folder = place.singleFile === null ? path : posix.dirname(path);
  for (let at = folder; ; at = posix.dirname(at)) {
    const source = place.mount.type === 'volume' ? place.mount : { type: 'bind' as const, hostPath: at };
    const helperMount = await toHelperMount(client, source, `/${FOLDER}`, signal, readOnly);
    try {
      const id = await createHelper(client, { image, purpose: 'restore', mounts: [helperMount], owner, log }, ['never-started'], signal);
      const missing = place.mount.type === 'volume' ? '' : posix.relative(at, folder);
      return { id, at, missing, [Symbol.asyncDispose]: async () => removeHelper(client, id, log) };
    } catch (error) {
      const isMissing = error instanceof McadsError && error.message.includes('bind source path does not exist');
      if (!isMissing || place.mount.type === 'volume' || at === '/') throw error;
    }
  }
}

async function holdsNothing(context: TreeContext, id: string, place: TreePlace, signal: AbortSignal): Promise<boolean> {
  const { client } = context;
  const stop = new AbortController();
  const query = { path: place.singleFile === null ? `/${FOLDER}/.` : `/${FOLDER}/${place.singleFile}` };
  const doing = `looking into ${nameOfMount(place.mount)}`;
  try {
    const response = await client.request('GET', `/containers/${id}/archive`, { query }, doing, AbortSignal.any([signal, stop.signal]));
    try {
      for await (const event of scanTar(response))
        if (event.kind === 'member' && (place.singleFile !== null || event.member.path !== '')) return false;
      return true;
    } finally {
      stop.abort();
      response.destroy();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (place.singleFile !== null && error instanceof McadsError && error.code === 'engine-failed') return true; // it is not there
    throw error;
  }
}

/** The same members below a folder. */
async function* below(prefix: string, tar: Bytes): AsyncGenerator<Uint8Array> {
  for await (const event of scanTar(tar)) {
    if (event.kind === 'data') {
      yield event.bytes;
      continue;
    }
    const { path, type, target } = event.member;
    const name = path === '' ? prefix : `${prefix}/${path}`;
    yield renamedHeader(event.member, name, type === 'link' && target !== null ? `${prefix}/${target}` : null);
  }
  yield Buffer.alloc(2 * BLOCK);
}
