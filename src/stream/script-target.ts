import { createHash, randomBytes } from 'node:crypto';
import type { Bytes } from '../domain/byte-stream.ts';
import type { ExecHandle } from '../domain/ports.ts';
import type { RestoreRun, TreePlace } from '../domain/restore.ts';
import type { TreeTarget } from '../domain/restore-ports.ts';
import { treeScan, type RawPath, type TreeEntry, type TreeScan } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import {
  APPLY_SPLITS,
  COMMIT_PLAN,
  FLUSH,
  HASH_FILES,
  KEEP_SINCE,
  isStagingName,
  LIST_FOLDERS,
  MAKE_FOLDERS,
  MOUNTS,
  MOVE,
  PREPARE_SWAP,
  READ_PLAN,
  REMOVE_STAGING,
  ROOT_INODE,
  SAVE_SPLITS,
  STAGE,
  stagingName,
} from './restore-commands.ts';
import { givenBack } from './release-buffer.ts';
import { toTreeScan } from './stat-lines.ts';
import { scanScript } from './tree-commands.ts';
import { inTheWay, parseFolders, planBack, planSwap, splitsOf, type Move, type SwapPlan } from './swap-plan.ts';
import { assertNothingMounted, mountsBelow } from './mounts-below.ts';
import { toRaw, toText } from './raw-path.ts';

const SAVED_OLD = 'meta-old.tar';
const SAVED_NEW = 'meta-new.tar';
export const PUT_BACK = 'put back';
const BATCH_BYTES = 64 * 1024;
const FLUSHED_BYTES = 256 * 1024 * 1024;

/** Runs a shell script with its arguments where the place is. Of `input` every piece is used up when the next is asked for. */
export interface ScriptRunner extends AsyncDisposable {
  run(argv: readonly string[], input: Bytes | undefined, signal: AbortSignal): Promise<ExecHandle>;
}

export interface ScriptPlace {
  readonly place: TreePlace;
  readonly transport: TreeTarget['transport'];
  /** The tree's root as the scripts see it. */
  readonly root: string;
  /** For people. */
  readonly name: string;
  /** Folders below that a scan does not enter, relative. */
  readonly prune?: readonly string[];
}

/** A place where GNU's programs are, in a helper container or on this machine. Takes the runner over. */
export class ScriptTarget implements TreeTarget {
  readonly place: TreePlace;
  readonly transport: TreeTarget['transport'];
  readonly swaps = true;
  readonly #runner: ScriptRunner;
  readonly #root: string;
  readonly #name: string;
  readonly #prune: readonly string[];

  constructor(runner: ScriptRunner, { place, transport, root, name, prune = [] }: ScriptPlace) {
    this.#runner = runner;
    this.place = place;
    this.transport = transport;
    this.#root = root;
    this.#name = name;
    this.#prune = prune;
  }

