import { execFileSync } from 'node:child_process';

import { expect, test } from 'vitest';
import { createProject, docker, engineEnv, testEngine } from '../support/engine.ts';
import { MAIN, runJson } from '../support/run-cli.ts';

test('an image that no registry has is named, and with --images local it comes back by docker load', async () => {
  await using project = await createProject();
  const image = `${project.name}-built:1`;
  const recipe = `FROM ${testEngine().images.noshell}\nLABEL only-here=${project.name}\n`;
  await docker(['build', '--quiet', '--tag', image, '-'], { env: { DOCKER_BUILDKIT: '0' }, input: recipe });
  await project.write('Dockerfile', recipe);
  await project.write('compose.yaml', `services: {app: {image: "${image}", build: .}}\n`);
  await project.compose(['up', '-d', '--no-build']);
  const id = (await docker(['image', 'inspect', '--format', '{{.Id}}', image])).stdout.trim();
  const options = { cwd: project.directory, env: engineEnv() };

  const named = await runJson(['backup', '-r', `${project.directory}-backups`], options);
  expect(named.code, named.stderr).toBe(0);
  expect(named.json['findings']).toMatchObject([{ severity: 'info', code: 'image-without-digest', subject: 'image/app' }]);

  const kept = await runJson(['backup', '-r', `${project.directory}-backups`, '--images', 'local'], options);
  expect(kept.code, kept.stderr).toBe(0);
  expect(kept.json['components']).toMatchObject([{ id: 'image/app', outcome: 'captured' }, { id: 'config' }, { id: 'state' }]);
  await project.compose(['down']);
  await docker(['rmi', '--force', image]);
  const archive = execFileSync(
    process.execPath,
    [MAIN, 'extract', 'latest', 'image/app', '-r', `${project.directory}-backups`, '--target', '-'],
    {
      cwd: project.directory,
      env: { ...process.env, ...engineEnv() },
      maxBuffer: 1e8,
    },
  );
  await docker(['load'], { input: archive });
  expect((await docker(['image', 'inspect', '--format', '{{.Id}}', id])).stdout.trim()).toBe(id);
});
