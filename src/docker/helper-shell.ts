import { closeSync, constants, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ExecExit, ExecHandle } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import { Tail } from '../stream/tail.ts';
import { shellQuote } from '../stream/tree-commands.ts';
import { cancelled } from './engine-errors.ts';
import { STDERR_TAIL_BYTES, type ExecLimits } from './exec.ts';
import { FrameParser } from './frame-parser.ts';
import type { PipeFolder } from './pipe-folder.ts';

/** A line says that a command has its stderr (`+`), or which one ended and with what status; an empty one that the connection lives. */
const BEGUN = /^\+(\d+)$/;
const ENDED = /^(\d+) (\d+)$/;
const LONGEST_LINE = 1024;
/** After the end of a command's stderr its status comes at once, unless who was to tell it was killed. */
const STATUS_MS = 60_000;

interface Running {
  readonly begun: () => void;
  readonly ended: (code: number) => void;
  readonly lost: (error: Error) => void;
}

/**
 * The shell in a helper container, told on its stdin what to run. Decision: not the engine's exec. That is five calls and a start of runc, 55 ms and as
 * much processor time for each of the dozen commands and the flushes of a restore, and while it swaps, services wait.
 *
 * Each command runs in the background, its stderr in a FIFO. Its exit is what the shell says when it is over; the end of the connection is an error of
 * all that still run.
 */
export class HelperShell {
  readonly #connection: Duplex;
  readonly #whyGone: () => Promise<Error>;
  readonly #statusMs: number;
  readonly #running = new Map<number, Running>();
  #started = 0;
  #isOver = false;

  /** `connection`: the container's attached stdin and stdout, multiplexed. `whyGone` is asked where that ends and something still runs, and for all that is to begin later. */
  constructor(connection: Duplex, whyGone: () => Promise<Error>, statusMs = STATUS_MS) {
    this.#connection = connection;
    this.#whyGone = whyGone;
    this.#statusMs = statusMs;
    connection.on('error', () => undefined); // the reading below ends with it
    void this.#listen();
  }

  /**
   * Starts a command with nothing on its stdin. Aborting lets go of it and does not kill it. Its exit rejects `engine-failed` or `engine-lost` where the
   * helper or the engine went before it was told.
   */
  async start(
    folder: PipeFolder,
    mountPoint: string,
    argv: readonly string[],
    { stderrBytes = STDERR_TAIL_BYTES }: ExecLimits,
    signal: AbortSignal,
  ): Promise<Pick<ExecHandle, 'exit'>> {
    const said = await folder.createPipe();
    const remove = async (): Promise<void> => rm(said.path, { force: true });
    try {
      if (signal.aborted) throw cancelled(signal);
      if (this.#isOver) throw await this.#whyGone();
      const exit = this.#run(said.path, `${mountPoint}/${said.below}`, argv, stderrBytes, signal);
      exit.then(remove, remove);
      return { exit };
    } catch (error) {
      await remove();
      throw error;
    }
  }

  #run(path: string, pathThere: string, argv: readonly string[], stderrBytes: number, signal: AbortSignal): Promise<ExecExit> {
    const said = openStderr(path);
    const stderr = tailOf(said.socket, stderrBytes);
    const number = (this.#started += 1);
    const ended = Promise.withResolvers<number>();
    const lost = (error: Error): void => {
      ended.reject(error);
      said.socket.destroy(error);
    };
    const abort = (): void => lost(cancelled(signal));
    signal.addEventListener('abort', abort, { once: true });
    this.#running.set(number, { begun: said.release, ended: ended.resolve, lost });
    let limit: NodeJS.Timeout | undefined;
    stderr.then(
      () => {
        const gone = new McadsError('engine-failed', 'a command in a helper container ended, and nothing told how');
        limit = setTimeout(() => lost(gone), this.#statusMs);
      },
      () => undefined, // awaited after the end
    );
    const exit = async (): Promise<ExecExit> => {
      try {
        const code = await ended.promise.finally(said.release);
        return { code, stderr: await stderr };
      } finally {
        clearTimeout(limit);
        signal.removeEventListener('abort', abort);
        this.#running.delete(number);
      }
    };
    const told = exit();
    this.#write(
      `{ ( exec 2>${shellQuote(pathThere)}; printf '+%s\\n' ${number}; exec ${argv.map(shellQuote).join(' ')} ); printf '%s %s\\n' ${number} "$?"; } & job${number}=$!`,
    );
    return told;
  }

  /** Makes it answer, for whoever cuts connections that are silent. */
  touch(): void {
    this.#write('echo');
  }

  /** The helper is to go: nobody is told why. */
  close(): void {
    this.#isOver = true;
    this.#lose(new McadsError('engine-failed', 'the helper container was given up while a command ran in it'));
    this.#connection.destroy();
  }

  #write(line: string): void {
    if (this.#connection.writable) this.#connection.write(`${line}\n`);
  }

  async #listen(): Promise<void> {
    const parser = new FrameParser();
    let line = '';
    let broken: Error | null = null;
    try {
      for await (const chunk of this.#connection as AsyncIterable<Buffer>) {
        // a socket without encoding yields buffers
        for (const { data } of parser.push(chunk)) {
          const lines = `${line}${data.toString('latin1')}`.split('\n');
          line = (lines.pop() ?? '').slice(0, LONGEST_LINE);
          for (const one of lines) this.#told(one);
        }
        if (parser.plainText !== null)
          throw new McadsError('engine-failed', `a helper container's output is not framed: ${parser.plainText}`);
      }
    } catch (error) {
      // How a connection ended is of no interest; that its frames are none is.
      if (error instanceof McadsError && error.code === 'engine-failed') broken = error;
    }
    this.#connection.destroy();
    const wasOver = this.#isOver;
    this.#isOver = true;
    if (wasOver || this.#running.size === 0) return;
    this.#lose(broken ?? (await this.#whyGone()));
  }

  #told(line: string): void {
    const begun = BEGUN.exec(line)?.[1];
    if (begun !== undefined) this.#running.get(Number(begun))?.begun();
    const [, number = '', code = ''] = ENDED.exec(line) ?? [];
    const running = this.#running.get(Number(number));
    if (running === undefined) return;
    running.ended(Number(code));
    this.#write(`wait "$job${number}"; unset job${number}`); // it stays a zombie otherwise
  }

  #lose(error: Error): void {
    for (const { lost } of this.#running.values()) lost(error);
  }
}

/** Our own end for writing, until it is released: without it the FIFO ends before a slow command opens it, or never where none does. */
function openStderr(path: string): { readonly socket: Socket; readonly release: () => void } {
  let held: number | null = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const release = (): void => {
    if (held !== null) closeSync(held);
    held = null;
  };
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return { socket: new Socket({ fd, readable: true, writable: false }), release };
  } catch (error) {
    release();
    throw error;
  }
}

async function tailOf(socket: Socket, limit: number): Promise<string> {
  const tail = new Tail(limit);
  for await (const piece of socket as AsyncIterable<Buffer>) tail.push(piece); // a socket without encoding yields buffers
  return tail.toString();
}
