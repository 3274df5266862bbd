import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { Bytes } from '../domain/byte-stream.ts';
import { inLargePieces } from '../stream/large-pieces.ts';
import { writeAll } from '../stream/write-all.ts';
import type { ExecHandle, ExecOptions } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import type { ExecLimits } from './exec.ts';
import type { PipeFolder } from './pipe-folder.ts';

const FIRST_NONCE_MS = 5_000;
const LATER_NONCE_MS = 60_000;

const proven = new WeakSet<PipeFolder>();

/** Starts a command in the helper; its stdout and stdin stay unused, its exit counts. */
export type StartCommand = (
  argv: readonly string[],
  options: ExecOptions & ExecLimits,
  signal: AbortSignal,
) => Promise<Pick<ExecHandle, 'exit'>>;

/** Opening either FIFO cannot block: this process holds the other ends. The line proves that both sides have the same FIFO. */
const WRAPPER = '[ -z "$1" ] || exec <"$1" || exit 125; exec >"$2" || exit 125; printf "%s\\n" "$3" || exit 125; shift 3; exec "$@"';

/**
 * Runs a command whose stdout (and stdin) go through FIFOs, past the engine. Rejects `engine-failed` with `context.pipe` where
 * no first line comes within five seconds: the folder is not shared. A folder that has proven itself gets a minute, for busy machines. Ending stdout early ends the command by SIGPIPE.
 */
export async function execThroughPipe(
  start: StartCommand,
  folder: PipeFolder,
  mountPoint: string,
  argv: readonly string[],
  options: ExecOptions & ExecLimits,
  signal: AbortSignal,
): Promise<ExecHandle> {
  const { input, ...rest } = options;
  const out = await folder.createPipe();
  const inward = input === undefined ? null : await folder.createPipe();
  const limitMs = proven.has(folder) ? LATER_NONCE_MS : FIRST_NONCE_MS;
  const nonce = randomBytes(16).toString('hex');
  // Non-blocking: a blocking open of a FIFO that nobody writes hangs a thread, and with it the end of this process.
  const socket = new Socket({ fd: openSync(out.path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false });
  socket.on('error', () => undefined); // told through stdout's iteration
  const held = inward === null ? null : openSync(inward.path, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    const wrapped = [
      'sh',
      '-c',
      WRAPPER,
      'sh',
      inward === null ? '' : `${mountPoint}/${inward.below}`,
      `${mountPoint}/${out.below}`,
      nonce,
      ...argv,
    ];
    const handle = await start(wrapped, rest, signal);
    handle.exit.catch((error: unknown) => socket.destroy(error instanceof Error ? error : new Error(String(error))));
    await awaitNonce(socket, nonce, handle.exit, limitMs, signal);
    proven.add(folder);
    if (input === undefined || inward === null) return { stdout: socket as Readable, exit: handle.exit };
    const fed = feed(input, openSync(inward.path, constants.O_WRONLY | constants.O_NONBLOCK), handle.exit);
    fed.catch(() => undefined); // awaited after the exit
    const exit = handle.exit.then(async (ended) => {
      // Without the rest of its input a command's exit means nothing.
      await fed;
      return ended;
    });
    exit.catch((error: unknown) => socket.destroy(error instanceof Error ? error : new Error(String(error))));
    return { stdout: socket as Readable, exit };
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    if (held !== null) closeSync(held);
    await Promise.all([out, inward].map(async (pipe) => pipe && rm(pipe.path, { force: true }))); // both sides have it open
  }
}

async function awaitNonce(socket: Socket, nonce: string, exit: ExecHandle['exit'], limitMs: number, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  const expected = Buffer.from(`${nonce}\n`);
  let ended: string | null = null;
  const over = exit.then(({ code, stderr }) => {
    ended = `status ${code}: ${stderr.trim().slice(-300)}`;
  });
  over.catch(() => undefined); // awaited below only while the first line is missing
  for (;;) {
    const chunk = socket.read(expected.length) as Buffer | null; // no encoding is set
    if (chunk !== null) {
      if (chunk.equals(expected)) return;
      throw noPipe('another first line came');
    }
    if (ended !== null || socket.readableEnded || socket.destroyed) throw noPipe(ended ?? 'the pipe ended');
    if (limit.aborted) throw signal.aborted ? new McadsError('cancelled', 'cancelled', { cause: signal.reason }) : noPipe('nothing came');
    const stop = new AbortController();
    try {
      const both = AbortSignal.any([limit, stop.signal]);
      await Promise.race([once(socket, 'readable', { signal: both }), once(socket, 'end', { signal: both }), over]);
    } catch (error) {
      if (!limit.aborted) throw error;
    } finally {
      stop.abort();
    }
  }
}

function noPipe(why: string): McadsError {
  return new McadsError('engine-failed', `a pipe could not be shared with a helper container (${why})`, { context: { pipe: true } });
}

export function isPipeFailure(error: unknown): boolean {
  return error instanceof McadsError && error.context['pipe'] === true;
}

/** Writes all of `input` and closes the FIFO; rejects when the input does. A command may end without reading everything. */
async function feed(input: Bytes, fd: number, exit: ExecHandle['exit']): Promise<void> {
  const writer = new Socket({ fd, readable: false, writable: true });
  writer.on('error', () => undefined); // EPIPE: the command reads no more
  const stop = (): void => void writer.destroy();
  exit.then(stop, stop);
  try {
    await writeAll(inLargePieces(input), writer);
  } finally {
    writer.destroy(); // a FIFO knows no half-close: closing it is its end
  }
}
