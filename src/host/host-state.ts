import { lstat, mkdir, open, readdir, readFile, rename, rm, rmdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { isLocalFilesystem } from '../domain/local-filesystems.ts';
import type { KeptRestore, RestoreJournal } from '../domain/restore.ts';
import { McadsError, messageOf } from '../errors.ts';
import { STATE_FOLDER } from '../stream/restore-commands.ts';
import { lockByFile } from './host-lock.ts';

const JOURNAL = 'journal.json';
const LOCK = 'journal.lock';
const hasUsers = process.geteuid !== undefined;
const KEPT = /^kept-([0-9a-f-]+)\.json$/;

/**
 * What a restore writes down, in a folder of the application's directory: whoever runs the next command there finds it, whatever became of the
 * repository. It is never captured and never moved, and goes away when nothing is in it.
 */
export class HostState {
  readonly #folder: string;

  constructor(directory: string) {
    this.#folder = join(directory, STATE_FOLDER);
  }

  /**
   * Why what is in the folder is not followed; null where it is ours, or there is none. It lies where the application's user may write, and says
   * what is removed and put in place by whoever follows it.
   */
  async foreign(): Promise<string | null> {
    const info = await lstat(this.#folder).catch(() => null);
    if (info === null || !hasUsers) return null;
    if (!info.isDirectory()) return `${this.#folder} is no folder, so what it leads to is not followed; remove it`;
    if (info.uid !== process.geteuid?.())
      return `${this.#folder} belongs to another user (${info.uid}): what it says is not followed; run \`recover\` as that user, or remove it`;
    return (info.mode & 0o022) === 0 ? null : `${this.#folder} can be written by others, so what it says is not followed; remove it`;
  }

  /** Why a restore that is written down there is not followed; null where it is, or none is. Others' kept restores are in nobody's way. */
  async foreignJournal(): Promise<string | null> {
    const why = await this.foreign();
    if (why === null) return null;
    return lstat(join(this.#folder, JOURNAL)).then(
      () => why,
      (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' || error.code === 'ENOTDIR' ? null : why),
    );
  }

  /** As long as it is held, the restore that is written down is under way. Rejects `locked`. Nothing is held where others decide about locks, or there are none. */
  async hold(): Promise<AsyncDisposable> {
    await this.#make();
    if (!isLocalFilesystem((await statfs(this.#folder)).type)) return { [Symbol.asyncDispose]: async () => undefined };
    const path = join(this.#folder, LOCK);
    const lock = await lockByFile(path, join(this.#folder, '..'));
    return {
      [Symbol.asyncDispose]: async () => {
        if ((await readText(join(this.#folder, JOURNAL))) === null) await rm(path, { force: true });
        await lock[Symbol.asyncDispose]();
        await rmdir(this.#folder).catch(() => undefined); // something is kept in it still
      },
    };
  }

  /** Null where no restore is under way. */
  async journal(): Promise<RestoreJournal | null> {
    if ((await this.foreign()) !== null) return null;
    const text = await readText(join(this.#folder, JOURNAL));
    return text === null ? null : (JSON.parse(text) as RestoreJournal); // written by us, whole or not at all
  }

  /** Durable once resolved. */
  async writeJournal(journal: RestoreJournal): Promise<void> {
    await this.#write(JOURNAL, journal);
  }

  async clearJournal(): Promise<void> {
    await this.#remove(JOURNAL);
  }

  /** Newest first. */
  async kept(): Promise<readonly KeptRestore[]> {
    const found: KeptRestore[] = [];
    if ((await this.foreign()) !== null) return found;
    for (const name of await readdir(this.#folder).catch(() => [])) {
      const text = KEPT.test(name) ? await readText(join(this.#folder, name)) : null;
      if (text !== null) found.push(JSON.parse(text) as KeptRestore); // as above
    }
    return found.toSorted((a, b) => (a.journal.startedAt < b.journal.startedAt ? 1 : -1));
  }

  async keep(kept: KeptRestore): Promise<void> {
    await this.#write(`kept-${kept.id}.json`, kept);
  }

  async forget(id: string): Promise<void> {
    await this.#remove(`kept-${id}.json`);
  }

  async #make(): Promise<void> {
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw this.#unwritten(messageOf(error), error);
    }
    const why = await this.foreign();
    if (why !== null)
      throw new McadsError('forbidden', `what is to be undone cannot be written down: ${why}`, {
        hint: 'restore as that user; without the folder a `rollback` of their restore is gone, and what it kept stays in folders .mcads-restore-…',
      });
  }

  #unwritten(why: string, cause: unknown): McadsError {
    return new McadsError('forbidden', `what is to be undone cannot be written down in ${this.#folder}: ${why}`, {
      hint: 'run with sudo, or make room there',
      cause,
    });
  }

  async #write(name: string, value: RestoreJournal | KeptRestore): Promise<void> {
    await this.#make();
    try {
      const part = join(this.#folder, `.${name}.part`);
      {
        await using file = await open(part, 'w', 0o600);
        await file.writeFile(JSON.stringify(value));
        await file.sync();
      }
      await rename(part, join(this.#folder, name));
      for (const folder of [this.#folder, join(this.#folder, '..')]) await syncFolder(folder);
    } catch (error) {
      throw this.#unwritten(messageOf(error), error);
    }
  }

  async #remove(name: string): Promise<void> {
    await rm(join(this.#folder, name), { force: true });
    await syncFolder(this.#folder).catch(() => undefined); // gone with all that was in it
    await rmdir(this.#folder).catch(() => undefined); // something is kept in it still
  }
}

async function readText(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw new McadsError('forbidden', `${path} cannot be read: ${error.message}`, { hint: 'run with sudo', cause: error });
  });
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path);
  await folder.sync();
}