  async stage(run: RestoreRun, tar: Bytes, signal: AbortSignal): Promise<readonly string[]> {
    const flushes = new Flushes(async () => this.#do(FLUSH, [], signal));
    const staging = this.#run(STAGE, [stagingOf(run, this.place)], signal, flushes.during(givenBack(tar))).then(utf8Of);
    // Whatever became of tar: nothing runs there any more when this is told.
    const [ended, flushed] = await Promise.allSettled([staging, staging.catch(() => undefined).then(async () => flushes.last)]);
    if (ended.status === 'rejected') throw ended.reason;
    const { code, stderr } = ended.value;
    const words = linesOf(stderr);
    if (code === 0 && flushed.status === 'rejected') throw flushed.reason;
    if (code === 0) return words;
    // Where the last write went half through, GNU tar tells only that.
    const full = /No space left on device|Disk quota exceeded|Wrote only \d+ of \d+ bytes/
      .exec(stderr)?.[0]
      .replace(/^Wrote only .*/, 'No space left on device');
    throw new McadsError(
      'component-failed',
      `${this.#name} cannot be built: ${full ?? (words.slice(0, 3).join('; ') || `tar ended with ${code}`)}`,
      {
        hint: full === undefined ? undefined : 'make room there and restore again; what was built so far is removed',
      },
    );
  }

  scanStaged(run: RestoreRun, signal: AbortSignal): TreeScan {
    return this.#scan(`${this.#root}/${stagingOf(run, this.place)}/new`, signal);
  }

  scanLive(signal: AbortSignal): TreeScan {
    const scan = this.#scan(this.#root, signal);
    return treeScan(withoutStaging(scan.batches), scan.done);
  }

  async swap(run: RestoreRun, kept: readonly RawPath[], signal: AbortSignal): Promise<void> {
    const staging = stagingOf(run, this.place);
    const only = swappedNames(this.place);
    const splits = splitsOf(kept);
    const folders = await this.#list([...splits.map(here), ...splits.map((path) => inside(`${staging}/new`, path))], signal);
    const plan = planSwap({ staging, splits, kept, only, folders });
    assertNothingInTheWay(plan, staging, folders, this.#name);
    assertNothingMounted(await this.#mounts(signal), awayPaths(plan.moves), this.#name, 'swapped');
    await this.#do(PREPARE_SWAP, [staging], signal, [Buffer.from(JSON.stringify(plan), 'utf8')]);
    await this.#do(MAKE_FOLDERS, [staging], signal, names(plan.splits.map((path) => (path === '' ? 'old' : `old/${path}`))));
    await this.#do(SAVE_SPLITS, [staging, SAVED_OLD, '.'], signal, names(plan.splits.map(here)));
    // A folder of which only some names are swapped is not the snapshot's: it stays as it is.
    const [source, described] = only === null ? [`${staging}/new`, plan.described] : ['.', plan.splits];
    await this.#do(SAVE_SPLITS, [staging, SAVED_NEW, source], signal, names(described.map(here)));
    await this.#do(COMMIT_PLAN, [staging], signal);
    for (const move of plan.moves) await this.#move(move, signal);
    await this.#assertMoved(
      plan.moves.filter(({ isOut }) => !isOut),
      'swapped',
      signal,
    );
    await this.#do(APPLY_SPLITS, [staging, SAVED_NEW], signal);
  }

  async hash(paths: readonly RawPath[], signal: AbortSignal): Promise<readonly (string | null)[]> {
    const handle = await this.#run(HASH_FILES, [], signal, stream(names(paths.map(here))));
    const { text } = await latin1Of(handle);
    const hashes = new Map<string, string>();
    for (const record of text.split('\0')) {
      const found = /^([0-9a-f]{64}) [ *]\.\/([^]*)$/.exec(record);
      if (found?.[1] !== undefined && found[2] !== undefined) hashes.set(found[2], found[1]);
    }
    return paths.map((path) => hashes.get(path) ?? null);
  }

  async revert(run: RestoreRun, signal: AbortSignal, keptSince?: (folder: string) => void): Promise<boolean> {
    const staging = stagingOf(run, this.place);
    const found = await this.#plan(staging, signal);
    if (found === 'no staging') return false;
    const gone = found === 'no plan' ? null : await this.#moveBack(staging, found, signal);
    if (gone !== null && keptSince !== undefined) {
      const { text, code, stderr } = await utf8Of(await this.#run(KEEP_SINCE, [staging, gone, `${staging}-since`], signal));
      if (code !== 0) throw new McadsError('component-failed', `${this.#name}: what was written since cannot be kept: ${stderr.trim()}`);
      if (text !== '') keptSince(text);
    }
    await this.#remove(staging, signal);
    return found !== 'no plan';
  }

  async discard(run: RestoreRun, signal: AbortSignal): Promise<void> {
    await this.#remove(stagingOf(run, this.place), signal);
  }

  async assertRevertible(run: RestoreRun, rootInode: string | null, signal: AbortSignal): Promise<void> {
    const staging = stagingOf(run, this.place);
    const found = await this.#plan(staging, signal);
    if (found === 'no staging' && rootInode !== null) {
      const { text } = await utf8Of(await this.#run(ROOT_INODE, [], signal));
      if (text.trim() !== rootInode) throw otherFolder(this.#name);
    }
    if (typeof found === 'string') return;
    assertNothingMounted(
      await this.#mounts(signal),
      awayPaths(await this.#movesBack(staging, found, 'gone', signal)),
      this.#name,
      PUT_BACK,
    );
  }

  async holdsReplaced(run: RestoreRun, signal: AbortSignal): Promise<boolean> {
    const plan = await this.#plan(stagingOf(run, this.place), signal);
    return typeof plan !== 'string' && plan.outs.some(({ names: out }) => out.length > 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#runner[Symbol.asyncDispose]();
  }

  async #movesBack(staging: string, plan: SwapPlan, gone: string, signal: AbortSignal): Promise<readonly Move[]> {
    const saved = plan.splits.map((path) => inside(`${staging}/old`, path));
    const folders = await this.#list(
      [...plan.splits.map(here), ...saved, ...plan.splits.map((path) => inside(`${staging}/new`, path))],
      signal,
    );
    return planBack(staging, plan, folders, gone);
  }

  /** Resolves with the folder of the staging directory that holds what came after the swap; null where nothing was moved. */
  async #moveBack(staging: string, plan: SwapPlan, signal: AbortSignal): Promise<string | null> {
    // What came after the swap goes where the new things are: into the staging directory, and with it. A folder of its own for every attempt: nothing may be in the way.
    const gone = `gone-${randomBytes(4).toString('hex')}`;
    const moves = await this.#movesBack(staging, plan, gone, signal);
    if (moves.length === 0) return null;
    assertNothingMounted(await this.#mounts(signal), awayPaths(moves), this.#name, PUT_BACK);
    await this.#do(MAKE_FOLDERS, [staging], signal, names(plan.splits.map((path) => (path === '' ? gone : `${gone}/${path}`))));
    for (const move of moves) await this.#move(move, signal);
    await this.#assertMoved(
      moves.filter(({ isOut }) => !isOut),
      'put back',
      signal,
    );
    await this.#do(APPLY_SPLITS, [staging, SAVED_OLD], signal);
    return gone;
  }

  async #remove(staging: string, signal: AbortSignal): Promise<void> {
    assertNothingMounted(await this.#mounts(signal), [staging], this.#name, 'cleared of what a restore left');
    await this.#do(REMOVE_STAGING, [staging], signal);
  }

  async #mounts(signal: AbortSignal): Promise<readonly RawPath[]> {
    const { text } = await latin1Of(await this.#run(MOUNTS, [], signal));
    const [root = '', mountinfo = ''] = text.split('\0');
    return mountsBelow(mountinfo.split('\n'), root);
  }

  #scan(folder: string, signal: AbortSignal): TreeScan {
    const script = `cd -P -- "$1" || exit 125; ${scanScript({ singleFile: this.place.singleFile, temporaryDirectory: '/tmp', prune: this.#prune })}`;
    const started = this.#run(script, [], signal, undefined, folder);
    const end = started.then(async ({ exit }) => exit).then(({ code, stderr }) => ({ status: code, stderr }));
    end.catch(() => undefined); // handed out for later
    return toTreeScan(bodyOf(started), end, 'scan');
  }

  async #plan(staging: string, signal: AbortSignal): Promise<SwapPlan | 'no staging' | 'no plan'> {
    const { text, code, stderr } = await utf8Of(await this.#run(READ_PLAN, [staging], signal));
    if (code === 2) return 'no staging';
    if (code === 3) return 'no plan';
    if (code !== 0) throw new McadsError('component-failed', `${this.#name}: the list of what was moved cannot be read: ${stderr.trim()}`);
    return JSON.parse(text) as SwapPlan; // written by swap, whole or not at all
  }

  async #list(folders: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, readonly string[]>> {
    const { text, stderr } = await latin1Of(await this.#run(LIST_FOLDERS, [], signal, stream(names([...new Set(folders)]))));
    return parseFolders(text, (why) => new McadsError('component-failed', `${this.#name} cannot be listed: ${why} ${stderr.trim()}`));
  }

  async #move({ from, to, names: moved }: Move, signal: AbortSignal): Promise<void> {
    await this.#do(MOVE, [to], signal, names(moved.map((name) => `${from}/${name}`)));
  }

  /** `mv -n` leaves a name where something came in between: it must not go with the staging directory. */
  async #assertMoved(moves: readonly Move[], doing: string, signal: AbortSignal): Promise<void> {
    const left = await this.#list(
      moves.map(({ from }) => from),
      signal,
    );
    for (const { from, names: moved } of moves) {
      const still = new Set(left.get(from));
      const stuck = moved.find((name) => still.has(name));
      if (stuck === undefined) continue;
      const shown = toText(stuck);
      throw new McadsError('component-failed', `${this.#name}: ${shown} was made anew while it was ${doing}`, {
        hint: 'something that was not stopped writes there; stop it and try again',
      });
    }
  }

