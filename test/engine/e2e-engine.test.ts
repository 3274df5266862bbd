import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asUser } from '../support/as-user.ts';
import { createProject, docker, engineEnv, type TestProjectFolder, testEngine } from '../support/engine.ts';
import { startCli } from '../support/paced-cli.ts';
import { MAIN } from '../support/run-cli.ts';
import { runCommand } from '../support/run-command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { backUp, containerOf, engineProxy, holdDump, PASSWORD, report, serverReady, snapshotsOf, stateOf } from './e2e-support.ts';

const isRoot = process.getuid?.() === 0;

const SMALL = (): string => `
services:
  web:
    image: ${testEngine().images.debian}
    command: [sleep, infinity]
    init: true
    volumes: [media:/media]
    labels: { mcads.quiesce: stop }
volumes: { media: }
`;

const WITH_DATABASE = (): string => `
services:
  db:
    image: ${testEngine().images.postgres15}
    environment: { POSTGRES_PASSWORD: ${PASSWORD} }
    volumes: [data:/var/lib/postgresql/data]
volumes: { data: }
`;

async function helpersOf(project: TestProjectFolder): Promise<string> {
  return (await docker(['ps', '-aq', '--filter', 'label=mcads.helper', '--filter', `label=mcads.project=${project.name}`])).stdout.trim();
}

describe('an engine that cannot be asked', () => {
  let project: TestProjectFolder;

  beforeAll(async () => {
    project = await createProject({ 'compose.yaml': SMALL() });
  });
  afterAll(async () => {
    // No backup without its databases, and not a trace of the attempt.
    expect(await readdir(project.directory)).toEqual(['compose.yaml']);
    await project[Symbol.asyncDispose]();
  });

  test('no socket where DOCKER_HOST says', async () => {
    const run = await backUp(project, [], { env: { DOCKER_HOST: 'unix:///nonexistent/docker.sock' } });
    expect(run.code).toBe(20);
    expect(run.says).toMatch(/unix:\/\/\/nonexistent\/docker\.sock \(DOCKER_HOST\) does not answer: the socket does not exist/);
    expect(run.says).toMatch(/Is dockerd running/);
  });

  test('a socket at which nobody listens', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'docker.sock');
    // A socket outlives its listener only where that died: this one does not get to clean up.
    await runCommand(
      process.execPath,
      ['-e', `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`],
      {
        accept: 'any',
      },
    );
    const run = await backUp(project, [], { env: { DOCKER_HOST: `unix://${path}` } });
    expect(run.code).toBe(20);
    expect(run.says).toContain('nobody listens there');
  });

  test('one that accepts and stays silent', async () => {
    await using proxy = await engineProxy();
    proxy.hang();
    const run = await backUp(project, [], { env: proxy.env });
    expect(run.code).toBe(20);
    expect(run.says).toContain(proxy.socketPath);
  });

  test.each(['gopher://there', 'ssh://there', 'nonsense'])('an address of no known kind: %s', async (address) => {
    const run = await backUp(project, [], { env: { DOCKER_HOST: address } });
    expect([2, 20]).toContain(run.code);
    expect(run.says).toContain(address.split(':')[0]);
  });

  test('a context that does not exist', async () => {
    const run = await backUp(project, ['--context', 'elsewhere']);
    expect([2, 20]).toContain(run.code);
    expect(run.says).toContain('elsewhere');
  });

  test.runIf(isRoot)('a socket that this user may not open is told with the cure (needs root, to be another user)', async () => {
    await using proxy = await engineProxy({ uid: 0, gid: 0, mode: 0o660 });
    await using home = await temporaryFolder();
    await chmod(home.path, 0o755);
    await writeFile(join(home.path, 'compose.yaml'), 'name: shop\nservices: { web: { image: busybox } }\n');
    const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
    const [program, ...args] = asUser(nobody, [process.execPath, MAIN, 'backup', '--json']);
    const run = await runCommand(program, args, {
      cwd: home.path,
      env: { ...engineEnv(), ...proxy.env, HOME: home.path },
      accept: 'any',
    });
    expect(run.code, run.stderr).toBe(20);
    expect(JSON.parse(run.stdout)).toMatchObject({
      ok: false,
      exitCode: 20,
      error: { message: expect.stringContaining('not allowed to open'), hint: expect.stringMatching(/sudo.*group docker/) },
    });
    expect(await readdir(home.path)).toEqual(['compose.yaml']);
  });
});

