import { expect, test } from 'vitest';
import { createProject, docker, testEngine } from '../support/engine.ts';

test('a project comes up on the test engine and disposing it leaves nothing behind', async () => {
  const { images, runId } = testEngine();
  const compose = `
services:
  keeper:
    image: ${images.noshell}
    volumes: [data:/data]
  shell:
    image: ${images.busybox}
    command: [sh, -c, 'echo written > /data/file && sleep 1000']
    init: true
    volumes: [data:/data]
volumes:
  data:
`;
  let name: string;
  {
    await using project = await createProject({ 'compose.yaml': compose });
    name = project.name;
    expect(name.startsWith(runId)).toBe(true);
    await project.compose(['up', '-d', '--wait']);
    const { stdout } = await project.compose(['exec', '-T', 'shell', 'cat', '/data/file']);
    expect(stdout).toBe('written\n');
  }
  const left = await Promise.all([
    docker(['ps', '-aq', '--filter', `name=${name}`]),
    docker(['volume', 'ls', '-q', '--filter', `name=${name}`]),
    docker(['network', 'ls', '-q', '--filter', `name=${name}`]),
  ]);
  expect(left.map(({ stdout }) => stdout)).toEqual(['', '', '']);
});

test('an image without any file can be created from and never started', async () => {
  const { images, runId } = testEngine();
  const { stdout } = await docker(['create', '--name', `${runId}-empty`, images.empty]);
  expect(stdout.trim()).toMatch(/^[0-9a-f]{64}$/);
  await docker(['rm', `${runId}-empty`]);
});
