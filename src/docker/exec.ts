import { setTimeout as delay } from 'node:timers/promises';
import { Readable, type Duplex } from 'node:stream';
import type { Bytes } from '../domain/byte-stream.ts';
import type { ExecExit, ExecHandle, ExecOptions } from '../domain/ports.ts';
import { Secret } from '../domain/secret.ts';
import { McadsError } from '../errors.ts';
import { releasePiece } from '../stream/release-buffer.ts';
import { Tail } from '../stream/tail.ts';
import { writeAll } from '../stream/write-all.ts';
import type { ContainerJson, ExecJson } from './engine-api.ts';
import type { EngineClient } from './engine-client.ts';
import { cancelled, isNotFound, statusOf, toEngineError } from './engine-errors.ts';
import { FrameParser } from './frame-parser.ts';

export const STDERR_TAIL_BYTES = 16 * 1024;
/** Each is what one read of the socket gave: 64 KiB, twice as much where it had to wait. An unread stdout holds the process back. */
const PIECES_WAITING = 4;

export interface ExecLimits {
  /** How much of stderr's end is kept. */
  readonly stderrBytes?: number;
}
const SLOWEST_POLL_MS = 250;

/**
 * Runs a command in a running container. The exit is told only after the stream's frames were whole, the engine's own word
 * on the exit code, and a second look at the container: removed or restarted meanwhile is a failure whatever the code.
 * A command that cannot be started exits with 126 or 127 and the engine's text as stderr, as with `docker exec`.
 * Ending stdout early or aborting lets go of the process but does not kill it: the engine has no call for that.
 */
export async function exec(
  client: EngineClient,
  container: string,
  argv: readonly string[],
  options: ExecOptions & ExecLimits,
  signal: AbortSignal,
): Promise<ExecHandle> {
  const what = `exec of ${argv[0] ?? 'nothing'} in ${container.slice(0, 24)}`;
  const before = await identify(client, container, signal);
  const { Id: id } = await client.json<{ readonly Id: string }>(
    'POST',
    `/containers/${encodeURIComponent(before.id)}/exec`,
    {
      body: {
        AttachStdin: options.input !== undefined,
        AttachStdout: true,
        AttachStderr: true,
        Tty: false,
        Cmd: argv,
        Env: environmentList(options.environment),
        ...(options.user === undefined ? {} : { User: options.user }),
        ...(options.workingDirectory === undefined ? {} : { WorkingDir: options.workingDirectory }),
      },
    },
    `creating an ${what}`,
    signal,
  );
  let socket: Duplex;
  try {
    socket = await client.hijack(`/exec/${id}/start`, { body: { Detach: false, Tty: false } }, `starting an ${what}`, signal);
  } catch (error) {
    // Newer engines answer so where older ones write plain text into the stream.
    const code = statusOf(error) === null ? null : await failedStart(client, id, signal);
    if (code === null || !(error instanceof McadsError)) throw error;
    return { stdout: Readable.from([]), exit: Promise.resolve({ code, stderr: error.message }) };
  }
  const pump = new ExecPump(socket, client, what, options.stderrBytes ?? STDERR_TAIL_BYTES, signal);
  if (options.input !== undefined) pump.feed(options.input);
  const exit = finish();
  exit.catch(() => undefined); // handed out for later
  return { stdout: pump.stdout, exit };

  async function finish(): Promise<ExecExit> {
    try {
      const { stderr, plainText } = await pump.done;
      const code = await exitCode(client, id, what, signal);
      const after = await identify(client, before.id, signal);
      // Stopping a container kills what runs in it first; the exec's end may be seen before the container's.
      if (!after.running) throw new McadsError('engine-failed', `${what}: the container was stopped meanwhile`);
      if (after.startedAt !== before.startedAt) throw new McadsError('engine-failed', `${what}: the container was restarted meanwhile`);
      pump.finish(null);
      return plainText === null ? { code, stderr } : { code: code === 0 ? 126 : code, stderr: plainText };
    } catch (error) {
      const told = isNotFound(error)
        ? new McadsError('engine-failed', `${what}: the container was removed or restarted meanwhile`, { cause: error })
        : error;
      pump.finish(toEngineError(told, what, client.endpoint, signal));
      throw toEngineError(told, what, client.endpoint, signal);
    }
  }
}

/** Moves one hijacked connection: frames to stdout and the tail of stderr, input the other way. */
class ExecPump {
  /** Ends only after the exit is known to be told without an error; an unread one holds the process back, not our memory. */
  readonly stdout: Readable;
  readonly done: Promise<{ readonly stderr: string; readonly plainText: string | null }>;
  readonly #socket: Duplex;
  #inputFailure: Error | null = null;
  #resume: (() => void) | null = null;

