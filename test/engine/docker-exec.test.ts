import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Secret } from '../../src/domain/secret.ts';
import type { Engine, ExecExit } from '../../src/domain/ports.ts';
import { messageOf } from '../../src/errors.ts';
import { docker, testEngine, uniqueName } from '../support/engine.ts';
import { openTestEngine, ownHelpers, readText, runContainer, signal } from './docker-fixture.ts';

let engine: Engine;
let container: Awaited<ReturnType<typeof runContainer>>;

beforeAll(async () => {
  engine = await openTestEngine();
  container = await runContainer();
});

afterAll(async () => {
  await container[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

async function run(argv: readonly string[], options: Parameters<Engine['exec']>[2] = {}) {
  const { stdout, exit } = await engine.exec(container.name, argv, options, signal);
  return { stdout: await readText(stdout), ...(await exit) };
}

/** How an exec failed; a code other than 0 is a failure too. */
async function failure(exit: Promise<ExecExit>): Promise<string> {
  return exit.then(
    ({ code }) => `status ${code}`,
    (error: unknown) => messageOf(error),
  );
}

async function* zeros(bytes: number): AsyncGenerator<Uint8Array> {
  for (let left = bytes; left > 0; left -= 65_536) yield new Uint8Array(Math.min(left, 65_536));
}

test('stdout, stderr and the exit code come apart', async () => {
  expect(await run(['sh', '-c', 'echo out; echo err >&2; exit 7'])).toEqual({ stdout: 'out\n', stderr: 'err\n', code: 7 });
});

test('a program that does not exist is an exit code, as in a shell', async () => {
  expect([126, 127]).toContain((await run(['no-such-program'])).code);
});

test('user, folder and secrets reach the process, and arguments need no quoting', async () => {
  const script = 'printf "%s|%s|%s|%s" "$(id -u)" "$PWD" "$PASSWORD" "$1"';
  const options = { user: '65534', workingDirectory: '/tmp', environment: { PASSWORD: new Secret("p'w\n$x") } };
  expect((await run(['sh', '-c', script, 'sh', 'a "b"\n$c'], options)).stdout).toBe(`65534|/tmp|p'w\n$x|a "b"\n$c`);
});

test('input arrives whole and its end is seen', async () => {
  const { stdout } = await run(['sh', '-c', 'wc -c'], { input: zeros(20_000_000) });
  expect(stdout.trim()).toBe('20000000');
});

test('a process that does not read its input to the end is judged by its exit', async () => {
  expect(await run(['head', '-c', '3'], { input: zeros(50_000_000) })).toMatchObject({ stdout: '\0\0\0', code: 0 });
});

test('input that fails halfway fails the exec, whatever the process makes of it', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(1000);
    throw new Error('the source is gone');
  }
  const { exit } = await engine.exec(container.name, ['cat'], { input: broken() }, signal);
  await expect(exit).rejects.toThrow('the source is gone');
});

test('200 MB arrive whole at a slow reader, without being gathered in memory', async () => {
  const { stdout, exit } = await engine.exec(container.name, ['head', '-c', '200000000', '/dev/zero'], {}, signal);
  const before = process.memoryUsage().rss;
  let bytes = 0;
  let highest = 0;
  for await (const chunk of stdout) {
    bytes += chunk.length;
    if (bytes % 100 === 0) await delay(1);
    highest = Math.max(highest, process.memoryUsage.rss() - before);
  }
  expect(bytes).toBe(200_000_000);
  expect((await exit).code).toBe(0);
  expect(highest).toBeLessThan(100_000_000);
});

test('a short output that nobody reads does not keep the exit back', async () => {
  const { exit } = await engine.exec(container.name, ['echo', 'unread'], {}, signal);
  expect((await exit).code).toBe(0);
});

test('only the end of a long stderr is kept', async () => {
  const { stderr } = await run(['sh', '-c', 'seq 1 200000 >&2; echo last >&2']);
  expect(stderr.length).toBeLessThanOrEqual(16 * 1024);
  expect(stderr.endsWith('200000\nlast\n')).toBe(true);
});

test('aborting ends an exec at once as cancelled', async () => {
  const controller = new AbortController();
  const { stdout, exit } = await engine.exec(container.name, ['sleep', '100'], {}, controller.signal);
  controller.abort();
  await expect(exit).rejects.toMatchObject({ code: 'cancelled' });
  await expect(readText(stdout)).rejects.toMatchObject({ code: 'cancelled' });
});

test('leaving the output early is told as such', async () => {
  const { stdout, exit } = await engine.exec(container.name, ['yes'], {}, signal);
  for await (const _ of stdout) break;
  await expect(exit).rejects.toThrow(/abandoned/);
});

test('a container that is restarted in the middle fails the exec, and so does one that is removed', async () => {
  await using other = await runContainer();
  const restarted = await engine.exec(other.name, ['sh', '-c', 'echo begun; sleep 100'], {}, signal);
  await docker(['restart', '--time', '0', other.name]);
  expect(await failure(restarted.exit)).toMatch(/restarted|stopped|status 137/);
  const removed = await engine.exec(other.name, ['sh', '-c', 'echo begun; sleep 100'], {}, signal);
  await docker(['rm', '--force', other.name]);
  expect(await failure(removed.exit)).toMatch(/removed|stopped|status 137/);
  await docker(['create', '--name', other.name, testEngine().images.noshell]); // for the disposal
});

test('an exec in a paused or missing container says so', async () => {
  await using other = await runContainer();
  await engine.pause(other.name, signal);
  await expect(engine.exec(other.name, ['true'], {}, signal)).rejects.toThrow(/paused/);
  await expect(engine.exec('no-such-container', ['true'], {}, signal)).rejects.toThrow(/No such container/i);
});

test('an engine that is lost in the middle is told as lost', async () => {
  const socketPath = testEngine().dockerHost.replace('unix://', '');
  const connections = new Set<Socket>();
  const proxy = createServer((client) => {
    const upstream = connect(socketPath);
    for (const socket of [client, upstream]) connections.add(socket.on('error', () => undefined));
    client.pipe(upstream).pipe(client);
  });
  const path = join(tmpdir(), `${uniqueName()}.sock`);
  await new Promise<void>((done) => void proxy.listen(path, done));
  await using behind = await openTestEngine(`unix://${path}`);
  const { stdout, exit } = await behind.exec(container.name, ['sh', '-c', 'echo begun; sleep 100'], {}, signal);
  const reading = (async () => {
    for await (const _ of stdout) {
      proxy.close();
      for (const socket of connections) socket.destroy();
    }
  })();
  await expect(reading).rejects.toMatchObject({ code: 'engine-lost' });
  await expect(behind.inspectContainer(container.name, signal)).rejects.toMatchObject({ code: 'engine-lost' });
  await expect(exit).rejects.toMatchObject({ code: 'engine-lost' });
});

test('a throwaway gets large input, its own user and secrets, and is gone with its volumes afterwards', async () => {
  const { images } = testEngine();
  const started = await engine.runThrowaway(
    {
      image: images.postgres15,
      argv: ['sh', '-c', 'id -un >&2; echo "$KEY" >&2; wc -c'],
      user: 'postgres',
      environment: { KEY: new Secret('k') },
      input: zeros(300_000_000),
      purpose: 'test',
    },
    signal,
  );
  const [helper = ''] = await ownHelpers();
  const anonymous = (await docker(['inspect', '--format', '{{range .Mounts}}{{.Name}} {{end}}', helper])).stdout.trim();
  expect((await readText(started.stdout)).trim()).toBe('300000000');
  expect(await started.exit).toEqual({ code: 0, stderr: 'postgres\nk\n' });
  expect(await ownHelpers()).toEqual([]);
  expect(anonymous).toMatch(/^[0-9a-f]{64}$/);
  expect((await docker(['volume', 'ls', '--quiet'])).stdout).not.toContain(anonymous);
});

test('a throwaway whose input fails is a failure', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(10);
    throw new Error('damaged chunk');
  }
  const started = await engine.runThrowaway({ image: testEngine().images.debian, argv: ['cat'], input: broken(), purpose: 'test' }, signal);
  await expect(started.exit).rejects.toThrow('damaged chunk');
  expect(await ownHelpers()).toEqual([]);
});

test('an image without a shell cannot be a throwaway, and says so', async () => {
  await expect(engine.runThrowaway({ image: testEngine().images.noshell, argv: ['x'], purpose: 'test' }, signal)).rejects.toThrow(
    /no shell/,
  );
  expect(await ownHelpers()).toEqual([]);
});
