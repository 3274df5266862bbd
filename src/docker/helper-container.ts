import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { ExecHandle, ExecOptions } from '../domain/ports.ts';
import type { HelperWeights } from '../domain/tree.ts';
import { McadsError, messageOf } from '../errors.ts';
import type { ContainerJson } from './engine-api.ts';
import type { EngineClient } from './engine-client.ts';
import { statusOf, toEngineError } from './engine-errors.ts';
import { exec, type ExecLimits } from './exec.ts';
import { HELPER, NO_COMPOSE_LABELS } from './labels.ts';
import { ownerLabel, type Owner } from './owner.ts';
import { HelperShell } from './helper-shell.ts';
import { execThroughPipe, type StartCommand } from './piped-exec.ts';
import type { PipeFolder } from './pipe-folder.ts';

/** A mount for the Mounts API, which (unlike `Binds`) never creates a missing host folder. */
export interface HelperMount {
  readonly type: 'volume' | 'bind';
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

export interface HelperSpec {
  readonly image: string;
  readonly purpose: string;
  readonly mounts: readonly HelperMount[];
  readonly owner: Owner;
  /** What it may do beyond reading everything. */
  readonly capabilities?: readonly string[];
  readonly weights?: HelperWeights | undefined;
  readonly unifiedGroups?: boolean | undefined;
  readonly log: (level: 'debug' | 'info' | 'warn', message: string) => void;
}

export const PIPE_MOUNT_POINT = '/mcads/pipes';
const HEARTBEAT_MS = 60_000;
const REMOVE_TIMEOUT_MS = 60_000;
const LOOK_TIMEOUT_MS = 10_000;
const WEEK_SECONDS = 604_800;

/**
 * A shell that is told on its stdin what to run. The engine closes that as soon as our connection is gone: however this process dies, the helper
 * and everything that runs in it end with it. The time limit is for an engine that loses the connection and keeps stdin open.
 */
const SHELL = `if command -v timeout >/dev/null; then exec timeout ${WEEK_SECONDS} sh; else exec sh; fi`;

/** Thrown when the image lacks a program that every helper needs: another image may do. */
export class UnfitImageError extends McadsError {}

/** A running container of ours that commands are run in: no network, no rights but to read everything (and those asked for), removed at the end. */
export class HelperContainer implements AsyncDisposable {
  readonly id: string;
  readonly pipes: PipeFolder | null;
  readonly #client: EngineClient;
  readonly #spec: HelperSpec;
  readonly #shell: HelperShell;
  readonly #connection: AbortController;
  readonly #heartbeat: NodeJS.Timeout;

  private constructor(
    id: string,
    pipes: PipeFolder | null,
    client: EngineClient,
    spec: HelperSpec,
    attached: Duplex,
    connection: AbortController,
  ) {
    this.id = id;
    this.pipes = pipes;
    this.#client = client;
    this.#spec = spec;
    this.#shell = new HelperShell(attached, async () => whyGone(client, id));
    this.#connection = connection;
    // Proxies cut connections that are silent for minutes.
    this.#heartbeat = setInterval(() => this.#shell.touch(), HEARTBEAT_MS).unref();
  }

  /** Creates and starts it. `pipes` becomes the helper's to dispose. Rejects `UnfitImageError`, or `component-failed` for a mount that cannot be. */
  static async start(client: EngineClient, spec: HelperSpec, pipes: PipeFolder | null, signal: AbortSignal): Promise<HelperContainer> {
    // A FIFO is written to all the same; what comes too late for one that is gone must not leave a file in its place.
    const pipeMount =
      pipes === null ? [] : [{ type: pipes.mount.type, source: pipes.mount.source, target: PIPE_MOUNT_POINT, readOnly: true }];
    const id = await createHelper(client, { ...spec, mounts: [...spec.mounts, ...pipeMount] }, ['sh', '-c', SHELL], signal);
    const connection = new AbortController();
    try {
      const attached = await client.hijack(
        `/containers/${id}/attach`,
        { query: { stream: true, stdin: true, stdout: true } },
        'attaching to a helper container',
        connection.signal,
      );
      await startHelper(client, id, spec, signal);
      return new HelperContainer(id, pipes, client, spec, attached, connection);
    } catch (error) {
      connection.abort();
      await removeHelper(client, id, spec.log);
      throw error;
    }
  }

