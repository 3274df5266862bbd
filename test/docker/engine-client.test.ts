import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EngineClient, negotiateVersion } from '../../src/docker/engine-client.ts';
import { toConnectError, toEngineError } from '../../src/docker/engine-errors.ts';
import type { Endpoint } from '../../src/docker/endpoint.ts';
import { McadsError } from '../../src/errors.ts';

const signal = new AbortController().signal;
let folder: string;
let servers: Server[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mcads-client-'));
  servers = [];
});

afterEach(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
  await rm(folder, { recursive: true });
});

function endpointAt(name: string): Endpoint {
  const socketPath = join(folder, name);
  return { kind: 'unix', socketPath, printable: `unix://${socketPath}`, from: 'DOCKER_HOST' };
}

async function serve(listener: RequestListener): Promise<Endpoint> {
  const endpoint = endpointAt(`${servers.length}.sock`);
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((done) => void server.listen(endpoint.kind === 'unix' ? endpoint.socketPath : '', done));
  return endpoint;
}

/** Answers the ping, everything else with `rest`. */
async function connectTo(rest: RequestListener, apiVersion = '1.45'): Promise<EngineClient> {
  const endpoint = await serve((request, response) => {
    if (request.url?.startsWith('/_ping') === true) response.setHeader('Api-Version', apiVersion).end('OK');
    else rest(request, response);
  });
  return EngineClient.connect(endpoint, undefined, signal);
}

describe('the API version', () => {
  test.each([
    ['1.41', undefined, '1.41'],
    ['1.51', undefined, '1.51'],
    ['1.60', undefined, '1.51'],
    [undefined, undefined, '1.40'],
    ['1.51', '1.43', '1.43'],
  ])('of an engine that speaks %s, with DOCKER_API_VERSION=%s, is %s', (server, wanted, expected) => {
    expect(negotiateVersion(server, wanted)).toBe(expected);
  });

  test('of an engine that is too old is refused', () => {
    expect(() => negotiateVersion('1.24', undefined)).toThrow(/speaks API 1.24/);
    expect(() => negotiateVersion('1.45', 'newest')).toThrow(/DOCKER_API_VERSION/);
  });

  test('is part of every request after the ping', async () => {
    const urls: string[] = [];
    using client = await connectTo((request, response) => {
      urls.push(request.url ?? '');
      response.end('{}');
    }, '1.44');
    await client.json('GET', '/info', { query: { all: true } }, 'asking', signal);
    expect(urls).toEqual(['/v1.44/info?all=true']);
  });
});

describe('an engine that cannot be reached says why and what to do', () => {
  test('no socket', async () => {
    await expect(EngineClient.connect(endpointAt('none'), undefined, signal)).rejects.toMatchObject({
      code: 'engine-unreachable',
      message: expect.stringContaining('does not exist') as string,
      hint: expect.stringContaining('DOCKER_HOST') as string,
    });
  });

  test('nobody listens', async () => {
    const endpoint = endpointAt('stale.sock');
    const server = createSocketServer();
    await new Promise<void>((done) => void server.listen(endpoint.kind === 'unix' ? endpoint.socketPath : '', done));
    server.close();
    await expect(EngineClient.connect(endpoint, undefined, signal)).rejects.toMatchObject({ code: 'engine-unreachable' });
  });

  test('the socket is not ours to open', () => {
    const refusal = Object.assign(new Error('connect EACCES'), { code: 'EACCES' });
    const endpoint = endpointAt('forbidden');
    expect(toConnectError(toEngineError(refusal, 'connecting', endpoint), endpoint, signal)).toMatchObject({
      code: 'engine-unreachable',
      hint: expect.stringContaining('group docker') as string,
    });
  });

  test('cancelling while it hangs is a cancellation, not an engine error', async () => {
    const controller = new AbortController();
    const endpoint = await serve(() => controller.abort());
    await expect(EngineClient.connect(endpoint, undefined, controller.signal)).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe('what the engine answers', () => {
  test('a proxy that forbids names the variable to set', async () => {
    using client = await connectTo((_, response) => response.writeHead(403).end('<html>403 Forbidden</html>'));
    const error: unknown = await client
      .json('POST', '/containers/x/exec', {}, 'creating an exec of pg_dump in db', signal)
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'forbidden', hint: expect.stringContaining('EXEC=1') as string });
  });

  test('an error status keeps the engine’s own words', async () => {
    using client = await connectTo((_, response) => response.writeHead(409).end('{"message":"container is paused"}'));
    await expect(client.json('GET', '/x', {}, 'looking', signal)).rejects.toMatchObject({
      code: 'engine-failed',
      message: 'looking: container is paused',
    });
    expect(await client.send('POST', '/x', {}, 'looking', signal, [409])).toBe(409);
  });

  test('an engine that dies within an answer is lost, and nobody waits for ever', async () => {
    using client = await connectTo((_, response) => {
      response.writeHead(200, { 'Content-Length': '100' });
      response.write('{"half":', () => response.destroy());
    });
    await expect(client.json('GET', '/x', {}, 'looking', signal)).rejects.toMatchObject({ code: 'engine-lost' });
  });

  test('404 is null where something is only looked for', async () => {
    using client = await connectTo((_, response) => response.writeHead(404).end('{"message":"no such volume"}'));
    expect(await client.find('/volumes/x', {}, 'looking', signal)).toBeNull();
  });

  test('an answer that is not upgraded is an error with the proxy as the suspect', async () => {
    using client = await connectTo((_, response) => response.end('plain'));
    await expect(client.hijack('/exec/x/start', { body: { Tty: false } }, 'starting', signal)).rejects.toSatisfy(
      (error) => error instanceof McadsError && error.hint?.includes('Upgrade') === true,
    );
  });
});

test('a wrong DOCKER_HOST in the environment does not disturb a client that was told where to go', async () => {
  const saved = process.env['DOCKER_HOST'];
  process.env['DOCKER_HOST'] = 'tcp://not an address';
  try {
    using client = await connectTo((_, response) => response.end('{}'));
    expect(await client.json('GET', '/info', {}, 'asking', signal)).toEqual({});
    expect(process.env['DOCKER_HOST']).toBe('tcp://not an address');
  } finally {
    if (saved === undefined) delete process.env['DOCKER_HOST'];
    else process.env['DOCKER_HOST'] = saved;
  }
});