  constructor(socket: Duplex, client: EngineClient, what: string, stderrBytes: number, signal: AbortSignal) {
    this.#socket = socket;
    socket.on('error', () => undefined); // the pump's own read rejects with it
    this.stdout = new Readable({
      // Piece by piece: a reader that is behind would get copies of many pieces in one.
      objectMode: true,
      highWaterMark: PIECES_WAITING,
      read: () => this.#resume?.(),
      destroy: (error, callback) => {
        this.#resume?.();
        socket.destroy();
        callback(error);
      },
    });
    this.stdout.on('error', () => undefined); // told through `exit` too, which has a catch of its own
    this.done = this.#pump(client, what, new Tail(stderrBytes), signal);
    this.done.catch(() => undefined); // handed out for later
  }

  /** Ends stdout well, or breaks it. */
  finish(error: Error | null): void {
    this.#socket.destroy();
    if (error === null) this.stdout.push(null);
    else this.stdout.destroy(error);
  }

  feed(input: Bytes): void {
    void this.#feed(input);
  }

  async #pump(
    client: EngineClient,
    what: string,
    tail: Tail,
    signal: AbortSignal,
  ): Promise<{ readonly stderr: string; readonly plainText: string | null }> {
    const parser = new FrameParser();
    try {
      for await (const chunk of this.#socket as AsyncIterable<Buffer>) {
        // a socket without encoding yields buffers
        const parts: Buffer[] = [];
        for (const { type, data } of parser.push(chunk)) {
          if (type === 2) tail.push(data);
          else parts.push(data);
        }
        const room = parts.length === 0 || this.stdout.push(ownCopy(parts));
        // The readers of a dump give their copies back likewise: as garbage of 64 KiB each they cost a seventh of a dump's processor time.
        releasePiece(chunk);
        if (!room && !this.stdout.destroyed) await this.#room();
        if (this.stdout.destroyed) throw new McadsError('engine-failed', `${what}: its output was abandoned`);
      }
    } catch (error) {
      throw (
        this.#inputFailure ??
        (this.stdout.destroyed && !signal.aborted
          ? new McadsError('engine-failed', `${what}: its output was abandoned`)
          : toEngineError(error, what, client.endpoint, signal))
      );
    }
    if (this.#inputFailure !== null) throw this.#inputFailure;
    if (signal.aborted) throw cancelled(signal);
    parser.end();
    return { stderr: tail.toString(), plainText: parser.plainText };
  }

  async #room(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#resume = resolve;
    await promise;
    this.#resume = null;
  }

  async #feed(input: Bytes): Promise<void> {
    try {
      // A process may exit without reading everything; its exit code is the verdict then.
      await writeAll(input, this.#socket);
      this.#socket.end();
    } catch (error) {
      this.#inputFailure = error instanceof Error ? error : new Error(String(error));
      this.#socket.destroy();
    }
  }
}

/** The same bytes in a buffer that is nobody else's. */
function ownCopy(parts: readonly Buffer[]): Buffer {
  const copy = Buffer.allocUnsafeSlow(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) at += part.copy(copy, at);
  return copy;
}

/** Asks until the engine says that the process is over: the stream's end comes a moment earlier. */
async function exitCode(client: EngineClient, id: string, what: string, signal: AbortSignal): Promise<number> {
  for (let wait = 2; ; wait = Math.min(wait * 2, SLOWEST_POLL_MS)) {
    const state = await client.json<ExecJson>('GET', `/exec/${id}/json`, {}, `looking at an ${what}`, signal);
    if (!state.Running) {
      if (typeof state.ExitCode === 'number') return state.ExitCode;
      throw new McadsError('engine-failed', `${what}: the engine knows no exit code`);
    }
    await delay(wait, undefined, { signal });
  }
}

async function failedStart(client: EngineClient, id: string, signal: AbortSignal): Promise<number | null> {
  const state = await client.find<ExecJson>(`/exec/${id}/json`, {}, 'looking at an exec', signal);
  return state !== null && !state.Running && (state.ExitCode === 126 || state.ExitCode === 127) ? state.ExitCode : null;
}

async function identify(
  client: EngineClient,
  container: string,
  signal: AbortSignal,
): Promise<{ readonly id: string; readonly startedAt: string; readonly running: boolean }> {
  const found = await client.json<ContainerJson>(
    'GET',
    `/containers/${encodeURIComponent(container)}/json`,
    {},
    `looking at container ${container}`,
    signal,
  );
  return { id: found.Id, startedAt: found.State.StartedAt, running: found.State.Running };
}

function environmentList(environment: ExecOptions['environment']): readonly string[] {
  return Object.entries(environment ?? {}).map(([name, value]) => `${name}=${value instanceof Secret ? value.reveal() : value}`);
}