  async #do(script: string, args: readonly string[], signal: AbortSignal, input: readonly Uint8Array[] = []): Promise<void> {
    const { code, stderr } = await utf8Of(await this.#run(script, args, signal, stream(input)));
    if (code === 0) return;
    throw new McadsError(
      'component-failed',
      `${this.#name} cannot be changed: ${linesOf(stderr).slice(0, 3).join('; ') || `status ${code}`}`,
    );
  }

  async #run(script: string, args: readonly string[], signal: AbortSignal, input?: Bytes, folder = this.#root): Promise<ExecHandle> {
    return this.#runner.run(['sh', '-c', script, 'sh', folder, ...args], input, signal);
  }
}

/**
 * Decision: what is staged has to be on the disk before anything is swapped, and is written out every so many bytes, one flush at a time, while the
 * rest is still being decoded. A restore of 2 GB waited 1.6 s for its disk at the end without that.
 */
class Flushes {
  readonly #flush: () => Promise<void>;
  #isRunning = false;
  /** Rejects where one failed: the system tells of a write that failed only once, so no later flush would. */
  last: Promise<void> = Promise.resolve();

  constructor(flush: () => Promise<void>) {
    this.#flush = flush;
  }

  async *during(pieces: Bytes): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    for await (const piece of pieces) {
      bytes += piece.length;
      yield piece;
      if (bytes < FLUSHED_BYTES || this.#isRunning) continue;
      bytes = 0;
      this.#isRunning = true;
      this.last = this.last.then(this.#flush).finally(() => {
        this.#isRunning = false;
      });
      this.last.catch(() => undefined); // awaited at the end
    }
  }
}

