import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface CommandOptions {
  readonly cwd?: string;
  /** Added to this process's environment; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string | Uint8Array | Readable;
  readonly signal?: AbortSignal;
  /** Exit codes other than 0 that are answers, not failures. `'any'` accepts every code. */
  readonly accept?: readonly number[] | 'any';
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end and hands back what it said. Rejects with its output when the exit code is not accepted. */
export async function runCommand(program: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    signal: options.signal,
  });
  const exit = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exit, feed(child.stdin, options.input)]);
  if (code !== 0 && options.accept !== 'any' && !options.accept?.includes(code)) {
    throw new Error(`${program} ${args.join(' ')} ended with ${code}\n${stderr.trim()}\n${stdout.trim()}`.trimEnd());
  }
  return { code, stdout, stderr };
}

/** Whether the program can be run at all and succeeds. */
export async function commandWorks(program: string, args: readonly string[], options: CommandOptions = {}): Promise<boolean> {
  return runCommand(program, args, options).then(
    () => true,
    () => false,
  );
}

async function text(stream: Readable | null): Promise<string> {
  const parts: Buffer[] = [];
  if (stream !== null) for await (const part of stream) parts.push(Buffer.from(part as Uint8Array));
  return Buffer.concat(parts).toString('utf8');
}

async function feed(stdin: NodeJS.WritableStream | null, input: CommandOptions['input']): Promise<void> {
  if (stdin === null || input === undefined) return;
  const source = typeof input === 'string' || input instanceof Uint8Array ? [input] : input;
  // A program may stop reading early; what it thought of its input is told by its exit code.
  await pipeline(source, stdin).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  });
}
