import { posix } from 'node:path';
import type { Bytes } from '../../domain/byte-stream.ts';
import type { DatabaseIo, DatabaseTarget } from '../../domain/database-ports.ts';
import { clusterDirectory } from './detect.ts';
import { failed, lastWords } from './failures.ts';
import { freeSpace } from './restore-space.ts';
import { runTool } from './run-tool.ts';
import { toolOptions, type Server } from './server.ts';

const MARK = '.mcads-spool-';
/** What else may want room in the same place. */
const SPARE_BYTES = 256 * 1024 * 1024;

/** A dump as a private file in the container: only in one can several workers of pg_restore read at once. */
export interface Spool extends AsyncDisposable {
  readonly path: string;
}

/** Null where no directory of the container has room for it on a disk, or its image has no shell. */
export async function findSpoolDirectory(server: Server, bytes: number): Promise<string | null> {
  const { target, io } = server;
  for (const directory of spoolDirectories(target, server.facts.dataDirectory)) {
    const writable = await runTool(
      io,
      target.container.id,
      ['sh', '-c', '[ -d "$1" ] && [ -w "$1" ]', 'sh', directory],
      toolOptions(server, 'mcads'),
    );
    if (writable.code !== 0) continue;
    const free = await freeSpace(target, io, directory);
    if (free !== null && !free.isTmpfs && free.bytes > bytes + SPARE_BYTES) return directory;
  }
  return null;
}

/** Writes the dump to a new file that only its user can read. */
export async function spool(server: Server, directory: string, dump: Bytes): Promise<Spool> {
  const { target, io } = server;
  const path = posix.join(directory, `${MARK}${io.runId}.${crypto.randomUUID().slice(0, 8)}`);
  const options = toolOptions(server, 'mcads');
  const remove = async (): Promise<void> => {
    const own = { ...io, signal: AbortSignal.timeout(60_000) };
    await runTool(own, target.container.id, ['rm', '-f', path], options).catch(() => undefined); // the next run does
  };
  try {
    // No file that is there already is written to, nor a link followed.
    const argv = ['sh', '-c', 'umask 077; set -C; exec cat > "$1"', 'sh', path];
    const handle = await io.engine.exec(target.container.id, argv, { ...options, input: dump }, io.signal);
    for await (const part of handle.stdout) if (part.length < 0) break;
    const exit = await handle.exit;
    if (exit.code !== 0)
      throw failed(target.service, `the dump could not be put into ${directory} of the container: ${lastWords(exit.stderr)}`);
  } catch (error) {
    await remove();
    throw error;
  }
  return { path, [Symbol.asyncDispose]: remove };
}

/** Removes files of runs that died; only one restore of a project runs at a time. */
export async function removeSpools(
  target: DatabaseTarget,
  io: DatabaseIo,
  dataDirectory: string | null,
  user: string | null,
): Promise<void> {
  // Applications of one machine share its folders, and each may be restored now.
  const mark = target.container.reachedAt === undefined ? MARK : `${MARK}${io.runId}.`;
  const places = spoolDirectories(target, dataDirectory);
  const argv = ['sh', '-c', 'mark=$1; shift; for d; do rm -f -- "$d/$mark"*; done', 'sh', mark, ...places];
  // Without a shell there is nothing to remove.
  await runTool(io, target.container.id, argv, user === null ? {} : { user });
}

function spoolDirectories(target: DatabaseTarget, dataDirectory: string | null): readonly string[] {
  const parent = posix.dirname(dataDirectory ?? clusterDirectory(target.container));
  return [...new Set(['/tmp', '/var/tmp', parent])];
}