describe('a backup that is under way', () => {
  let project: TestProjectFolder;

  beforeAll(async () => {
    project = await createProject({ 'compose.yaml': WITH_DATABASE() });
    await project.compose(['up', '-d']);
    await serverReady(await containerOf(project, 'db'));
  });
  afterAll(async () => {
    await project[Symbol.asyncDispose]();
  });

  test('loses its engine: told as that, nothing is committed, the next one is whole', async () => {
    await using proxy = await engineProxy();
    const held = await holdDump(project);
    const running = backUp(project, [], { env: proxy.env });
    await held.waits();
    await proxy.kill();
    const run = await running;
    await held.release();
    expect(run.code, run.stderr).toBe(20);
    expect(run.says).toMatch(/engine-lost .*was lost while/);
    expect(await snapshotsOf(project.directory)).toEqual([]);
    const next = await backUp(project);
    expect(next.code, next.stderr).toBe(0);
    expect(next.components['database/db/postgres']).toBe('captured dump');
    expect(await helpersOf(project)).toBe('');
    expect(await readdir(join(project.directory, 'backups/incoming'))).toEqual([]);
  });

  test('lets nobody else write the same project, and ends well', async () => {
    const held = await holdDump(project);
    const first = backUp(project);
    await held.waits();
    const second = await backUp(project, ['--lock-timeout', '1s']);
    expect(second.code, second.stderr).toBe(11);
    expect(second.says).toMatch(new RegExp(`${project.name}.*(backup|pid)`));
    await held.release();
    const run = await first;
    expect(run.code, run.stderr).toBe(0);
    expect(await snapshotsOf(project.directory)).toContain(run.snapshot?.name);
    const third = await backUp(project);
    expect(third.code, third.stderr).toBe(0);
  });

  test('is safe from a prune beside it, which waits or is refused', async () => {
    const before = await snapshotsOf(project.directory);
    const held = await holdDump(project);
    const running = backUp(project, ['--no-prune']);
    await held.waits();
    const refused = await report(['prune', '--keep-last', '1', '-y', '--lock-timeout', '1s'], { cwd: project.directory });
    expect(refused.code, refused.stderr).toBe(11);
    expect(await snapshotsOf(project.directory)).toEqual(before);
    const waiting = startCli(['prune', '--keep-last', '1', '-y', '--lock-timeout', '10m', '--json'], {
      cwd: project.directory,
      env: engineEnv(),
    });
    await held.release();
    const run = await running;
    expect(run.code, run.stderr).toBe(0);
    const pruned = await waiting.end;
    expect(pruned.code, pruned.stderr).toBe(0);
    expect(await snapshotsOf(project.directory)).toEqual([run.snapshot?.name]);
    const verified = await report(['verify', '--read-data'], { cwd: project.directory });
    expect(verified.code, verified.stderr).toBe(0);
  });

  test('does not keep another project from the same repository', async () => {
    await using other = await createProject({ 'compose.yaml': SMALL() });
    await other.compose(['up', '-d']);
    await other.compose(['exec', '-T', 'web', 'sh', '-c', 'echo picture > /media/picture.png']);
    const repository = join(project.directory, 'backups');
    const held = await holdDump(project);
    const running = backUp(project);
    await held.waits();
    const beside = await backUp(other, ['-r', repository, '--lock-timeout', '1s']);
    expect(beside.code, beside.stderr).toBe(0);
    expect(beside.says).toMatch(/not-pruned prune nothing old was pruned: .*/);
    expect(beside.components['volume/media']).toBe('captured stopped');
    await held.release();
    const run = await running;
    expect(run.code, run.stderr).toBe(0);
    const all = await snapshotsOf(project.directory, ['--all-projects']);
    expect(all).toContain(run.snapshot?.name);
    expect(all).toContain(beside.snapshot?.name);
    const verified = await report(['verify', '--read-data', '--all-projects'], { cwd: project.directory });
    expect(verified.code, verified.stderr).toBe(0);
  });
});

test('an engine lost while a service is stopped: said, and the next command starts it again', async () => {
  await using project = await createProject({ 'compose.yaml': SMALL() });
  await project.compose(['up', '-d']);
  // Enough to read that the engine is gone while the volume is being captured.
  await project.compose(['exec', '-T', 'web', 'sh', '-c', 'head -c 300000000 /dev/urandom > /media/weights.bin']);
  await using proxy = await engineProxy();
  const running = startCli(['backup'], { cwd: project.directory, env: { ...engineEnv(), ...proxy.env } });
  await running.line(/service .*web.* stopped/);
  await proxy.kill();
  const run = await running.end;
  expect(run.code, run.stderr).toBe(20);
  expect(run.stderr).toMatch(/web.* did not come back/);
  expect(run.stderr).toMatch(/recover/);
  expect(await stateOf(project, 'web')).toBe('exited');
  const next = await report(['list'], { cwd: project.directory });
  expect(next.says).toMatch(/undone what a killed run left: .*web/);
  expect(next.json['snapshots']).toEqual([]);
  expect(await stateOf(project, 'web')).toBe('running');
  expect(await helpersOf(project)).toBe('');
});
