import { createHash } from 'node:crypto';
import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { McadsError, messageOf } from '../errors.ts';

export interface TlsFiles {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  readonly verify: boolean;
}

/** Where the engine is. `printable` never holds credentials; `from` names the setting that said so. */
export type Endpoint = { readonly printable: string; readonly from: string } & (
  | { readonly kind: 'unix'; readonly socketPath: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly pathPrefix: string; readonly tls: TlsFiles | null }
);

export interface EndpointOptions {
  /** `--context` */
  readonly context: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

export const DEFAULT_SOCKET = '/var/run/docker.sock';

/**
 * The endpoint that the docker CLI would use: `--context`, DOCKER_HOST, DOCKER_CONTEXT, the current context of
 * `config.json`, the default socket, then the sockets of rootless Docker and Docker Desktop.
 * `exists` is false only where nothing is configured and no socket lies in the default places. Rejects `config`.
 */
export async function resolveEndpoint(options: EndpointOptions): Promise<{ readonly endpoint: Endpoint; readonly exists: boolean }> {
  const { environment } = options;
  const configFolder = environment['DOCKER_CONFIG'] || join(options.home, '.docker');
  const dockerHost = environment['DOCKER_HOST'];
  const [context, from] = await contextName(options, configFolder);
  if (context !== null && context !== 'default') return { endpoint: await contextEndpoint(context, from, configFolder), exists: true };
  if (dockerHost) {
    return { endpoint: await parseHost(dockerHost, 'DOCKER_HOST', await environmentTls(environment, configFolder)), exists: true };
  }
  const sockets = [
    DEFAULT_SOCKET,
    ...(environment['XDG_RUNTIME_DIR'] ? [join(environment['XDG_RUNTIME_DIR'], 'docker.sock')] : []),
    join(options.home, '.docker/run/docker.sock'),
    join(options.home, '.docker/desktop/docker.sock'),
  ];
  for (const socketPath of sockets) {
    if (await isThere(socketPath)) return { endpoint: unixEndpoint(socketPath, 'default socket'), exists: true };
  }
  return { endpoint: unixEndpoint(DEFAULT_SOCKET, 'default socket'), exists: false };
}

async function contextName(options: EndpointOptions, configFolder: string): Promise<readonly [string | null, string]> {
  if (options.context !== null) return [options.context, '--context'];
  if (options.environment['DOCKER_HOST']) return [null, 'DOCKER_HOST'];
  if (options.environment['DOCKER_CONTEXT']) return [options.environment['DOCKER_CONTEXT'], 'DOCKER_CONTEXT'];
  const file = join(configFolder, 'config.json');
  const config = await readJson(file);
  const current = field(config, 'currentContext');
  return [typeof current === 'string' && current !== '' ? current : null, file];
}

async function contextEndpoint(name: string, from: string, configFolder: string): Promise<Endpoint> {
  const folder = createHash('sha256').update(name).digest('hex');
  const metaFile = join(configFolder, 'contexts/meta', folder, 'meta.json');
  const meta = await readJson(metaFile);
  if (meta === null) {
    const known = await contextNames(configFolder);
    throw new McadsError('config', `Docker context "${name}" (from ${from}) does not exist`, {
      hint:
        known.length === 0
          ? 'There are no contexts; create one with `docker context create`.'
          : `Known contexts: default, ${known.join(', ')}.`,
    });
  }
  const docker = field(field(meta, 'Endpoints'), 'docker');
  const host = field(docker, 'Host');
  if (typeof host !== 'string' || host === '')
    throw new McadsError('config', `Docker context "${name}" names no engine`, { where: metaFile });
  const tls = await tlsFiles(join(configFolder, 'contexts/tls', folder, 'docker'), field(docker, 'SkipTLSVerify') !== true);
  return parseHost(host, `context ${name}`, tls);
}

async function contextNames(configFolder: string): Promise<readonly string[]> {
  const folder = join(configFolder, 'contexts/meta');
  const names: string[] = [];
  for (const entry of await readdir(folder).catch(() => [])) {
    const name = field(await readJson(join(folder, entry, 'meta.json')), 'Name');
    if (typeof name === 'string') names.push(name);
  }
  return names.sort();
}

async function environmentTls(environment: EndpointOptions['environment'], configFolder: string): Promise<TlsFiles | null> {
  const verify = Boolean(environment['DOCKER_TLS_VERIFY']);
  if (!verify && !environment['DOCKER_TLS']) return null;
  return (await tlsFiles(environment['DOCKER_CERT_PATH'] || configFolder, verify)) ?? { ca: null, cert: null, key: null, verify };
}

async function tlsFiles(folder: string, verify: boolean): Promise<TlsFiles | null> {
  const [ca, cert, key] = await Promise.all(['ca.pem', 'cert.pem', 'key.pem'].map((name) => readOptional(join(folder, name))));
  if (!ca && !cert && !key) return null;
  return { ca: ca ?? null, cert: cert ?? null, key: key ?? null, verify };
}

/** Understands what `docker -H` takes: `unix://`, `tcp://`, `http(s)://`, or `host:port`. */
async function parseHost(text: string, from: string, tls: TlsFiles | null): Promise<Endpoint> {
  const scheme = /^([a-z]+):\/\//.exec(text)?.[1] ?? 'tcp';
  const rest = text.replace(/^[a-z]+:\/\//, '');
  if (scheme === 'unix') return unixEndpoint(rest === '' ? DEFAULT_SOCKET : rest, from);
  if (scheme !== 'tcp' && scheme !== 'http' && scheme !== 'https') {
    throw new McadsError('config', `${from} uses ${scheme}://, which is not supported`, {
      hint:
        scheme === 'ssh'
          ? 'Forward the socket (`ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST`) and set DOCKER_HOST=unix:///tmp/docker.sock, or run this tool on that host.'
          : 'Use unix:// or tcp://.',
    });
  }
  const url = URL.parse(`http://${rest}`);
  if (url === null || url.hostname === '')
    throw new McadsError('config', `${from} is no address of an engine: ${text.replace(/\/\/[^/]*@/, '//')}`);
  const secure = tls ?? (scheme === 'https' ? { ca: null, cert: null, key: null, verify: true } : null);
  // URL hides the port that is the default of http.
  const port = Number(/^[^/]*:(\d+)(?:\/|$)/.exec(rest)?.[1] ?? (secure === null ? 2375 : 2376));
  const pathPrefix = url.pathname === '' ? '/' : url.pathname;
  return {
    kind: 'tcp',
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    pathPrefix,
    tls: secure,
    from,
    printable: `tcp://${url.hostname}:${port}`,
  };
}

function unixEndpoint(socketPath: string, from: string): Endpoint {
  return { kind: 'unix', socketPath, from, printable: `unix://${socketPath}` };
}

async function readJson(file: string): Promise<unknown> {
  const text = await readOptional(file);
  if (text === null) return null;
  try {
    return JSON.parse(text) as unknown; // foreign JSON: looked at through `field` only
  } catch (error) {
    throw new McadsError('config', `${file} is no JSON: ${messageOf(error)}`, { where: file, cause: error });
  }
}

async function readOptional(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null;
    throw new McadsError('config', `cannot read ${file}: ${messageOf(error)}`, { cause: error });
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value ? (value as Record<string, unknown>)[name] : undefined; // checked by `in`
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    // A folder that we may not enter (EACCES) may still hold the socket: that is not "absent".
    return !(error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'));
  }
}
