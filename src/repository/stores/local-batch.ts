import { renameSync, writeFileSync } from 'node:fs';
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { McadsError } from '../../errors.ts';
import type { StoreBatch } from '../store.ts';
import { failedCall, guarded, makeFolder, nullIfMissing, syncFilesystem, syncPath } from './local-files.ts';

/** So few are flushed one by one, because flushing the filesystem also waits for whatever others wrote to it. */
const FEW_FILES = 64;
/** A rename takes some 20 us on the calling thread, and several times that through libuv's pool. */
const RENAMES_A_TURN = 32;
/** From a rename that took longer on (a network's filesystem, a disk that is busy) they do not hold the calling thread up. */
const SLOW_RENAME_MS = 5;
/** Files flushed one by one where the whole filesystem cannot be. */
const PARALLEL_SYNCS = 4;

/**
 * Staged objects lie flat under `incoming/<run>/<folder>/<name>` (`chunks/ab/<id>` → `chunks/<id>`) until a flush has made them durable;
 * only then are they renamed to their names, so that a name never stands for bytes that a power cut can take.
 */
export class LocalBatch implements StoreBatch {
  readonly #root: string;
  readonly #directory: string;
  /** Key → bytes. */
  #staged = new Map<string, number>();
  #stagedBytes = 0;
  #flushing: Promise<void> = Promise.resolve();
  readonly #madeFolders = new Set<string>();

  private constructor(root: string, run: string) {
    this.#root = root;
    this.#directory = join(root, 'incoming', run);
  }

  static async open(root: string, run: string): Promise<LocalBatch> {
    const batch = new LocalBatch(root, run);
    await guarded('making a folder for this run', async () => {
      for (const folder of ['chunks', 'segments', 'spool']) await makeFolder(join(batch.#directory, folder));
    });
    return batch;
  }

  get spoolDirectory(): string {
    return join(this.#directory, 'spool');
  }

  get stagedBytes(): number {
    return this.#stagedBytes;
  }

  get stagedObjects(): number {
    return this.#staged.size;
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    // On the calling thread: a chunk goes into the page cache in a fraction of what three trips through libuv's pool cost.
    await guarded(`writing ${key}`, async () => writeFileSync(this.#stagedPath(key), bytes, { mode: 0o600 }));
    this.placed(key, bytes.length);
  }

  placeFor(key: string): string {
    return this.#stagedPath(key);
  }

  placed(key: string, bytes: number): void {
    this.#staged.set(key, bytes);
    this.#stagedBytes += bytes;
  }

  notPlaced(key: string, message: string, errno: string | undefined): McadsError {
    return failedCall(`writing ${key}`, message, errno);
  }

  async get(key: string): Promise<Buffer | null> {
    return guarded(`reading ${key}`, async () => {
      const staged = await nullIfMissing(readFile(this.#stagedPath(key)));
      return staged ?? (await nullIfMissing(readFile(join(this.#root, key))));
    });
  }

  filesOf(key: string): readonly string[] {
    return [this.#stagedPath(key), join(this.#root, key)];
  }

  notRead(key: string, message: string, errno: string | undefined): McadsError {
    return failedCall(`reading ${key}`, message, errno);
  }

  async flush(): Promise<void> {
    const previous = this.#flushing;
    const flushed = previous.then(async () => {
      const keys = [...this.#staged.keys()];
      const bytes = this.#stagedBytes;
      this.#staged = new Map();
      this.#stagedBytes = 0;
      if (keys.length > 0) await guarded(`flushing ${bytes} bytes`, () => this.#publish(keys));
    });
    this.#flushing = flushed.catch(() => undefined); // the next flush reports its own trouble; this one's is thrown here
    await flushed;
  }

  async #publish(keys: readonly string[]): Promise<void> {
    const whole = keys.length > FEW_FILES && (await syncFilesystem(this.#directory));
    if (!whole) await this.#syncEach(keys.map((key) => this.#stagedPath(key)));
    const folders = new Set<string>();
    let renamed = 0;
    let isSlow = false;
    for (const key of keys) {
      const target = join(this.#root, key);
      const folder = dirname(target);
      if (!this.#madeFolders.has(folder)) {
        await makeFolder(folder);
        this.#madeFolders.add(folder);
      }
      folders.add(folder);
      if (isSlow) {
        await rename(this.#stagedPath(key), target);
        continue;
      }
      const began = performance.now();
      renameSync(this.#stagedPath(key), target);
      isSlow = performance.now() - began > SLOW_RENAME_MS;
      if ((renamed += 1) % RENAMES_A_TURN === 0) await setImmediate();
    }
    if (!(whole && (await syncFilesystem(this.#directory)))) await this.#syncEach([...folders]);
  }

  async #syncEach(paths: readonly string[]): Promise<void> {
    const rest = paths.values();
    await Promise.all(
      Array.from({ length: PARALLEL_SYNCS }, async () => {
        for (const path of rest) await syncPath(path);
      }),
    );
  }

  async adopt(alive: () => Promise<ReadonlySet<string>>, accept: (key: string, bytes: Buffer) => Promise<boolean>): Promise<void> {
    const incoming = join(this.#root, 'incoming');
    const found = await guarded('looking for what dead runs left', () => readdir(incoming));
    // Asked after the listing: every run takes its lease before it makes its folder.
    const living = await alive();
    const runs = found.filter((run) => join(incoming, run) !== this.#directory && !living.has(run));
    for (const run of runs) {
      await guarded(`taking over what the dead run ${run} left`, async () => {
        // Renaming claims the folder: of two writers that look at the same time one gets it.
        const claimed = join(this.#directory, `adopted-${run.slice(0, 80)}`);
        if ((await nullIfMissing(rename(join(incoming, run), claimed).then(() => true))) === null) return;
        for (const folder of ['chunks', 'segments']) await this.#adoptFolder(claimed, folder, accept);
        await rm(claimed, { recursive: true, force: true });
      });
    }
  }

  async #adoptFolder(claimed: string, folder: string, accept: (key: string, bytes: Buffer) => Promise<boolean>): Promise<void> {
    for (const name of (await nullIfMissing(readdir(join(claimed, folder)))) ?? []) {
      const path = join(claimed, folder, name);
      const key = `${folder}/${name.slice(0, 2)}/${name}`;
      const bytes = await readFile(path);
      if (this.#staged.has(key) || !(await accept(key, bytes))) continue;
      await rename(path, this.#stagedPath(key));
      this.#staged.set(key, bytes.length);
      this.#stagedBytes += bytes.length;
    }
  }

  #stagedPath(key: string): string {
    return join(this.#directory, key.slice(0, key.indexOf('/')), key.slice(key.lastIndexOf('/') + 1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#flushing;
    await guarded('removing what this run staged', () => rm(this.#directory, { recursive: true, force: true }));
  }
}
