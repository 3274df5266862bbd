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
  return importImage(client, 'empty', () => packTar([]), [], signal);
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
    const programs = await Promise.all(PROGRAMS.map(async (name) => readProgram(await findProgram(name))));
    for (const [index, { content }] of programs.entries())
      files.set(`usr/bin/${PROGRAMS[index]}`, { path: `usr/bin/${PROGRAMS[index]}`, content, mode: 0o755 });
    const libraries = await librariesOf(programs);
    for (const path of libraries) files.set(path.slice(1), { path: path.slice(1), content: await readFile(path), mode: 0o755 });
    const folders = new Set(['tmp', ...[...files.keys()].flatMap(parents)]);
    const packed: readonly PackedFile[] = [
      ...[...folders].sort().map((path) => ({ path, content: null, mode: path === 'tmp' ? 0o1777 : 0o755 })),
      ...[...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1)),
    ];
    const search = [...new Set(libraries.map((path) => posix.dirname(path)))].join(':');
    const changes = ['ENV PATH=/usr/bin', ...(search === '' ? [] : [`ENV LD_LIBRARY_PATH=${search}`])];
    return await importImage(client, hashOf(packed), () => packTar(packed), changes, signal);
  } catch (error) {
    if (signal.aborted || error instanceof McadsError) throw error;
    log('debug', `no helper image from this machine's programs: ${messageOf(error)}`);
    return null;
  }
}

function hashOf(files: readonly PackedFile[]): string {
  const hash = createHash('sha256');
  for (const { path, content, mode } of files) hash.update(`${path}\0${mode}\0${content?.length ?? -1}\0`).update(content ?? '');
  return hash.digest('hex').slice(0, 16);
}

async function importImage(
  client: EngineClient,
  tag: string,
  pack: () => Buffer,
  changes: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const reference = `${REPOSITORY}:${tag}`;
  const known = await client.find<{ readonly Id: string }>(`/images/${reference}/json`, {}, 'looking for the helper image', signal);
  if (known !== null) return reference;
  const doing = 'importing the helper image';
  // Query values that are lists become repeated parameters.
  const query = { fromSrc: '-', repo: REPOSITORY, tag, changes: [...changes, `LABEL ${IMPORTED_IMAGE}=${tag}`] };
  const response = await client.request('POST', '/images/create', { query, file: pack() }, doing, signal);
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

interface Program {
  readonly path: string;
  readonly content: Buffer;
  /** Of its libraries; null for one that is linked statically. */
  readonly loader: string | null;
}

async function readProgram(path: string): Promise<Program> {
  const content = await readFile(path);
  // The interpreter's name lies in the first page of an ELF file.
  const loader = /\0(\/[^\0]*\/ld[^\0/]*\.so[^\0/]*)\0/.exec(content.toString('latin1', 0, 4096))?.[1] ?? null;
  return { path, content, loader };
}

/**
 * The shared libraries and the loader, under the very paths by which they are looked for. `ldd` asks the same of the same loader, but starts
 * a dozen processes for each program: 0.7 s for these on a machine of 2 cores, instead of 0.06 s.
 */
async function librariesOf(programs: readonly Program[]): Promise<readonly string[]> {
  const loaders = [...new Set(programs.flatMap(({ loader }) => loader ?? []))];
  const found = new Set(loaders);
  for (const loader of loaders) {
    const its = programs.filter((one) => one.loader === loader).map(({ path }) => path);
    const list = 'loader=$1; shift; for program do "$loader" --list "$program" || exit; done';
    const { stdout } = await run('/bin/sh', ['-c', list, 'sh', loader, ...its], { env: { PATH: SEARCH.join(':'), LC_ALL: 'C' } });
    if (stdout.includes('not found')) throw new Error(`${loader} misses a library`);
    for (const [, path = ''] of stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)) found.add(path);
  }
  return [...found].sort();
}

function parents(path: string): readonly string[] {
  const folder = posix.dirname(path);
  return folder === '.' ? [] : [...parents(folder), folder];
}
