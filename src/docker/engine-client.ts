import type Docker from 'dockerode';
import { Agent as HttpAgent, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { addAbortSignal, type Duplex, type Readable } from 'node:stream';
import { inspect } from 'node:util';
import { McadsError } from '../errors.ts';
import type { Endpoint } from './endpoint.ts';
import { cancelled, statusOf, toConnectError, toEngineError } from './engine-errors.ts';
import { loadDockerode } from './lean-dockerode.ts';

/** The API versions that this tool was written for; the engine's own decides within them. */
export const OLDEST_API = '1.40';
export const NEWEST_API = '1.51';

const CONNECT_TIMEOUT_MS = 10_000;

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  readonly body?: object;
  /** A tar to send instead of a JSON body. */
  readonly file?: Uint8Array | Readable;
}

/** The part of docker-modem that is used; @types/dockerode leaves it untyped. */
interface Modem {
  dial(
    options: {
      path: string;
      method: Method;
      options: object;
      isStream: true;
      hijack?: boolean;
      openStdin?: boolean;
      file?: Uint8Array | Readable;
      abortSignal: AbortSignal;
      statusCodes: Readonly<Record<number, true>>;
    },
    callback: (error: Error | null, stream?: IncomingMessage) => void,
  ): void;
}

const GOOD = { 101: true, 200: true, 201: true, 202: true, 204: true, 304: true } as const;

/**
 * One engine's HTTP API in the negotiated version.
 *
 * Decision: every request goes through dockerode's modem as a stream. Its JSON path waits for ever when the engine dies
 * within an answer (it listens for `end` only), and its higher calls have no place for API fields that it does not know.
 * No keep-alive: a connection to a socket costs nothing, and an idle one neither keeps the process alive nor goes stale.
 */
export class EngineClient implements Disposable {
  readonly endpoint: Endpoint;
  readonly apiVersion: string;
  readonly #modem: Modem;
  readonly #agent: HttpAgent;

  private constructor(dockerode: typeof Docker, endpoint: Endpoint, apiVersion: string | null) {
    this.endpoint = endpoint;
    this.apiVersion = apiVersion ?? '';
    this.#agent =
      endpoint.kind === 'tcp' && endpoint.tls !== null
        ? new HttpsAgent({ keepAlive: false, rejectUnauthorized: endpoint.tls.verify })
        : new HttpAgent({ keepAlive: false });
    // The modem inspects its options in full depth for every request, debugging or not.
    Object.assign(this.#agent, { [inspect.custom]: () => 'agent' });
    this.#modem = withoutDockerHost(() => new dockerode(dockerOptions(endpoint, this.#agent, apiVersion)).modem as Modem); // see Modem
  }

  /** Connects and negotiates. Rejects `engine-unreachable` with the cure, also when nothing answers within ten seconds. */
  static async connect(endpoint: Endpoint, wantedVersion: string | undefined, signal: AbortSignal): Promise<EngineClient> {
    const dockerode = loadDockerode();
    using probe = new EngineClient(dockerode, endpoint, null);
    const limit = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
    try {
      const answer = await probe.request('GET', '/_ping', {}, 'connecting', AbortSignal.any([signal, limit]));
      const server = answer.headers['api-version'];
      answer.resume();
      return new EngineClient(dockerode, endpoint, negotiateVersion(typeof server === 'string' ? server : undefined, wantedVersion));
    } catch (error) {
      if (limit.aborted && !signal.aborted) {
        throw new McadsError(
          'engine-unreachable',
          `the engine at ${endpoint.printable} (${endpoint.from}) took the connection but does not answer`,
          {
            cause: error,
            hint: 'dockerd hangs or is starting: `systemctl status docker`, or choose another engine with --context or DOCKER_HOST.',
          },
        );
      }
      throw toConnectError(error, endpoint, signal);
    }
  }

  /** The answer's head; its body must be read or destroyed. Rejects our errors, a status from 400 on as `engine-failed` (`statusOf` tells it). */
  async request(method: Method, path: string, options: RequestOptions, doing: string, signal: AbortSignal): Promise<IncomingMessage> {
    return this.#dial(method, path, options, false, doing, signal);
  }

  /** A JSON answer; `T` is what the Engine API documents for it. */
  async json<T>(method: Method, path: string, options: RequestOptions, doing: string, signal: AbortSignal): Promise<T> {
    const response = await this.request(method, path, options, doing, signal);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk); // a response without encoding yields buffers
    } catch (error) {
      throw toEngineError(error, doing, this.endpoint, signal);
    }
    const text = Buffer.concat(chunks).toString();
    try {
      return (text.trim() === '' ? null : JSON.parse(text)) as T; // foreign JSON, as documented
    } catch (error) {
      throw new McadsError('engine-failed', `${doing}: the engine's answer is no JSON`, {
        cause: error,
        context: { start: text.slice(0, 200) },
      });
    }
  }

  /** Like `json`, null where the engine answers 404. */
  async find<T>(path: string, options: RequestOptions, doing: string, signal: AbortSignal): Promise<T | null> {
    try {
      return await this.json<T>('GET', path, options, doing, signal);
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw error;
    }
  }

  /** A request whose answer does not matter. Resolves with the status; statuses in `accept` are no errors. */
  async send(
    method: Method,
    path: string,
    options: RequestOptions,
    doing: string,
    signal: AbortSignal,
    accept: readonly number[] = [],
  ): Promise<number> {
    try {
      const response = await this.request(method, path, options, doing, signal);
      for await (const _ of response); // some calls (import) work while their answer is read
      return response.statusCode ?? 0;
    } catch (error) {
      const status = statusOf(error);
      if (status !== null && accept.includes(status)) return status;
      throw toEngineError(error, doing, this.endpoint, signal);
    }
  }

  /** Upgrades the connection; the socket half-closes on `end()` and is destroyed by the signal. */
  async hijack(path: string, options: RequestOptions, doing: string, signal: AbortSignal): Promise<Duplex> {
    const socket = await this.#dial('POST', path, options, true, doing, signal);
    if (!('write' in socket) || typeof socket.write !== 'function') {
      socket.destroy(); // what the modem gives when nothing was upgraded
      throw new McadsError('engine-failed', `${doing}: the connection was not upgraded`, {
        hint: 'A proxy between here and the engine must pass `Upgrade: tcp` on.',
      });
    }
    // Node leaves the request's signal behind when a connection is upgraded.
    return addAbortSignal(signal, socket as unknown as Duplex); // it has `write`, checked above
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  async #dial(
    method: Method,
    path: string,
    options: RequestOptions,
    hijack: boolean,
    doing: string,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    if (signal.aborted) throw cancelled(signal);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const settle = (error: Error | null, stream?: IncomingMessage): void => {
      if (error !== null || stream === undefined) reject(error ?? new Error('no answer'));
      else resolve(stream);
    };
    try {
      this.#modem.dial(
        {
          path: `${path}?`,
          method,
          options: { _query: options.query ?? {}, _body: options.body ?? {} },
          isStream: true,
          hijack,
          abortSignal: signal,
          statusCodes: GOOD,
          ...(options.file === undefined ? {} : { file: options.file }),
        },
        settle,
      );
      return await promise;
    } catch (error) {
      throw toEngineError(error, doing, this.endpoint, signal);
    }
  }
}

