import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { Bytes } from '../domain/byte-stream.ts';
import type { ExecHandle } from '../domain/ports.ts';
import type { ScriptRunner } from '../stream/script-target.ts';
import { inLargePieces } from '../stream/large-pieces.ts';
import { writeAll } from '../stream/write-all.ts';

const STDERR_BYTES = 8 * 1024 * 1024;

/** Runs scripts as processes of this machine, each in a group of its own that an abort kills. */
export function localScripts(): ScriptRunner {
  return { run: async (argv, input, signal) => start(argv, input, signal), [Symbol.asyncDispose]: async () => undefined };
}

async function start([program = 'sh', ...args]: readonly string[], input: Bytes | undefined, signal: AbortSignal): Promise<ExecHandle> {
  signal.throwIfAborted();
  const child = spawn(program, args, { stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'], detached: true });
  const { stdin, stdout, stderr } = child;
  stdout?.on('readable', () => undefined); // read later: nothing of it may be thrown away at its end
  const kill = (): void => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // gone meanwhile is what was wanted
    }
  };
  signal.addEventListener('abort', kill, { once: true });
  const feeding = stdin === null || input === undefined ? Promise.resolve(null) : feed(input, stdin, kill);
  const words = stderr === null ? Promise.resolve('') : tailOf(stderr);
  const exit = Promise.all([once(child, 'close'), words, feeding])
    .then(([, said, failure]) => {
      signal.throwIfAborted();
      if (failure !== null) throw failure;
      return { code: child.exitCode ?? 137, stderr: said };
    })
    .finally(() => signal.removeEventListener('abort', kill));
  exit.catch(() => undefined); // handed out for later
  async function* body(): AsyncGenerator<Uint8Array> {
    let ended = false;
    try {
      if (stdout !== null) yield* stdout as AsyncIterable<Buffer>; // a pipe without encoding yields buffers
      ended = true;
    } finally {
      if (!ended) kill();
    }
  }
  return { stdout: body(), exit };
}

/** Null where all went in, or the program ended first: its own words say why. The source's failure comes before the program's. */
async function feed(input: Bytes, stdin: Writable, kill: () => void): Promise<Error | null> {
  stdin.on('error', () => undefined); // it reads no more
  try {
    await writeAll(inLargePieces(input), stdin);
    stdin.end();
    return null;
  } catch (error) {
    kill();
    return error instanceof Error ? error : new Error(String(error));
  }
}

async function tailOf(stderr: Readable): Promise<string> {
  let kept = '';
  stderr.setEncoding('utf8');
  for await (const part of stderr as AsyncIterable<string>) kept = (kept + part).slice(-STDERR_BYTES); // the encoding makes strings
  return kept;
}