  /** Through the engine's stream. */
  async exec(argv: readonly string[], options: ExecOptions & ExecLimits, signal: AbortSignal): Promise<ExecHandle> {
    return exec(this.#client, this.id, argv, options, signal);
  }

  /** Through FIFOs; only with a pipe folder. Rejects as `execThroughPipe`. */
  async execPiped(argv: readonly string[], options: ExecOptions & ExecLimits, signal: AbortSignal): Promise<ExecHandle> {
    const { pipes } = this;
    if (pipes === null) throw new McadsError('unexpected', 'a helper without a pipe folder was asked for a pipe');
    // The shell runs everything as it is itself; a command of another user or with secrets in its environment is the engine's to start.
    const isPlain = options.user === undefined && options.environment === undefined && options.workingDirectory === undefined;
    const start: StartCommand = isPlain
      ? async (wrapped, limits, until) => this.#shell.start(pipes, PIPE_MOUNT_POINT, wrapped, limits, until)
      : async (...started) => this.exec(...started);
    return execThroughPipe(start, pipes, PIPE_MOUNT_POINT, argv, options, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#heartbeat);
    this.#shell.close();
    this.#connection.abort();
    await removeHelper(this.#client, this.id, this.#spec.log);
    await this.pipes?.[Symbol.asyncDispose]();
  }
}

/** Creates a helper container without starting it; the caller removes it with `removeHelper`. */
export async function createHelper(
  client: EngineClient,
  spec: HelperSpec,
  entrypoint: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const body = {
    Image: spec.image,
    Entrypoint: entrypoint,
    Cmd: [],
    User: '0:0',
    WorkingDir: '/',
    Healthcheck: { Test: ['NONE'] },
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: false,
    Tty: false,
    NetworkDisabled: true,
    Labels: { ...NO_COMPOSE_LABELS, [HELPER]: spec.purpose, ...ownerLabel(spec.owner) },
    HostConfig: {
      NetworkMode: 'none',
      CapDrop: ['ALL'],
      CapAdd: ['DAC_READ_SEARCH', ...(spec.capabilities ?? [])],
      // Volumes that SELinux labels for one container are read too.
      SecurityOpt: ['no-new-privileges', 'label=disable'],
      LogConfig: { Type: 'none' },
      AutoRemove: true,
      ...weightFields(spec.weights, spec.unifiedGroups === true),
      Mounts: spec.mounts.map(({ type, source, target, readOnly }) => ({
        Type: type,
        Source: source,
        Target: target,
        ReadOnly: readOnly,
        // Of a bind the engine chooses the propagation itself: private, but for what holds its own data, which it refuses to mount so.
        ...(type === 'volume' ? { VolumeOptions: { NoCopy: true } } : {}),
      })),
    },
  };
  const name = `mcads-${spec.purpose.replace(/[^a-zA-Z0-9_.-]+/g, '-').slice(0, 40)}-${randomBytes(5).toString('hex')}`;
  try {
    const { Id: id } = await client.json<{ readonly Id: string }>(
      'POST',
      '/containers/create',
      { query: { name }, body },
      'creating a helper container',
      signal,
    );
    return id;
  } catch (error) {
    if (statusOf(error) === 404) throw new UnfitImageError('engine-failed', `the engine has no image ${spec.image}`, { cause: error });
    throw asMountError(error, spec);
  }
}

/**
 * Weights as the engine wants them, of which everybody else has 500 for us. A kernel without weights for disks makes the engine warn and go on.
 * In unified control groups who was given none has 100, and runc writes 1 + (weight - 10) * 9999 / 990 to `io.weight` (to `io.bfq.weight`, where
 * there is one, the weight itself, which then is gentler than asked): 200 as it is would be twenty times everybody else's.
 */
export function weightFields(
  weights: HelperWeights | undefined,
  unified: boolean,
): { readonly CpuShares?: number; readonly BlkioWeight?: number } {
  return {
    ...(weights === undefined || weights.cpu === null ? {} : { CpuShares: Math.round((weights.cpu * 1024) / 500) }),
    ...(weights === undefined || weights.io === null
      ? {}
      : { BlkioWeight: unified ? Math.round(10 + ((weights.io / 5 - 1) * 990) / 9999) : weights.io }),
  };
}

/** Removes with force and anonymous volumes, under a time limit of its own. What fails is logged: its labels let `recover` find it. */
export async function removeHelper(client: EngineClient, id: string, log: HelperSpec['log']): Promise<void> {
  const signal = AbortSignal.timeout(REMOVE_TIMEOUT_MS);
  try {
    // 404: it is gone; 409: the engine is at it.
    await client.send(
      'DELETE',
      `/containers/${id}`,
      { query: { force: true, v: true } },
      'removing a helper container',
      signal,
      [404, 409],
    );
  } catch (error) {
    log('warn', `helper container ${id.slice(0, 12)} is still there: ${messageOf(error)}`);
  }
}

/** Why a helper's shell is not heard any more. */
async function whyGone(client: EngineClient, id: string): Promise<McadsError> {
  const doing = 'looking at a helper container';
  const signal = AbortSignal.timeout(LOOK_TIMEOUT_MS);
  try {
    const found = await client.find<ContainerJson>(`/containers/${id}/json`, {}, doing, signal);
    const what = found?.State.Running === true ? 'its connection ended' : 'it was stopped or removed';
    return new McadsError('engine-failed', `a helper container was lost while it worked: ${what}`);
  } catch (error) {
    return toEngineError(error, doing, client.endpoint);
  }
}

async function startHelper(client: EngineClient, id: string, spec: HelperSpec, signal: AbortSignal): Promise<void> {
  try {
    await client.send('POST', `/containers/${id}/start`, {}, 'starting a helper container', signal);
  } catch (error) {
    if (
      /executable file not found|exec format error|exec: |no such file or directory: unknown/.test(messageOf(error)) &&
      statusOf(error) !== null
    ) {
      throw new UnfitImageError('engine-failed', `image ${spec.image} has no shell`, { cause: error });
    }
    throw asMountError(error, spec);
  }
}

function asMountError(error: unknown, spec: HelperSpec): unknown {
  if (statusOf(error) === null || !/bind source path does not exist|mount|volume/.test(messageOf(error))) return error;
  // The options of a network filesystem may hold its password.
  const text = messageOf(error).replace(/\b((?:pass|pwd|secret|token|credential)[a-z0-9_]*)=[^,\s"']+/gi, '$1=…');
  const named = spec.mounts.map(({ source }) => source).filter((source) => text.includes(source));
  const sources = (named.length > 0 ? named : spec.mounts.map(({ source }) => source)).join(', ');
  return new McadsError('component-failed', `the engine cannot mount ${sources}: ${text}`, { cause: error });
}
