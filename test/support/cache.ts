import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** The folder that survives between runs: the private engine's data, unpacked Debian packages. `MCADS_TEST_CACHE` moves it. */
export const cacheFolder = process.env['MCADS_TEST_CACHE'] ?? join(homedir(), '.cache', 'mcads-orchestrate-test');

export async function cachePath(...names: readonly string[]): Promise<string> {
  const path = join(cacheFolder, ...names);
  await mkdir(path, { recursive: true });
  return path;
}

/** Runs `work` while no other process does the same under this name; the lock dies with its holder. */
export async function withCacheLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  const lock = new DatabaseSync(join(await cachePath('locks'), `${name}.sqlite`));
  try {
    lock.exec('PRAGMA busy_timeout = 600000; BEGIN EXCLUSIVE');
    return await work();
  } finally {
    lock.close();
  }
}

/** A line for whoever waits: these steps take minutes on a bare machine. */
export function say(message: string): void {
  process.stderr.write(`[engine] ${message}\n`);
}
