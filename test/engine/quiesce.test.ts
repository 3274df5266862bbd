import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { createProject, docker, engineEnv, type TestProjectFolder, testEngine } from '../support/engine.ts';
import { startCli } from '../support/paced-cli.ts';
import { runCli, runJson } from '../support/run-cli.ts';

const COMPOSE = (mode: string, image: string): string => `
services:
  db:
    image: ${image}
    command: [sleep, infinity]
    init: true
  web:
    image: ${image}
    command: [sleep, infinity]
    init: true
    depends_on: [db]
    volumes: [media:/media]
    labels: { mcads.quiesce: ${mode} }
volumes:
  media:
`;

async function started(mode: string, bytes = 300_000_000): Promise<TestProjectFolder> {
  const project = await createProject({ 'compose.yaml': COMPOSE(mode, testEngine().images.debian) });
  await project.compose(['up', '-d']);
  // By default enough to read that a signal sent at the word "stopped" arrives while the volume is being captured.
  await project.compose(['exec', '-T', 'web', 'sh', '-c', `head -c ${bytes} /dev/urandom > /media/weights.bin`]);
  return project;
}

async function stateOf(project: TestProjectFolder, service: string): Promise<string> {
  const id = (await project.compose(['ps', '-aq', service])).stdout.trim();
  return (await docker(['inspect', '--format', '{{.State.Status}}', id])).stdout.trim();
}

