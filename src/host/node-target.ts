import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, chown, lstat, lutimes, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bytes, JsonObject } from '../domain/byte-stream.ts';
import type { RestoreRun, TreePlace } from '../domain/restore.ts';
import type { TreeTarget } from '../domain/restore-ports.ts';
import type { RawPath, TreeScan } from '../domain/tree.ts';
import { McadsError, messageOf } from '../errors.ts';
import { isStagingName } from '../stream/restore-commands.ts';
import { assertNothingMounted } from '../stream/mounts-below.ts';
import { assertNothingInTheWay, awayPaths, otherFolder, PUT_BACK, stagingOf, swappedNames } from '../stream/script-target.ts';
import { planBack, planSwap, splitsOf, type Move, type SwapPlan } from '../stream/swap-plan.ts';
import { mountsIn } from './mounts.ts';
import { bytesOf, entryOf, walkTree } from './node-walk.ts';
import { utimeOf } from './node-times.ts';
import { extractTar } from './node-extract.ts';
import { checkSqlite } from './sqlite-copy.ts';
import { toRaw, toText } from '../stream/raw-path.ts';

/** What a directory was like whose children are moved. */
interface Described {
  readonly path: RawPath;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: string;
}

/** A place of this machine where GNU's programs are not: the same staging directory, plan and renames, by Node's own calls. */
export class NodeTarget implements TreeTarget {
  readonly place: TreePlace;
  readonly transport = 'node';
  readonly swaps = true;
  readonly #root: string;
  readonly #name: string;

  constructor(place: TreePlace, root: string, name: string) {
    this.place = place;
    this.#root = root;
    this.#name = name;
  }

