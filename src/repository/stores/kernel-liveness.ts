import { readFile, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isLocalFilesystem } from '../../domain/local-filesystems.ts';
import type { Liveness } from '../store.ts';
import { errnoOf, guarded, makeFolder, nullIfMissing } from './local-files.ts';

/**
 * A lock that the kernel takes away when its holder dies: an open exclusive transaction on an empty SQLite file.
 * Decision: Node has no flock; SQLite takes real POSIX locks, also against other connections of the same process.
 */
export class KernelLiveness implements Liveness {
  readonly machine: string | null;
  readonly #directory: string;

  private constructor(directory: string, machine: string) {
    this.#directory = directory;
    this.machine = machine;
  }

  /** Null on network filesystems and where the kernel cannot be told from another one. */
  static async open(directory: string): Promise<KernelLiveness | null> {
    try {
      const machine = (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim();
      const { type } = await statfs(join(directory, '..'));
      return isLocalFilesystem(type) ? new KernelLiveness(directory, machine) : null;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return null; // no such file, no such call: leases alone decide
    }
  }

  async hold(id: string): Promise<AsyncDisposable | null> {
    await makeFolder(this.#directory);
    const path = this.#path(id);
    const database = new DatabaseSync(path, { timeout: 0 });
    try {
      database.exec('PRAGMA journal_mode=MEMORY');
      database.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      database.close();
      throw error;
    }
    return {
      [Symbol.asyncDispose]: async () => {
        try {
          await guarded(`removing ${id}.lock`, () => rm(path, { force: true }));
        } finally {
          if (database.isOpen) database.close();
        }
      },
    };
  }

  async isHeld(id: string): Promise<boolean> {
    const path = this.#path(id);
    if ((await nullIfMissing(stat(path))) === null) return false;
    const database = new DatabaseSync(path, { timeout: 0, readOnly: true });
    try {
      database.exec('SELECT count(*) FROM sqlite_schema');
      return false;
    } catch (error) {
      if (error instanceof Error && /locked|busy/i.test(error.message)) return true;
      throw error;
    } finally {
      database.close();
    }
  }

  #path(id: string): string {
    return join(this.#directory, `${id}.lock`);
  }
}
