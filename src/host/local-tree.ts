import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { text } from 'node:stream/consumers';
import type { Bytes, ByteStream } from '../domain/byte-stream.ts';
import type { RawPaths, TarVerdict, TreeScan, TreeSource } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { listed, tarVerdict, toTreeScan, type ScriptEnd } from '../stream/stat-lines.ts';
import * as commands from '../stream/tree-commands.ts';
import { gnuPrograms } from './gnu-programs.ts';

/** Keeps a broken tree's messages bounded. */
const STDERR_BYTES = 8 * 1024 * 1024;
const NAMES_BYTES = 64 * 1024;

export interface LocalTreeOptions {
  /** Folder for sort's temporary files. */
  readonly temporaryDirectory?: string;
  /** Folders below that are not entered, relative. */
  readonly prune?: readonly string[];
}

/**
 * A directory or a single file of this machine, read by its GNU tar and find. Rejects `component-failed` where the path is missing and
 * `usage` where the programs are.
 */
export async function openLocalTree(path: string, options: LocalTreeOptions, signal: AbortSignal): Promise<TreeSource> {
  const isDirectory = (
    await lstat(path).catch((error: NodeJS.ErrnoException) => {
      throw new McadsError('component-failed', `${path} cannot be read: ${error.message}`, { cause: error });
    })
  ).isDirectory();
  const folder = isDirectory ? path : dirname(path);
  signal.throwIfAborted();
  const { tarVersion, words } = await gnuPrograms();
  if (tarVersion === null) {
    throw new McadsError('usage', `GNU tar and find are needed to read ${path} ${words}`.trim(), {
      hint: 'install the packages tar, findutils and coreutils',
    });
  }
  const root = {
    singleFile: isDirectory ? null : basename(path),
    temporaryDirectory: options.temporaryDirectory ?? tmpdir(),
    prune: options.prune ?? [],
  };
  return new LocalTree(folder, root, commands.recipeOf('local', tarVersion));
}

class LocalTree implements TreeSource {
  readonly transport = 'local';
  readonly scans = true;
  readonly recipe: string;
  readonly stableInodes = true;
  readonly clockIsOurs = true;
  readonly singleFile: boolean;
  readonly findings = [];
  readonly #folder: string;
  readonly #root: commands.TreeRoot;

  constructor(folder: string, root: commands.TreeRoot, recipe: string) {
    this.#folder = folder;
    this.#root = root;
    this.recipe = recipe;
    this.singleFile = root.singleFile !== null;
  }

  async sync(signal: AbortSignal): Promise<number> {
    const { stdout, status, stderr } = await output(commands.syncScript(), this.#folder, signal);
    const began = Number(stdout.trim());
    if (status !== 0 || !(began > 0)) throw new McadsError('component-failed', `flushing ${this.#folder} failed: ${stderr.trim()}`);
    return began;
  }

  scan(signal: AbortSignal): TreeScan {
    const { body, end } = run(commands.scanScript(this.#root), this.#folder, null, signal);
    return toTreeScan(body, end, 'scan');
  }

  restat(paths: RawPaths, signal: AbortSignal): TreeScan {
    const { body, end } = run(commands.restatScript(), this.#folder, paths, signal);
    return toTreeScan(body, end, 'restat');
  }

  read(paths: RawPaths, signal: AbortSignal): ByteStream<TarVerdict> {
    return toTar(run(commands.tarScript(), this.#folder, paths, signal));
  }

  readAll(signal: AbortSignal): ByteStream<TarVerdict> {
    return toTar(run(commands.tarAllScript(this.#root), this.#folder, null, signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is held between calls: every process ends with its stream.
  }
}

interface Running {
  readonly body: Bytes;
  readonly end: Promise<ScriptEnd>;
}

function run(script: string, folder: string, names: RawPaths | null, signal: AbortSignal): Running {
  const [program = 'sh', ...args] = commands.shellArguments(script);
  const child = spawn(program, args, { cwd: folder, stdio: [names === null ? 'ignore' : 'pipe', 'pipe', 'pipe'], detached: true });
  const { stdin, stdout, stderr } = child;
  // Whoever reads begins later, and Node throws away what nobody has begun to read when the process ends.
  stdout?.on('readable', () => undefined);
  // The shell and everything that it started: their own group.
  const kill = (): void => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // gone meanwhile is what was wanted
    }
  };
  signal.addEventListener('abort', kill, { once: true });
  if (signal.aborted) kill();
  const closed = once(child, 'close').then(() => child.exitCode);
  const feeding = stdin === null || names === null ? Promise.resolve() : feed(names, stdin);
  const end = Promise.all([closed, stderr === null ? '' : tailOf(stderr), feeding])
    .then(([status, messages]) => ({ status, stderr: messages }))
    .finally(() => signal.removeEventListener('abort', kill));
  end.catch(kill);
  async function* body(): AsyncGenerator<Uint8Array> {
    let ended = false;
    try {
      if (stdout !== null) yield* stdout as AsyncIterable<Buffer>; // a pipe without encoding yields buffers
      ended = true;
    } finally {
      if (!ended) kill();
    }
    signal.throwIfAborted();
  }
  return { body: body(), end };
}

async function feed(names: RawPaths, stdin: NodeJS.WritableStream): Promise<void> {
  await pipeline(Readable.from(nameList(names), { objectMode: false, highWaterMark: NAMES_BYTES }), stdin).catch(
    (error: NodeJS.ErrnoException) => {
      // The program ended first: its status and messages say why.
      if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_PREMATURE_CLOSE' && error.code !== 'ECONNRESET') throw error;
    },
  );
}

async function* nameList(names: RawPaths): AsyncGenerator<Buffer> {
  let batch = '';
  for await (const some of names) {
    batch += listed(some);
    if (batch.length < NAMES_BYTES) continue;
    yield Buffer.from(batch, 'latin1');
    batch = '';
  }
  if (batch !== '') yield Buffer.from(batch, 'latin1');
}

async function tailOf(stderr: Readable): Promise<string> {
  let kept = '';
  stderr.setEncoding('latin1');
  for await (const part of stderr as AsyncIterable<string>) kept = (kept + part).slice(-STDERR_BYTES); // the encoding makes strings
  return kept;
}

function toTar({ body, end }: Running): ByteStream<TarVerdict> {
  const done = end.then(tarVerdict);
  done.catch(() => undefined); // handed out for later
  return { body, done };
}

async function output(script: string, folder: string, signal: AbortSignal): Promise<ScriptEnd & { readonly stdout: string }> {
  const { body, end } = run(script, folder, null, signal);
  const [stdout, ended] = await Promise.all([text(Readable.from(body)), end]);
  return { ...ended, stdout };
}