/** The version to speak. Rejects `engine-unreachable` for an engine that is too old; a wish (DOCKER_API_VERSION) wins. */
export function negotiateVersion(server: string | undefined, wanted: string | undefined): string {
  if (wanted !== undefined && wanted !== '') {
    if (!/^\d+\.\d+$/.test(wanted))
      throw new McadsError('config', `DOCKER_API_VERSION is no version: ${wanted}`, { hint: `Write it like ${NEWEST_API}, or unset it.` });
    return wanted;
  }
  const own = server !== undefined && /^\d+\.\d+$/.test(server) ? server : OLDEST_API;
  if (compareVersions(own, OLDEST_API) < 0) {
    throw new McadsError('engine-unreachable', `the engine speaks API ${own}; at least ${OLDEST_API} is needed`, {
      hint: 'Docker Engine 19.03 or newer is needed.',
    });
  }
  return compareVersions(own, NEWEST_API) < 0 ? own : NEWEST_API;
}

/** Negative, zero or positive, as for `sort`. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  return (left?.[0] ?? 0) - (right?.[0] ?? 0) || (left?.[1] ?? 0) - (right?.[1] ?? 0);
}

function dockerOptions(
  endpoint: Endpoint,
  agent: HttpAgent,
  version: string | null,
): Docker.DockerOptions & { readonly pathPrefix?: string } {
  const common = { agent, ...(version === null ? {} : { version: `v${version}` }) };
  if (endpoint.kind === 'unix') return { ...common, socketPath: endpoint.socketPath };
  const { tls } = endpoint;
  return {
    ...common,
    protocol: tls === null ? 'http' : 'https',
    host: endpoint.host,
    port: endpoint.port,
    pathPrefix: endpoint.pathPrefix,
    ...(tls?.ca ? { ca: tls.ca } : {}),
    ...(tls?.cert ? { cert: tls.cert } : {}),
    ...(tls?.key ? { key: tls.key } : {}),
  };
}

/** The modem reads DOCKER_HOST and the files of DOCKER_CERT_PATH even when it is told everything, and throws where they are wrong. */
function withoutDockerHost<T>(create: () => T): T {
  const saved = process.env['DOCKER_HOST'];
  delete process.env['DOCKER_HOST'];
  try {
    return create();
  } finally {
    if (saved !== undefined) process.env['DOCKER_HOST'] = saved;
  }
}
