import { mkdir, open, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeptRestore, RestoreJournal } from '../domain/restore.ts';
import { McadsError, messageOf } from '../errors.ts';
import { STATE_FOLDER } from '../stream/restore-commands.ts';

const JOURNAL = 'journal.json';
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

  /** Null where no restore is under way. */
  async journal(): Promise<RestoreJournal | null> {
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

  async #write(name: string, value: RestoreJournal | KeptRestore): Promise<void> {
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      const part = join(this.#folder, `.${name}.part`);
      {
        await using file = await open(part, 'w', 0o600);
        await file.writeFile(JSON.stringify(value));
        await file.sync();
      }
      await rename(part, join(this.#folder, name));
      for (const folder of [this.#folder, join(this.#folder, '..')]) await syncFolder(folder);
    } catch (error) {
      throw new McadsError('forbidden', `what is to be undone cannot be written down in ${this.#folder}: ${messageOf(error)}`, {
        hint: 'run with sudo, or make room there; nothing was changed',
        cause: error,
      });
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