describe('services that a backup freezes', () => {
  test.each([
    ['stop', 'stopped'],
    ['pause', 'paused'],
  ])('mode %s: they run again afterwards, others are left alone, the copy says how it was made', async (mode, consistency) => {
    await using project = await started(mode, 1_000_000);
    const run = await runJson(['backup'], { cwd: project.directory, env: engineEnv() });
    expect(run.code, run.stderr).toBe(0);
    expect(await stateOf(project, 'web')).toBe('running');
    expect(await stateOf(project, 'db')).toBe('running');
    expect(run.json['components']).toContainEqual(expect.objectContaining({ id: 'volume/media', outcome: 'captured', consistency }));
    const left = await docker(['ps', '-aq', '--filter', 'label=mcads.helper', '--filter', `label=mcads.project=${project.name}`]);
    expect(left.stdout.trim()).toBe('');
  });

  test.each(['stop', 'pause'])('mode %s: a run killed in the middle is undone by the next command of any kind', async (mode) => {
    await using project = await started(mode);
    const run = startCli(['backup'], { cwd: project.directory, env: engineEnv() });
    await run.line(mode === 'stop' ? /service .*web.* stopped/ : /service .*web.* paused/);
    run.signal('SIGKILL');
    await run.end;
    expect(await stateOf(project, 'web')).toBe(mode === 'stop' ? 'exited' : 'paused');
    const next = await runCli(['plan'], { cwd: project.directory, env: engineEnv() });
    expect(next.code, next.stderr).toBe(0);
    expect(await stateOf(project, 'web')).toBe('running');
    const list = await runJson(['list'], { cwd: project.directory, env: engineEnv() });
    expect(list.json['snapshots'] ?? []).toEqual([]);
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s in the middle: everything is undone first, no snapshot exists, exit %i', async (signal, code) => {
    await using project = await started('stop');
    const run = startCli(['backup'], { cwd: project.directory, env: engineEnv() });
    await run.line(/service .*web.* stopped/);
    run.signal(signal);
    const end = await run.end;
    expect(end.code, end.stderr).toBe(code);
    expect(await stateOf(project, 'web')).toBe('running');
    const list = await runJson(['list'], { cwd: project.directory, env: engineEnv() });
    expect(list.json['snapshots'] ?? []).toEqual([]);
  });

  test.each(['SIGINT', 'SIGKILL'] as const)(
    '%s while the engine is still stopping one: it runs again after that stop has ended',
    async (signal) => {
      const slow = 'trap "echo asked to stop" TERM; while :; do sleep 0.2; done';
      const file = JSON.stringify({
        services: {
          web: {
            image: testEngine().images.debian,
            command: ['sh', '-c', slow],
            stop_grace_period: '4s',
            volumes: ['media:/media'],
            labels: { 'mcads.quiesce': 'stop' },
          },
        },
        volumes: { media: {} },
      });
      await using project = await createProject({ 'compose.yaml': file.replaceAll('$', '$$$$') });
      await project.compose(['up', '-d']);
      const id = (await project.compose(['ps', '-q', 'web'])).stdout.trim();
      const startedAt = async (): Promise<string> => (await docker(['inspect', '--format', '{{.State.StartedAt}}', id])).stdout.trim();
      const before = await startedAt();
      const run = startCli(['backup'], { cwd: project.directory, env: engineEnv() });
      await vi.waitFor(async () => expect((await docker(['logs', id])).stdout).toContain('asked to stop'), { timeout: 30_000 });
      run.signal(signal);
      const end = await run.end;
      if (signal === 'SIGINT') expect(end.code, end.stderr).toBe(130);
      else await runCli(['plan'], { cwd: project.directory, env: engineEnv() });
      expect(await stateOf(project, 'web')).toBe('running');
      expect(await startedAt(), 'the stop ended before the start').not.toBe(before);
    },
  );

  test('recover alone brings them back and says so', async () => {
    await using project = await started('stop');
    const run = startCli(['backup'], { cwd: project.directory, env: engineEnv() });
    await run.line(/service .*web.* stopped/);
    run.signal('SIGKILL');
    await run.end;
    const recovered = await runJson(['recover'], { cwd: project.directory, env: engineEnv() });
    expect(recovered.code, recovered.stderr).toBe(0);
    expect(recovered.stdout).toContain('web');
    expect(await stateOf(project, 'web')).toBe('running');
  });

  test('a service that is ill before is started and not waited for; one that dies of being started again is an error beside a complete snapshot', async () => {
    const { debian } = testEngine().images;
    const once = 'if [ -e /began ]; then sleep 0.5; exit 7; fi; touch /began; exec sleep infinity';
    const file = JSON.stringify({
      services: {
        ill: {
          image: debian,
          command: ['sleep', 'infinity'],
          init: true,
          volumes: ['ill:/data'],
          healthcheck: { test: ['CMD', 'false'], interval: '1s', retries: 1 },
          labels: { 'mcads.quiesce': 'stop' },
        },
        frail: { image: debian, command: ['sh', '-c', once], init: true, volumes: ['frail:/data'], labels: { 'mcads.quiesce': 'stop' } },
        last: { image: debian, command: ['sleep', 'infinity'], init: true, volumes: ['last:/data'], labels: { 'mcads.quiesce': 'stop' } },
      },
      volumes: { ill: {}, frail: {}, last: {} },
    });
    await using project = await createProject({ 'compose.yaml': file });
    await project.compose(['up', '-d']);
    await vi.waitFor(async () => expect((await project.compose(['ps', 'ill'])).stdout).toContain('unhealthy'), { timeout: 30_000 });
    const run = await runJson(['backup'], { cwd: project.directory, env: engineEnv() });
    expect(run.code, run.stderr).toBe(3);
    expect(run.json['snapshot']).toMatchObject({ completeness: 'complete' });
    const findings = run.json['findings'] as readonly { readonly code: string; readonly subject: string }[]; // ours
    expect(findings.filter(({ code }) => code === 'service-down').map(({ subject }) => subject)).toEqual([
      expect.stringContaining('frail'),
    ]);
    expect(await stateOf(project, 'ill')).toBe('running');
    expect(await stateOf(project, 'last')).toBe('running');
  });

  test('a service that cannot be started again is an error; its data and the other groups are stored, and it stays in the journal', async () => {
    const { debian } = testEngine().images;
    const sleeper = { image: debian, init: true, labels: { 'mcads.quiesce': 'stop' } };
    const broken = { ...sleeper, init: false, stop_signal: 'SIGKILL', command: ['/sleeps', 'infinity'], volumes: ['first:/data'] };
    const services = { broken, other: { ...sleeper, command: ['sleep', 'infinity'], volumes: ['second:/data'] } };
    await using project = await createProject({ 'compose.yaml': JSON.stringify({ services, volumes: { first: {}, second: {} } }) });
    await project.compose(['create']);
    const id = (await project.compose(['ps', '-aq', 'broken'])).stdout.trim();
    const good = join(project.directory, 'sleeps');
    await docker(['cp', `${id}:/bin/sleep`, good]);
    await docker(['cp', good, `${id}:/sleeps`]);
    await project.compose(['start']);
    await project.compose(['exec', '-T', 'broken', 'sh', '-c', 'head -c 200000000 /dev/urandom > /data/weights.bin']);
    const running = startCli(['backup'], { cwd: project.directory, env: engineEnv() });
    await running.line(/service .*broken.* stopped/);
    const bad = join(project.directory, 'bad');
    await writeFile(bad, 'no program', { mode: 0o644 });
    await docker(['cp', bad, `${id}:/sleeps`]);
    const run = await running.end;
    expect(run.code, run.stderr).toBe(3);
    expect(run.stderr).toMatch(/broken.* did not come back/);
    const made = await runJson(['show', 'latest'], { cwd: project.directory, env: engineEnv() });
    expect(made.stdout).toContain('"volume/first"');
    expect(made.stdout).toContain('"volume/second"');
    expect(await stateOf(project, 'other')).toBe('running');
    expect(await stateOf(project, 'broken')).not.toBe('running');
    await docker(['cp', good, `${id}:/sleeps`]);
    const recovered = await runCli(['recover'], { cwd: project.directory, env: engineEnv() });
    expect(recovered.code, recovered.stderr).toBe(0);
    expect(await stateOf(project, 'broken')).toBe('running');
  });

  test('somebody stops a service while it is paused: the snapshot is there, its copy is called live, and it stays stopped', async () => {
    await using project = await started('pause');
    const running = startCli(['backup'], { cwd: project.directory, env: engineEnv() });
    await running.line(/service .*web.* paused/);
    await project.compose(['stop', '-t', '1', 'web']);
    const run = await running.end;
    expect(run.code, run.stderr).toBe(0);
    expect(run.stderr).toMatch(/web.* was stopped by somebody while it was paused/);
    const made = await runJson(['show', 'latest'], { cwd: project.directory, env: engineEnv() });
    expect(made.json['components']).toContainEqual(expect.objectContaining({ id: 'volume/media', consistency: 'live' }));
    expect(await stateOf(project, 'web')).toBe('exited');
  });

  test('whoever lives in the network of a service that is stopped, for a backup or a restore, is started anew behind it', async () => {
    const { debian } = testEngine().images;
    const sleeper = { image: debian, command: ['sleep', 'infinity'], init: true };
    const services = {
      vpn: { ...sleeper, volumes: ['data:/data'], labels: { 'mcads.quiesce': 'stop' } },
      tenant: { ...sleeper, network_mode: 'service:vpn' },
      apart: sleeper,
    };
    await using project = await createProject({ 'compose.yaml': JSON.stringify({ services, volumes: { data: {} } }) });
    await project.compose(['up', '-d']);
    await project.compose(['exec', '-T', 'vpn', 'touch', '/data/file']);
    const network = async (service: string): Promise<string> =>
      (await project.compose(['exec', '-T', service, 'cat', '/proc/net/dev'])).stdout;
    const since = async (service: string): Promise<string> => {
      const id = (await project.compose(['ps', '-aq', service])).stdout.trim();
      return (await docker(['inspect', '--format', '{{.State.StartedAt}}', id])).stdout;
    };
    const apart = await since('apart');
    const made = await runCli(['backup'], { cwd: project.directory, env: engineEnv() });
    expect(made.code, made.stderr).toBe(0);
    expect(await network('tenant')).toContain('eth0');
    const restored = await runCli(['restore', 'latest', '--yes'], { cwd: project.directory, env: engineEnv() });
    expect(restored.code, restored.stderr).toBe(0);
    expect(await network('tenant')).toContain('eth0');
    const back = await runCli(['rollback', '--yes'], { cwd: project.directory, env: engineEnv() });
    expect(back.code, back.stderr).toBe(0);
    expect(await network('tenant')).toContain('eth0');
    expect(await since('apart')).toBe(apart);
  });

  test('a service that was ill before a restore, and is so afterwards, does not undo it', async () => {
    const { debian } = testEngine().images;
    const ill = {
      image: debian,
      command: ['sleep', 'infinity'],
      init: true,
      volumes: ['data:/data'],
      healthcheck: { test: ['CMD', 'false'], interval: '1s', retries: 1 },
    };
    await using project = await createProject({ 'compose.yaml': JSON.stringify({ services: { ill }, volumes: { data: {} } }) });
    await project.compose(['up', '-d']);
    await vi.waitFor(async () => expect((await project.compose(['ps', 'ill'])).stdout).toContain('unhealthy'), { timeout: 30_000 });
    expect((await runCli(['backup'], { cwd: project.directory, env: engineEnv() })).code).toBe(0);
    const restored = await runCli(['restore', 'latest', '--yes'], { cwd: project.directory, env: engineEnv() });
    expect(restored.code, restored.stderr).toBe(0);
    expect(await stateOf(project, 'ill')).toBe('running');
  });
});
