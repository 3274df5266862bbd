import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { lstat, mkdir, readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { buffer } from 'node:stream/consumers';
import type { Bytes } from '../domain/byte-stream.ts';
import type { RawPath, TarExtractor } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { inLargePieces } from '../stream/large-pieces.ts';
import { writeAll } from '../stream/write-all.ts';

const OPTIONS = [
  '--extract',
  '--file=-',
  '--blocking-factor=128',
  '--preserve-permissions',
  '--numeric-owner',
  '--xattrs',
  '--xattrs-include=*',
  '--acls',
  '--warning=no-timestamp',
];

/** This machine's GNU tar. Rejects `usage` where there is none and `component-failed` with its messages where it fails. */
export function gnuTarExtractor(): TarExtractor {
  return {
    stateOf,
    async extract(tar, directory, { overwrite }, signal) {
      await mkdir(directory, { recursive: true });
      // Only where files are: the option also keeps tar from setting an existing directory's owner, mode and times.
      const mode = overwrite || (await readdir(directory)).length === 0 ? [] : ['--keep-old-files'];
      const child = await start(
        [...OPTIONS, '--delay-directory-restore', ...mode, `--directory=${directory}`],
        ['pipe', 'ignore', 'pipe'],
        signal,
      );
      const [messages] = await Promise.all([messagesOf(child), feed(tar, child, signal)]);
      await assertEnded(child, messages);
      return messages;
    },
    async save(bytes, path, { overwrite }, signal) {
      await mkdir(dirname(path), { recursive: true });
      const file = createWriteStream(path, { flags: overwrite ? 'w' : 'wx', mode: 0o600 });
      await pipeline(Readable.from(bytes, { objectMode: false }), file, { signal }).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
        throw new McadsError('usage', `${path} exists already`, {
          hint: 'give another --target, or --overwrite to replace it',
          cause: error,
        });
      });
    },
    async *contentOf(tar, signal) {
      const child = await start([...OPTIONS, '--to-stdout'], ['pipe', 'pipe', 'pipe'], signal);
      const feeding = feed(tar, child, signal);
      feeding.catch(() => undefined); // awaited below
      const messages = messagesOf(child);
      messages.catch(() => undefined); // awaited below
      if (child.stdout !== null) yield* child.stdout as AsyncIterable<Buffer>; // a pipe without encoding yields buffers
      await feeding;
      await assertEnded(child, await messages);
    },
  };
}

async function stateOf(path: RawPath): ReturnType<TarExtractor['stateOf']> {
  const bytes = Buffer.from(path, 'latin1');
  try {
    if (!(await lstat(bytes)).isDirectory()) return 'other';
    return (await readdir(bytes)).length === 0 ? 'empty-directory' : 'directory';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException; // what fs rejects with
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing';
    throw new McadsError('forbidden', `${Buffer.from(bytes).toString()} cannot be looked at: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function start(args: readonly string[], stdio: ('pipe' | 'ignore')[], signal: AbortSignal): Promise<ChildProcess> {
  const child = spawn('tar', args, { stdio, signal, env: { ...process.env, LC_ALL: 'C' } });
  child.on('error', () => undefined); // an abort is told by the signal, a failed start below
  try {
    await once(child, 'spawn');
  } catch (error) {
    throw new McadsError('usage', 'GNU tar is not installed here', {
      hint: 'install it, or get everything back as RECOVERY.md in the repository says',
      cause: error,
    });
  }
  return child;
}

async function feed(tar: Bytes, child: ChildProcess, signal: AbortSignal): Promise<void> {
  if (child.stdin === null) return;
  child.stdin.on('error', () => undefined); // tar ended first: its status and messages say why
  try {
    await writeAll(inLargePieces(tar), child.stdin);
    child.stdin.end();
  } catch (error) {
    signal.throwIfAborted();
    child.kill();
    throw error;
  }
  signal.throwIfAborted();
}

async function messagesOf(child: ChildProcess): Promise<readonly string[]> {
  if (child.stderr === null) return [];
  return (await buffer(child.stderr))
    .toString()
    .split('\n')
    .filter((line) => line.trim() !== '');
}

async function assertEnded(child: ChildProcess, messages: readonly string[]): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
  if (child.exitCode === 0) return;
  const isInTheWay = messages.some((message) => /File exists|Directory not empty|Is a directory/.test(message));
  throw new McadsError(isInTheWay ? 'usage' : 'component-failed', `tar could not extract everything: ${messages.slice(-3).join('; ')}`, {
    hint: isInTheWay
      ? 'something else lies where a file belongs: give another --target'
      : 'owners, devices and some attributes need root; look at the free space of the target as well',
  });
}
