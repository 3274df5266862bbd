import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import type { ExecExit, ExecHandle, ExecOptions } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import { writeAll } from '../stream/write-all.ts';
import { isMissing } from './run-program.ts';

const KEPT_WORDS = 16 * 1024;
/** What a shell answers for a program that is not there. */
const NOT_FOUND = 127;

/**
 * Runs a program of this machine as an engine runs one in a container. Settings that libpq would take from this process's environment are left
 * out: what the connection is to be is told by the caller. A program that is not installed is exit 127.
 */
export async function execHere(argv: readonly string[], options: ExecOptions, signal: AbortSignal): Promise<ExecHandle> {
  signal.throwIfAborted();
  const [program = '', ...args] = argv;
  const given = revealed(options.environment);
  const unusable = Object.entries(given).find(([, value]) => value.includes('\0'))?.[0];
  // Node's own words for it hold the value.
  if (unusable !== undefined) throw new McadsError('component-failed', `${unusable} for ${program} holds a zero byte`);
  const child = spawn(program, args, {
    stdio: 'pipe',
    signal,
    killSignal: 'SIGKILL',
    env: { ...withoutLibpq(process.env), ...given },
    ...(options.workingDirectory === undefined ? {} : { cwd: options.workingDirectory }),
  });
  child.on('error', () => undefined); // told by the exit
  try {
    await once(child, 'spawn');
  } catch (error) {
    signal.throwIfAborted();
    if (!isMissing(error)) throw error;
    return { stdout: nothing(), exit: Promise.resolve({ code: NOT_FOUND, stderr: `${program}: not found` }) };
  }
  const words = lastWords(child.stderr);
  const input: { failure?: Error } = {};
  if (options.input === undefined) child.stdin.end();
  else {
    const { stdin } = child;
    stdin.on('error', () => undefined); // it ended before it had read everything: its words say why
    const fed = writeAll(options.input, stdin).then(() => stdin.end());
    fed.catch((error: unknown) => {
      input.failure = error instanceof Error ? error : new Error(String(error));
      child.kill('SIGKILL');
    });
  }
  const exit = (async (): Promise<ExecExit> => {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close').catch(() => undefined); // an abort is told below
    signal.throwIfAborted();
    if (input.failure !== undefined) throw input.failure;
    const killedBy = child.signalCode === null ? 0 : constants.signals[child.signalCode];
    return { code: child.exitCode ?? 128 + killedBy, stderr: await words };
  })();
  exit.catch(() => undefined); // handed out for later
  return { stdout: child.stdout, exit };
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  yield* [];
}

async function lastWords(stream: Readable): Promise<string> {
  let words = '';
  for await (const piece of stream.setEncoding('utf8')) words = `${words}${String(piece)}`.slice(-KEPT_WORDS);
  return words;
}

/** An environment in which libpq finds no settings of its own. */
export function withoutLibpq(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !/^PG[A-Z]/.test(name)));
}

function revealed(environment: ExecOptions['environment']): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(environment ?? {}).map(([name, value]) => [name, typeof value === 'string' ? value : value.reveal()]),
  );
}
