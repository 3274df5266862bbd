import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { resolveEndpoint, type Endpoint } from '../../src/docker/endpoint.ts';
import { findEngine } from '../../src/docker/find-engine.ts';

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'mcads-endpoint-'));
});

afterEach(async () => {
  await rm(home, { recursive: true });
});

async function write(path: string, content: unknown): Promise<void> {
  const file = join(home, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
}

async function writeContext(name: string, host: string, more: object = {}): Promise<string> {
  const folder = createHash('sha256').update(name).digest('hex');
  await write(`.docker/contexts/meta/${folder}/meta.json`, { Name: name, Metadata: {}, Endpoints: { docker: { Host: host, ...more } } });
  return `.docker/contexts/tls/${folder}/docker`;
}

async function resolve(environment: Record<string, string | undefined> = {}, context: string | null = null): Promise<Endpoint> {
  return (await resolveEndpoint({ context, environment, home })).endpoint;
}

describe('the engine is found as the docker CLI finds it', () => {
  test('--context wins over DOCKER_HOST, DOCKER_HOST over DOCKER_CONTEXT, that over config.json', async () => {
    await writeContext('flag', 'unix:///flag.sock');
    await writeContext('variable', 'unix:///variable.sock');
    await writeContext('file', 'unix:///file.sock');
    await write('.docker/config.json', { currentContext: 'file' });
    const all = { DOCKER_HOST: 'unix:///host.sock', DOCKER_CONTEXT: 'variable' };
    expect(await resolve(all, 'flag')).toMatchObject({ socketPath: '/flag.sock', from: 'context flag' });
    expect(await resolve(all)).toMatchObject({ socketPath: '/host.sock', from: 'DOCKER_HOST' });
    expect(await resolve({ DOCKER_CONTEXT: 'variable' })).toMatchObject({ socketPath: '/variable.sock' });
    expect(await resolve()).toMatchObject({ socketPath: '/file.sock' });
    expect(await resolve({ DOCKER_HOST: 'unix:///host.sock' }, 'default')).toMatchObject({ socketPath: '/host.sock' });
  });

  test('DOCKER_CONFIG moves the contexts', async () => {
    await writeContext('moved', 'tcp://10.0.0.1:2375');
    expect(await resolve({ DOCKER_CONFIG: join(home, '.docker'), DOCKER_CONTEXT: 'moved' })).toMatchObject({
      kind: 'tcp',
      host: '10.0.0.1',
    });
  });

  test("a context's TLS files are used, and its wish not to verify", async () => {
    const tls = await writeContext('secure', 'tcp://engine.example:2376', { SkipTLSVerify: true });
    await write(`${tls}/ca.pem`, 'CA');
    await write(`${tls}/cert.pem`, 'CERT');
    await write(`${tls}/key.pem`, 'KEY');
    expect(await resolve({}, 'secure')).toMatchObject({ tls: { ca: 'CA', cert: 'CERT', key: 'KEY', verify: false } });
  });

  test('a context that does not exist is an error that names those that do', async () => {
    await writeContext('home-lab', 'unix:///x.sock');
    await expect(resolve({}, 'nowhere')).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('"nowhere"') as string,
      hint: expect.stringContaining('home-lab') as string,
    });
  });

  test.each([
    ['tcp://127.0.0.1', { host: '127.0.0.1', port: 2375, tls: null }],
    ['tcp://127.0.0.1:80/prefix', { port: 80, pathPrefix: '/prefix' }],
    ['tcp://[::1]:2375', { host: '::1', port: 2375 }],
    ['engine:4000', { host: 'engine', port: 4000 }],
    ['https://engine', { port: 2376, tls: { verify: true } }],
    ['unix://', { socketPath: '/var/run/docker.sock' }],
  ])('DOCKER_HOST=%s', async (host, expected) => {
    expect(await resolve({ DOCKER_HOST: host })).toMatchObject(expected);
  });

  test('DOCKER_TLS_VERIFY takes the files of DOCKER_CERT_PATH', async () => {
    await write('certs/ca.pem', 'CA');
    const endpoint = await resolve({ DOCKER_HOST: 'tcp://engine', DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: join(home, 'certs') });
    expect(endpoint).toMatchObject({ port: 2376, tls: { ca: 'CA', cert: null, verify: true } });
  });

  test.each(['ssh://user@host', 'npipe:////./pipe/docker_engine', 'fd://'])('%s is refused by its scheme', async (host) => {
    await expect(resolve({ DOCKER_HOST: host })).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('not supported') as string,
    });
  });

  test('credentials in an address are never printed', async () => {
    const endpoint = await resolve({ DOCKER_HOST: 'tcp://user:password@engine:2375' });
    expect(JSON.stringify(endpoint)).not.toContain('password');
  });
});

describe('whether there is an engine is told without connecting', () => {
  test('a configured address counts, whether or not somebody listens', async () => {
    expect(await findEngine({ context: null, environment: { DOCKER_HOST: 'unix:///nobody.sock' }, home })).toMatchObject({
      endpoint: 'unix:///nobody.sock',
    });
  });

  test('the rootless socket counts where it exists', async () => {
    const { exists, endpoint } = await resolveEndpoint({ context: null, environment: { XDG_RUNTIME_DIR: join(home, 'run') }, home });
    await mkdir(join(home, 'run'));
    const server = createServer().listen(join(home, 'run/docker.sock'));
    await new Promise((done) => server.once('listening', done));
    const found = await resolveEndpoint({ context: null, environment: { XDG_RUNTIME_DIR: join(home, 'run') }, home });
    await new Promise((done) => server.close(done));
    expect(found.exists).toBe(true);
    // A machine with an engine in the default place keeps that one.
    expect(found.endpoint.printable).toBe(exists ? endpoint.printable : `unix://${join(home, 'run/docker.sock')}`);
  });
});
