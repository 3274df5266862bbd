import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

export interface ProgramResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly cwd?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly environment?: Readonly<Record<string, string>> | undefined;
}

/** Runs a program for its words, in the C locale. Null where it is not installed; an ended time limit is a null code. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: ProgramOptions,
  signal: AbortSignal,
): Promise<ProgramResult | null> {
  signal.throwIfAborted();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs ?? 30_000)]);
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: limit,
    killSignal: 'SIGKILL',
    env: { ...process.env, LC_ALL: 'C', SYSTEMD_COLORS: '0', SYSTEMD_PAGER: '', ...options.environment },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  child.on('error', () => undefined); // told below
  try {
    await once(child, 'spawn');
  } catch (error) {
    signal.throwIfAborted();
    if (isMissing(error)) return null;
    throw error;
  }
  const ended = child.exitCode === null && child.signalCode === null ? once(child, 'close') : Promise.resolve();
  ended.catch(() => undefined); // an abort: the code says it
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await ended.catch(() => undefined);
  signal.throwIfAborted();
  return { code: child.exitCode, stdout, stderr };
}

export function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR';
}
