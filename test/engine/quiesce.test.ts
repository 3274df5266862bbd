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
});
