import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../../src/domain/ports.ts';
import { docker, testEngine, uniqueName } from '../support/engine.ts';
import { inVolume, openTestEngine, runContainer, signal } from './docker-fixture.ts';

let engine: Engine;

beforeAll(async () => {
  engine = await openTestEngine();
});

afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

/** Starts `docker-victim.ts` and resolves when it is ready to be killed. */
async function startVictim(...args: readonly string[]): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('docker-victim.ts', import.meta.url));
  const child = spawn(process.execPath, [script, testEngine().dockerHost, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('the victim ended before it was ready')));
  ended.catch(() => undefined); // only the race below asks
  await Promise.race([once(child.stdout, 'data'), ended]);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

async function stateOf(container: string): Promise<string> {
  return (await docker(['inspect', '--format', '{{.State.Status}}', container])).stdout.trim();
}

async function helpersOf(pid: number | undefined): Promise<readonly string[]> {
  const { stdout } = await docker(['ps', '--all', '--filter', 'label=mcads.helper', '--format', '{{.Names}} {{.Label "mcads.owner"}}']);
  return stdout.split('\n').filter((line) => line.includes(`"pid":${pid},`));
}

async function pipeFoldersOf(pid: number | undefined): Promise<readonly string[]> {
  const names = await Promise.all([...new Set(['/run', tmpdir()])].map(async (base) => readdir(base)));
  return names.flat().filter((name) => name.startsWith('mcads-pipes-') && name.includes(`-${pid}-`));
}

describe('a project has one writer', () => {
  test('a second claim is refused and told who holds the first, until that is released', async () => {
    const project = uniqueName();
    const { claim, undone } = await engine.claimProject(project, 'backup', signal);
    expect(undone).toEqual({ undone: [], failed: [] });
    await using other = await openTestEngine();
    await expect(other.claimProject(project, 'restore', signal)).rejects.toMatchObject({
      code: 'locked',
      message: expect.stringContaining(`backup by process ${process.pid}`) as string,
    });
    await claim[Symbol.asyncDispose]();
    const again = await other.claimProject(project, 'restore', signal);
    await again.claim[Symbol.asyncDispose]();
  });

  test('of many that claim at once exactly one gets it', async () => {
    const project = uniqueName('Not A Compose name');
    const settled = await Promise.allSettled(Array.from({ length: 8 }, async () => engine.claimProject(project, 'backup', signal)));
    const held = settled.filter((one) => one.status === 'fulfilled');
    expect(held.length).toBe(1);
    for (const { value } of held) await value.claim[Symbol.asyncDispose]();
  });

  test('a container of somebody else under the name of the claim is named and left alone', async () => {
    const project = uniqueName();
    await docker(['create', '--name', `mcads-claim-${project}`, testEngine().images.noshell]);
    await expect(engine.claimProject(project, 'backup', signal)).rejects.toMatchObject({
      code: 'locked',
      hint: expect.stringContaining('docker rm') as string,
    });
    await docker(['rm', `mcads-claim-${project}`]);
  });
});

describe('services come back', () => {
  test('what a killed run stopped is started by the next claim, and its journal is gone', async () => {
    await using service = await runContainer();
    const project = uniqueName();
    const victim = await startVictim('claim', project, service.name);
    expect(await stateOf(service.name)).toBe('exited');
    await kill(victim);
    const { claim, undone } = await engine.claimProject(project, 'backup', signal);
    expect(undone).toEqual({ undone: [`started ${service.name}`], failed: [] });
    expect(await stateOf(service.name)).toBe('running');
    expect(await helpersOf(victim.pid)).toEqual([]);
    await claim[Symbol.asyncDispose]();
    expect((await engine.recover(project, signal)).undone).toEqual([]);
  });

  test('recover does the same, and leaves a project alone whose run lives', async () => {
    await using service = await runContainer();
    const [dead, living] = [uniqueName(), uniqueName()];
    const { claim } = await engine.claimProject(living, 'backup', signal);
    const clear = await claim.recordUndo([{ action: 'start', container: service.name, name: service.name, waitHealthy: false }]);
    const victim = await startVictim('claim', dead, service.name);
    await using other = await openTestEngine();
    await kill(victim);
    expect((await other.recover(dead, signal)).undone).toContain(`started ${service.name}`);
    await engine.stop(service.name, signal);
    await expect(other.recover(living, signal)).rejects.toMatchObject({ code: 'locked' });
    expect(await stateOf(service.name)).toBe('exited');
    await clear();
    await claim[Symbol.asyncDispose]();
  });

  test('a paused container is unpaused, one that is gone is forgotten, one that cannot start stays in the journal', async () => {
    await using paused = await runContainer();
    await using stubborn = await runContainer();
    const project = uniqueName();
    const first = await engine.claimProject(project, 'backup', signal);
    await first.claim.recordUndo([
      { action: 'unpause', container: paused.name, name: paused.name },
      { action: 'start', container: 'gone-for-good', name: 'gone-for-good', waitHealthy: false },
    ]);
    await engine.pause(paused.name, signal);
    await engine.stop(stubborn.name, signal);
    await docker(['create', '--name', `${stubborn.name}-x`, '--network', 'none', testEngine().images.debian, '/no/such/program']);
    await first.claim.recordUndo([{ action: 'start', container: `${stubborn.name}-x`, name: `${stubborn.name}-x`, waitHealthy: false }]);
    await first.claim[Symbol.asyncDispose]();
    const second = await engine.claimProject(project, 'backup', signal);
    expect(second.undone.undone).toEqual([`unpaused ${paused.name}`]);
    expect(second.undone.failed).toEqual([expect.stringContaining(`${stubborn.name}-x`)]);
    await second.claim[Symbol.asyncDispose]();
    await docker(['rm', '--force', `${stubborn.name}-x`]);
    const third = await engine.claimProject(project, 'backup', signal);
    expect(third.undone).toEqual({ undone: [], failed: [] });
    await third.claim[Symbol.asyncDispose]();
  });
});

