import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, constants, readFile, realpath } from 'node:fs/promises';
import { posix } from 'node:path';
import { promisify } from 'node:util';
import { McadsError, messageOf } from '../errors.ts';
import type { EngineClient } from './engine-client.ts';
import { toEngineError } from './engine-errors.ts';
import { IMPORTED_IMAGE } from './labels.ts';
import { packTar, type PackedFile } from './tar-writer.ts';

const run = promisify(execFile);
const REPOSITORY = 'mcads-helper';

/** What the scripts of `src/stream/tree-commands.ts` and `restore-commands.ts` and the helper itself run. */
const PROGRAMS = [
  'sh',
  'tar',
  'find',
  'sort',
  'xargs',
  'tr',
  'cat',
  'timeout',
  'sync',
  'date',
  'stat',
  'grep',
  'true',
  'readlink',
  'mv',
  'mkdir',
  'rm',
  'touch',
  'chmod',
  'chown',
  'sha256sum',
];
const SEARCH = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'];

/** Imports an image without any file: enough for containers that are created and never started. */
export async function importEmptyImage(client: EngineClient, signal: AbortSignal): Promise<string> {
  return importImage(client, 'empty', packTar([]), [], signal);
}

/**
 * Imports an image made of this machine's own programs and the libraries that they need (about 5 MB), or finds it there from
 * an earlier run: its tag is the hash of its content. Null where a program is missing; whether they are GNU's shows the probe.
 */
export async function importOwnPrograms(
  client: EngineClient,
  log: (level: 'debug', message: string) => void,
  signal: AbortSignal,
): Promise<string | null> {
  try {
    const files = new Map<string, PackedFile>();
    const programs = await Promise.all(PROGRAMS.map(findProgram));
    for (const [index, path] of programs.entries()) {
      files.set(`usr/bin/${PROGRAMS[index]}`, { path: `usr/bin/${PROGRAMS[index]}`, content: await readFile(path), mode: 0o755 });
    }
    const libraries = await librariesOf(programs);
    for (const path of libraries) files.set(path.slice(1), { path: path.slice(1), content: await readFile(path), mode: 0o755 });
    const folders = new Set(['tmp', ...[...files.keys()].flatMap(parents)]);
    const tar = packTar([
      ...[...folders].sort().map((path) => ({ path, content: null, mode: path === 'tmp' ? 0o1777 : 0o755 })),
      ...[...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1)),
    ]);
    const tag = createHash('sha256').update(tar).digest('hex').slice(0, 16);
    const search = [...new Set(libraries.map((path) => posix.dirname(path)))].join(':');
    return await importImage(client, tag, tar, ['ENV PATH=/usr/bin', ...(search === '' ? [] : [`ENV LD_LIBRARY_PATH=${search}`])], signal);
  } catch (error) {
    if (signal.aborted || error instanceof McadsError) throw error;
    log('debug', `no helper image from this machine's programs: ${messageOf(error)}`);
    return null;
  }
}

async function importImage(
  client: EngineClient,
  tag: string,
  tar: Buffer,
  changes: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const reference = `${REPOSITORY}:${tag}`;
  const known = await client.find<{ readonly Id: string }>(`/images/${reference}/json`, {}, 'looking for the helper image', signal);
  if (known !== null) return reference;
  const doing = 'importing the helper image';
  // Query values that are lists become repeated parameters.
  const query = { fromSrc: '-', repo: REPOSITORY, tag, changes: [...changes, `LABEL ${IMPORTED_IMAGE}=${tag}`] };
  const response = await client.request('POST', '/images/create', { query, file: tar }, doing, signal);
  let answer = '';
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) answer += chunk.toString(); // a response without encoding yields buffers
  } catch (error) {
    throw toEngineError(error, doing, client.endpoint, signal);
  }
  // Failures come after the status, as a line of JSON.
  const failure = /"error":"((?:[^"\\]|\\.)*)"/.exec(answer)?.[1];
  if (failure !== undefined) throw new McadsError('engine-failed', `${doing}: ${failure}`);
  return reference;
}

async function findProgram(name: string): Promise<string> {
  for (const folder of SEARCH) {
    const path = posix.join(folder, name);
    try {
      await access(path, constants.X_OK);
      return await realpath(path);
    } catch {
      continue; // the next folder
    }
  }
  throw new Error(`this machine has no ${name}`);
}

/** The shared libraries and the loader, under the very paths by which they are looked for. */
async function librariesOf(programs: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await run('ldd', programs, { env: { PATH: SEARCH.join(':'), LC_ALL: 'C' } });
  if (stdout.includes('not found')) throw new Error('ldd misses a library');
  return [...new Set([...stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map(([, path = '']) => path))].sort();
}

function parents(path: string): readonly string[] {
  const folder = posix.dirname(path);
  return folder === '.' ? [] : [...parents(folder), folder];
}
