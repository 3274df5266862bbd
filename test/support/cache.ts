import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';

/** The folder that survives between runs: the private engine's data, unpacked Debian packages. `MCADS_TEST_CACHE` moves it. */
export const cacheFolder = process.env['MCADS_TEST_CACHE'] ?? join(homedir(), '.cache', 'mcads-orchestrate-test');

export async function cachePath(...names: readonly string[]): Promise<string> {
  const path = join(cacheFolder, ...names);
  await mkdir(path, { recursive: true });
  return path;
}

/** Runs `work` while nobody else, in this process or another, does the same under this name; the lock dies with its holder. */
export async function withCacheLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  const lock = new DatabaseSync(join(await cachePath('locks'), `${name}.sqlite`));
  try {
    await take(lock, name);
    return await work();
  } finally {
    lock.close();
  }
}

/** Asks again rather than waiting inside SQLite: that would stop this process, and perhaps the holder with it. */
async function take(lock: DatabaseSync, name: string): Promise<void> {
  const busy = 5;
  for (let tries = 1; ; tries++) {
    try {
      lock.exec('BEGIN EXCLUSIVE');
      return;
    } catch (error) {
      if ((error as { errcode?: number }).errcode !== busy) throw error;
      if (tries === 10) say(`waiting for another test run (${name})`);
      await setTimeout(200);
    }
  }
}

/** A line for whoever waits: these steps take minutes on a bare machine. */
export function say(message: string): void {
  process.stderr.write(`[engine] ${message}\n`);
}
