import { expect, test } from 'vitest';
import { createProject, docker, engineEnv, testEngine, type TestProjectFolder } from '../support/engine.ts';
import { report } from '../engine/e2e-support.ts';

/** A project whose only service runs an image that was built here, with a volume. */
async function built(): Promise<{ readonly project: TestProjectFolder; readonly image: string }> {
  const project = await createProject();
  const image = `${project.name}-built:1`;
  const recipe = `FROM ${testEngine().images.debian}\nLABEL only-here=${project.name}\n`;
  await docker(['build', '--quiet', '--tag', image, '-'], { env: { DOCKER_BUILDKIT: '0' }, input: recipe });
  await project.write('Dockerfile', recipe);
  const service = `{image: "${image}", build: ., init: true, command: [sleep, infinity], volumes: ["data:/data"]}`;
  await project.write('compose.yaml', `services: {app: ${service}}\nvolumes: {data: {}}\n`);
  await project.compose(['up', '-d', '--no-build']);
  await project.compose(['exec', '-T', 'app', 'sh', '-c', 'echo kept > /data/file']);
  return { project, image };
}

async function loseAll(project: TestProjectFolder, image: string): Promise<void> {
  await project.compose(['down', '--volumes', '-t', '1']);
  await docker(['rmi', '--force', image]);
}

test('an image that the snapshot holds is loaded, and the project runs again', async () => {
  const { project, image } = await built();
  await using own = project;
  const options = { cwd: own.directory, env: engineEnv() };
  expect((await report(['backup', '--images', 'local'], options)).code).toBe(0);
  await loseAll(own, image);
  const run = await report(['restore', 'latest', '--yes'], options);
  expect(run.code, run.stderr + run.says).toBe(0);
  expect((await own.compose(['exec', '-T', 'app', 'cat', '/data/file'])).stdout).toBe('kept\n');
});

test('an image that nobody has is named with the command that builds it; the data is restored all the same: exit 3', async () => {
  const { project, image } = await built();
  await using own = project;
  const options = { cwd: own.directory, env: engineEnv() };
  expect((await report(['backup'], options)).code).toBe(0);
  await loseAll(own, image);
  const plan = await report(['restore', 'latest', '--dry-run'], options);
  const { missingImages } = plan.json['plan'] as { readonly missingImages: unknown }; // design §8
  expect(missingImages).toEqual([{ image, services: ['app'], command: 'docker compose build app' }]);
  const run = await report(['restore', 'latest', '--yes'], options);
  expect(run.code, run.stderr + run.says).toBe(3);
  expect(run.says).toContain('docker compose build app');
  await own.compose(['build', '--quiet', 'app'], { env: { DOCKER_BUILDKIT: '0', COMPOSE_DOCKER_CLI_BUILD: '0' } });
  await own.compose(['up', '-d']);
  expect((await own.compose(['exec', '-T', 'app', 'cat', '/data/file'])).stdout).toBe('kept\n');
});