  async stage(run: RestoreRun, tar: Bytes, signal: AbortSignal): Promise<readonly string[]> {
    const staging = this.#staging(run);
    try {
      await this.#keepingTime(async () => {
        await rm(staging, { recursive: true, force: true });
        await mkdir(staging, { mode: 0o700 });
      });
      for (const folder of ['new', 'old']) await mkdir(join(staging, folder), { mode: 0o700 });
      return await extractTar(tar, join(staging, 'new'), signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof McadsError) throw error;
      const isFull = error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
      throw new McadsError('component-failed', `${this.#name} cannot be built: ${isFull ? 'No space left on device' : messageOf(error)}`, {
        hint: isFull ? 'make room there and restore again; what was built so far is removed' : undefined,
        cause: error,
      });
    }
  }

  scanStaged(run: RestoreRun): TreeScan {
    return walkTree(join(this.#staging(run), 'new'), this.#start());
  }

  scanLive(): TreeScan {
    return walkTree(this.#root, this.#start(), ({ path }) => path.split('/').some(isStagingName));
  }

  async swap(run: RestoreRun, kept: readonly RawPath[]): Promise<void> {
    const staging = this.#staging(run);
    const splits = splitsOf(kept);
    const name = stagingOf(run, this.place);
    const folders = await this.#list([...splits.map(here), ...splits.map((path) => inside(`${name}/new`, path))]);
    const plan = planSwap({ staging: name, splits, kept, only: swappedNames(this.place), folders });
    assertNothingInTheWay(plan, name, folders, this.#name);
    assertNothingMounted(await mountsIn(this.#root), awayPaths(plan.moves), this.#name, 'swapped');
    const before = await this.#describe(this.#root, plan.splits);
    const after = plan.only === null ? await this.#describe(join(staging, 'new'), plan.described) : before;
    for (const path of plan.splits) await mkdir(bytesOf(join(staging, 'old'), path), { recursive: true, mode: 0o700 });
    await writeDurably(join(staging, 'plan'), { plan, before });
    for (const move of plan.moves) await this.#move(move);
    await this.#apply(after);
    await syncFolder(this.#root);
  }

  async hash(paths: readonly RawPath[]): Promise<readonly (string | null)[]> {
    const hashes: (string | null)[] = [];
    for (const path of paths) {
      const entry = await entryOf(this.#root, path);
      hashes.push(entry?.type === 'f' ? await hashOf(bytesOf(this.#root, path)) : null);
    }
    return hashes;
  }

  async checkDatabase(run: RestoreRun, signal: AbortSignal): Promise<JsonObject> {
    return checkSqlite(join(this.#staging(run), 'new', this.place.singleFile ?? ''), signal);
  }

  async revert(run: RestoreRun): Promise<boolean> {
    const staging = this.#staging(run);
    if ((await lstat(staging).catch(ifMissing)) === null) return false;
    const saved = await this.#saved(staging);
    if (saved !== null) {
      const { plan, before } = saved;
      const gone = `gone-${randomBytes(4).toString('hex')}`;
      const moves = await this.#movesBack(run, plan, gone);
      assertNothingMounted(await mountsIn(this.#root), awayPaths(moves), this.#name, PUT_BACK);
      for (const path of plan.splits) await mkdir(bytesOf(join(staging, gone), path), { recursive: true, mode: 0o700 });
      for (const move of moves) await this.#move(move);
      await this.#apply(before);
    }
    await this.discard(run);
    return saved !== null;
  }

  async #movesBack(run: RestoreRun, plan: SwapPlan, gone: string): Promise<readonly Move[]> {
    const name = stagingOf(run, this.place);
    const listed = [here, (path: RawPath) => inside(`${name}/old`, path), (path: RawPath) => inside(`${name}/new`, path)];
    const folders = await this.#list(plan.splits.flatMap((path) => listed.map((at) => at(path))));
    return planBack(name, plan, folders, gone);
  }

  async assertRevertible(run: RestoreRun, rootInode: string | null): Promise<void> {
    const isGone = (await lstat(this.#staging(run)).catch(ifMissing)) === null;
    if (isGone && rootInode !== null && String((await stat(this.#root, { bigint: true })).ino) !== rootInode) throw otherFolder(this.#name);
    const saved = await this.#saved(this.#staging(run));
    if (saved === null) return;
    assertNothingMounted(await mountsIn(this.#root), awayPaths(await this.#movesBack(run, saved.plan, 'gone')), this.#name, PUT_BACK);
  }

  async discard(run: RestoreRun): Promise<void> {
    assertNothingMounted(await mountsIn(this.#root), [stagingOf(run, this.place)], this.#name, 'cleared of what a restore left');
    await this.#keepingTime(async () => {
      // The plan goes first: without it nothing is ever moved back.
      await rm(join(this.#staging(run), 'plan'), { force: true });
      await rm(this.#staging(run), { recursive: true, force: true });
    });
  }

  async holdsReplaced(run: RestoreRun): Promise<boolean> {
    const saved = await this.#saved(this.#staging(run));
    return saved !== null && saved.plan.outs.some(({ names }) => names.length > 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is held between calls.
  }

  #staging(run: RestoreRun): string {
    return join(this.#root, stagingOf(run, this.place));
  }

  #start(): RawPath {
    return toRaw(this.place.singleFile ?? '');
  }

  async #saved(staging: string): Promise<{ readonly plan: SwapPlan; readonly before: readonly Described[] } | null> {
    const text = await readFile(join(staging, 'plan'), 'utf8').catch(ifMissing);
    return text === null ? null : (JSON.parse(text) as { readonly plan: SwapPlan; readonly before: readonly Described[] }); // written by swap, whole or not at all
  }

  async #list(folders: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const listed = new Map<string, readonly string[]>();
    for (const folder of folders) {
      const place = bytesOf(this.#root, folder.slice(2));
      if ((await lstat(place).catch(() => null))?.isDirectory() !== true) continue;
      listed.set(
        folder,
        (await readdir(place, { encoding: 'buffer' })).map((name) => name.toString('latin1')),
      );
    }
    return listed;
  }

  async #move({ from, to, names }: Move): Promise<void> {
    for (const name of names) {
      const target = bytesOf(this.#root, inside(to, name).slice(2));
      if ((await lstat(target).catch(() => null)) !== null) {
        throw new McadsError('component-failed', `${this.#name}: ${toText(name)} was made anew while it was moved`, {
          hint: 'something that was not stopped writes there; stop it and try again',
        });
      }
      await rename(bytesOf(this.#root, inside(from, name).slice(2)), target);
    }
  }

  async #describe(folder: string, paths: readonly RawPath[]): Promise<readonly Described[]> {
    const found: Described[] = [];
    for (const path of paths) {
      const entry = await entryOf(folder, path);
      if (entry !== null) found.push({ path, mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime: entry.mtime });
    }
    return found;
  }

  async #apply(described: readonly Described[]): Promise<void> {
    for (const { path, mode, uid, gid, mtime } of described.toReversed()) {
      const place = bytesOf(this.#root, path);
      const { uid: hasUid, gid: hasGid } = await lstat(place);
      if (hasUid !== uid || hasGid !== gid) await chown(place, uid, gid);
      await chmod(place, mode);
      await lutimes(place, utimeOf(Number(mtime)), utimeOf(Number(mtime)));
    }
  }

  async #keepingTime(work: () => Promise<void>): Promise<void> {
    const { atimeMs, mtimeMs } = await lstat(this.#root);
    await work();
    await lutimes(this.#root, utimeOf(atimeMs / 1000), utimeOf(mtimeMs / 1000));
  }
}

/** Anything else than that it is not there is no reason to go on as if it were not. */
function ifMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
  throw error;
}

function here(path: RawPath): string {
  return path === '' ? '.' : `./${path}`;
}

function inside(folder: string, path: RawPath): string {
  const base = folder === '.' || folder.startsWith('./') ? folder : `./${folder}`;
  return path === '' ? base : `${base}/${path}`.replace(/^\.\/\.\//, './');
}

async function hashOf(path: Buffer): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) hash.update(piece); // without encoding
  return hash.digest('hex');
}

async function writeDurably(path: string, value: unknown): Promise<void> {
  await writeFile(`${path}.part`, JSON.stringify(value), { mode: 0o600, flush: true });
  await rename(`${path}.part`, path);
  await syncFolder(join(path, '..'));
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path);
  await folder.sync();
}