test('a helper and its pipes end with a process that is killed, and recover takes the rest', async () => {
  const volume = uniqueName('killed');
  await docker(['volume', 'create', volume]);
  await inVolume(volume, 'head -c 50000000 /dev/urandom > data');
  const byPipe = await startVictim('tree', volume);
  const byArchive = await startVictim('archive', volume);
  expect((await helpersOf(byPipe.pid)).length).toBe(1);
  expect((await pipeFoldersOf(byPipe.pid)).length).toBe(1);
  await kill(byPipe);
  await kill(byArchive);
  // The engine ends and removes the running helper by itself when our connection is gone.
  while ((await helpersOf(byPipe.pid)).length > 0) await delay(50);
  expect((await helpersOf(byArchive.pid)).length).toBe(1);
  await engine.recover(uniqueName(), signal);
  expect(await helpersOf(byArchive.pid)).toEqual([]);
  expect(await pipeFoldersOf(byPipe.pid)).toEqual([]);
  await docker(['volume', 'rm', volume]);
});

test('pausing, stopping and starting twice is as good as once', async () => {
  await using service = await runContainer();
  await engine.pause(service.name, signal);
  await engine.pause(service.name, signal);
  expect((await engine.inspectContainer(service.name, signal)).state).toBe('paused');
  await engine.unpause(service.name, signal);
  await engine.unpause(service.name, signal);
  await engine.stop(service.name, signal);
  await engine.stop(service.name, signal);
  expect((await engine.inspectContainer(service.name, signal)).state).toBe('exited');
  await engine.start(service.name, signal);
  await engine.start(service.name, signal);
  await engine.waitHealthy(service.name, 10_000, signal);
});

test('waiting for health ends when the container exits or the time is over', async () => {
  await using unhealthy = await runContainer(['--health-cmd', 'false', '--health-interval', '1s', '--health-retries', '100']);
  await expect(engine.waitHealthy(unhealthy.name, 100, signal)).rejects.toThrow(/is starting after/);
  await using healthy = await runContainer(['--health-cmd', 'true', '--health-interval', '1s']);
  await engine.waitHealthy(healthy.name, 30_000, signal);
  await using brief = await runContainer(['--health-cmd', 'true', '--health-interval', '60s'], ['sh', '-c', 'exit 3']);
  await expect(engine.waitHealthy(brief.name, 30_000, signal)).rejects.toThrow(/exited with 3/);
});

test('a task of a Swarm service is neither paused nor stopped', async () => {
  await using task = await runContainer(['--label', 'com.docker.swarm.service.id=abc']);
  await expect(engine.stop(task.name, signal)).rejects.toThrow(/Swarm/);
  await expect(engine.pause(task.name, signal)).rejects.toThrow(/Swarm/);
  expect(await stateOf(task.name)).toBe('running');
});

test('behind a proxy that only lets one look, looking works and the rest says what to allow', async () => {
  const socketPath = testEngine().dockerHost.replace('unix://', '');
  const proxy = createServer((incoming, answer) => {
    if (incoming.method !== 'GET' || incoming.url?.endsWith('/info') === true) {
      answer.writeHead(403).end('<html><body><h1>403 Forbidden</h1></body></html>');
      return;
    }
    incoming.pipe(
      request({ socketPath, path: incoming.url, method: incoming.method }, (response) => {
        answer.writeHead(response.statusCode ?? 500, response.headers);
        response.pipe(answer);
      }),
    );
  });
  const path = join(tmpdir(), `${uniqueName()}.sock`);
  await new Promise<void>((done) => void proxy.listen(path, done));
  await using container = await runContainer();
  await using behind = await openTestEngine(`unix://${path}`);
  expect((await behind.inspectContainer(container.name, signal)).state).toBe('running');
  await expect(behind.exec(container.name, ['true'], {}, signal)).rejects.toMatchObject({
    code: 'forbidden',
    hint: expect.stringContaining('EXEC=1') as string,
  });
  await expect(behind.stop(container.name, signal)).rejects.toMatchObject({
    code: 'forbidden',
    hint: expect.stringContaining('ALLOW_STOP') as string,
  });
  proxy.closeAllConnections();
  await new Promise((done) => proxy.close(done));
});
