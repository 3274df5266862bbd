import { readdir, rename, rm, rmdir, stat, access, constants } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { McadsError } from '../../errors.ts';
import { BAD_SUFFIX } from '../format.ts';
import type { ListOptions, Liveness, Store, StoreBatch, StoreEntry } from '../store.ts';
import { KernelLiveness } from './kernel-liveness.ts';
import { LocalBatch } from './local-batch.ts';
import {
  errnoOf,
  failedCall,
  guarded,
  makeFolder,
  nullIfMissing,
  readPlain,
  renameIfAbsent,
  storeError,
  syncFilesystem,
  syncPath,
  writeTemporary,
} from './local-files.ts';

/** A directory as a store: every object a file of mode 0600, folders 0700. */
export class LocalStore implements Store {
  readonly location: string;
  readonly refusal: McadsError | null;
  readonly liveness: Liveness | null;
  readonly #changedFolders = new Set<string>();

  private constructor(path: string, refusal: McadsError | null, liveness: Liveness | null) {
    this.location = path;
    this.refusal = refusal;
    this.liveness = liveness;
  }

  /** An existing directory; whether it can be written is found out without writing. */
  static async open(path: string): Promise<LocalStore> {
    const refusal = await whyNotWritable(path);
    return new LocalStore(path, refusal, refusal === null ? await KernelLiveness.open(join(path, 'locks')) : null);
  }

  get writable(): boolean {
    return this.refusal === null;
  }

  async put(key: string, bytes: Uint8Array, { durable } = { durable: true }): Promise<void> {
    const target = join(this.location, key);
    await guarded(`writing ${key}`, async () => {
      await makeFolder(dirname(target));
      const temporary = await writeTemporary(target, bytes, durable);
      await rename(temporary, target);
      if (durable) await syncPath(dirname(target));
    });
  }

  async putIfAbsent(key: string, bytes: Uint8Array): Promise<boolean> {
    const target = join(this.location, key);
    return guarded(`writing ${key}`, async () => {
      await makeFolder(dirname(target));
      const done = await renameIfAbsent(await writeTemporary(target, bytes, true), target);
      await syncPath(dirname(target));
      return done;
    });
  }

  async get(key: string): Promise<Buffer | null> {
    return guarded(`reading ${key}`, () => nullIfMissing(readPlain(join(this.location, key))));
  }

  filesOf(key: string): readonly string[] {
    return [join(this.location, key)];
  }

  notRead(key: string, message: string, errno: string | undefined): McadsError {
    return failedCall(`reading ${key}`, message, errno);
  }

  async *list(folder: string, { sizes = false, shallow = false }: ListOptions = {}): AsyncGenerator<readonly StoreEntry[]> {
    const folders = [folder];
    for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
      const prefix = next;
      const found = await guarded(`listing ${prefix}`, () => nullIfMissing(readdir(join(this.location, prefix), { withFileTypes: true })));
      const page: StoreEntry[] = [];
      for (const entry of found ?? []) {
        if (entry.name.startsWith('.')) continue; // temporary names
        const key = prefix + entry.name;
        if (entry.isDirectory()) {
          if (!shallow) folders.push(`${key}/`);
        } else if (!sizes) page.push({ key, bytes: 0, modifiedMs: 0 });
        else {
          const known = await this.stat(key);
          if (known !== null) page.push(known);
        }
      }
      if (page.length > 0) yield page;
    }
  }

  async stat(key: string): Promise<StoreEntry | null> {
    const found = await guarded(`looking at ${key}`, () => nullIfMissing(stat(join(this.location, key))));
    return found === null ? null : { key, bytes: found.size, modifiedMs: found.mtimeMs };
  }

  async remove(key: string): Promise<void> {
    const path = join(this.location, key);
    await guarded(`removing ${key}`, async () => {
      await rm(path, { force: true });
      this.#changedFolders.add(dirname(path));
      // An empty snapshot folder would look like one that is being written.
      if (key.startsWith('snapshots/')) await removeEmptyFolders(dirname(path), join(this.location, 'snapshots'));
    });
  }

  async setAside(key: string): Promise<void> {
    const path = join(this.location, key);
    await guarded(`setting ${key} aside`, async () => {
      await nullIfMissing(rename(path, path + BAD_SUFFIX));
      await syncPath(dirname(path));
    });
  }

  async flush(): Promise<void> {
    const folders = [...this.#changedFolders];
    this.#changedFolders.clear();
    await guarded('flushing removals', async () => {
      if (folders.length > 8 && (await syncFilesystem(this.location))) return;
      for (const folder of folders) await nullIfMissing(syncPath(folder));
    });
  }

  async tidy(): Promise<void> {
    const snapshots = join(this.location, 'snapshots');
    await guarded('tidying up after dead runs', async () => {
      for (const name of (await nullIfMissing(readdir(snapshots))) ?? []) {
        const folder = join(snapshots, name);
        for (const file of (await nullIfMissing(readdir(folder))) ?? []) {
          if (file.startsWith('.') && file.endsWith('.tmp')) await rm(join(folder, file), { force: true });
        }
        await removeEmptyFolders(folder, snapshots);
      }
    });
  }

  async openBatch(run: string): Promise<StoreBatch> {
    return LocalBatch.open(this.location, run);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
  }
}

async function whyNotWritable(path: string): Promise<McadsError | null> {
  try {
    // Every folder that a run writes to: one that belongs to somebody else makes the whole repository readable only.
    for (const folder of ['.', 'chunks', 'segments', 'snapshots', 'incoming', 'locks'])
      await nullIfMissing(access(join(path, folder), constants.W_OK | constants.X_OK));
    return null;
  } catch (error) {
    return storeError(error, `writing to ${path}`);
  }
}

async function removeEmptyFolders(folder: string, stop: string): Promise<void> {
  for (let next = folder; next.length > stop.length; next = dirname(next)) {
    try {
      await rmdir(next);
    } catch (error) {
      if (errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return;
      throw error;
    }
  }
}