/**
 * The staging directory of a run at a place. That of a single file lies in its folder, where those of other files and of the folder itself may
 * be at the same time.
 */
export function stagingOf(run: RestoreRun, { singleFile }: TreePlace): string {
  return stagingName(singleFile === null ? run : createHash('sha256').update(`${run} ${singleFile}`).digest('hex').slice(0, run.length));
}

/** The names that a swap moves; null: all. */
export function swappedNames({ singleFile, companions = [], names }: TreePlace): readonly RawPath[] | null {
  return singleFile === null ? (names ?? null) : [singleFile, ...companions].map(toRaw);
}

/** Rejects where a folder stays, for something in it, that the snapshot has as something else. */
export function assertNothingInTheWay(
  plan: SwapPlan,
  staging: string,
  folders: ReadonlyMap<string, readonly string[]>,
  name: string,
): void {
  const held = inTheWay(plan, staging, folders);
  if (held === null) return;
  throw new McadsError('component-failed', `${name}: ${toText(held)} is a folder in which something stays, and no folder in the snapshot`, {
    hint: 'what is excluded, and what is mounted, stays where it is: move that folder away and restore again',
  });
}

/** Where nothing of a swap is left and the folder is not the one that it was done in. */
export function otherFolder(name: string): McadsError {
  return new McadsError('component-failed', `${name} is not the folder that was restored, and nothing of that is in it`, {
    hint: 'mount its disk, or move the folder back, and try again',
  });
}

/** What a swap, or the way back, takes out of the live tree. */
export function awayPaths(moves: readonly Move[]): readonly string[] {
  return moves.filter(({ isOut }) => isOut).flatMap(({ from, names: away }) => away.map((name) => `${from}/${name}`));
}

function here(path: RawPath): string {
  return path === '' ? '.' : `./${path}`;
}

function inside(folder: string, path: RawPath): string {
  return path === '' ? `./${folder}` : `./${folder}/${path}`;
}

async function* bodyOf(started: Promise<ExecHandle>): AsyncGenerator<Uint8Array, void, undefined> {
  yield* (await started).stdout;
}

async function* withoutStaging(batches: TreeScan['batches']): AsyncGenerator<Iterable<TreeEntry>> {
  for await (const batch of batches) yield notStaging(batch);
}

function* notStaging(entries: Iterable<TreeEntry>): Generator<TreeEntry> {
  for (const entry of entries) if (!entry.path.split('/').some(isStagingName)) yield entry;
}

async function* stream(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

/** NUL-terminated names, one character a byte, in pieces of about 64 KiB. */
function names(list: readonly string[]): readonly Uint8Array[] {
  const parts: Uint8Array[] = [];
  let batch = '';
  for (const name of list) {
    batch += `${name}\0`;
    if (batch.length < BATCH_BYTES) continue;
    parts.push(Buffer.from(batch, 'latin1'));
    batch = '';
  }
  if (batch !== '') parts.push(Buffer.from(batch, 'latin1'));
  return parts;
}

async function utf8Of(handle: ExecHandle): Promise<{ readonly text: string; readonly code: number; readonly stderr: string }> {
  const parts: Uint8Array[] = [];
  for await (const part of handle.stdout) parts.push(part);
  const { code, stderr } = await handle.exit;
  return { text: Buffer.concat(parts).toString(), code, stderr };
}

async function latin1Of(handle: ExecHandle): Promise<{ readonly text: string; readonly stderr: string }> {
  const parts: Uint8Array[] = [];
  for await (const part of handle.stdout) parts.push(part);
  const { stderr } = await handle.exit;
  return { text: Buffer.concat(parts).toString('latin1'), stderr };
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line.trim() !== '' && !line.includes('Exiting with failure status'));
}
