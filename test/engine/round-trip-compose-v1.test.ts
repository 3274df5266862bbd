import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProject, docker, engineEnv, testEngine, type TestProjectFolder } from '../support/engine.ts';
import { errorsOf } from '../support/extracted.ts';
import { runCli, runJson } from '../support/run-cli.ts';

const FILE = `version: '3'
services:
  web:
    image: \${WEB_IMAGE}
    command: [sleep, infinity]
    depends_on: [worker]
    volumes: [data:/data, ./uploads:/uploads]
  worker:
    image: \${WEB_IMAGE}
    command: [sleep, infinity]
    volumes: [data:/data:ro, /scratch]
volumes: {data: {}}
`;

/** Containers, volume and network as docker-compose 1.29 makes and labels them: relative files, no dependencies, no environment files. */
async function createAsVersion1(folder: TestProjectFolder): Promise<void> {
  const { name, directory } = folder;
  const flags = (labels: Readonly<Record<string, string>>): readonly string[] =>
    Object.entries(labels).flatMap(([key, value]) => ['--label', `com.docker.compose.${key}=${value}`]);
  const shared = { project: name, version: '1.29.2' };
  await docker(['network', 'create', ...flags({ ...shared, network: 'default' }), `${name}_default`]);
  await docker(['volume', 'create', ...flags({ ...shared, volume: 'data' }), `${name}_data`]);
  const mounts = { web: ['-v', `${name}_data:/data:rw`, '-v', `${directory}/uploads:/uploads:rw`], worker: ['-v', '/scratch'] };
  for (const [service, volumes] of Object.entries(mounts)) {
    const labels = {
      ...shared,
      service,
      'container-number': '1',
      oneoff: 'False',
      'config-hash': '0'.repeat(64),
      'project.config_files': 'docker-compose.yml',
      'project.working_dir': directory,
    };
    const options = ['--init', '--name', `${name}_${service}_1`, '--network', `${name}_default`, ...volumes, ...flags(labels)];
    const image = testEngine().images.debian;
    await docker([
      'create',
      ...options,
      image,
      'sh',
      '-c',
      'echo made > /scratch 2>/dev/null || echo made > /scratch/file; sleep infinity',
    ]);
    await docker(['start', `${name}_${service}_1`]);
  }
}

let folder: TestProjectFolder;
const env = (): Readonly<Record<string, string | undefined>> => ({ ...engineEnv(), COMPOSE_PROJECT_NAME: folder.name });
beforeAll(async () => {
  folder = await createProject({ 'docker-compose.yml': FILE, 'uploads/one.txt': 'uploaded\n' });
  await createAsVersion1(folder);
  const at = (await docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', `${folder.name}_data`])).stdout.trim();
  await writeFile(join(at, 'kept.txt'), 'kept\n');
});
afterAll(async () => folder[Symbol.asyncDispose]());

const EVERYTHING = ['bind/web/uploads', 'config', 'state', 'volume/data', 'volume/worker/scratch'];
const idsOf = (json: Record<string, unknown>): readonly string[] =>
  (json['components'] as readonly { readonly id: string }[]).map(({ id }) => id).toSorted(); // design §8

test('a project of docker-compose 1.29 is found with its files and captured whole', async () => {
  const { code, json } = await runJson(['backup'], { cwd: folder.directory, env: env() });
  expect(errorsOf(json)).toEqual([]);
  expect(code).toBe(0);
  expect(idsOf(json)).toEqual(EVERYTHING);
  const target = join(folder.directory, '..', 'out');
  expect((await runCli(['extract', 'latest', '--target', target], { cwd: folder.directory, env: env() })).code).toBe(0);
  expect(await readFile(join(target, 'volume/data/kept.txt'), 'utf8')).toBe('kept\n');
  expect(await readFile(join(target, 'volume/worker/scratch/file'), 'utf8')).toBe('made\n');
  expect(await readFile(join(target, 'bind/web/uploads/one.txt'), 'utf8')).toBe('uploaded\n');
  expect(await readFile(join(target, 'config/project/docker-compose.yml'), 'utf8')).toBe(FILE);
});

test('it is found from elsewhere by its name alone, its files by their relative label', async () => {
  const elsewhere = join(folder.directory, '..', 'elsewhere');
  await mkdir(elsewhere);
  const repository = join(elsewhere, 'repository');
  const args = ['-p', folder.name, '-r', repository];
  const { code, json } = await runJson(['backup', ...args], { cwd: elsewhere, env: engineEnv() });
  expect(errorsOf(json)).toEqual([]);
  expect(code).toBe(0);
  expect(idsOf(json)).toEqual(EVERYTHING);
  const shown = await runCli(['extract', 'latest', 'config:project/docker-compose.yml', '--target', '-', ...args], {
    cwd: elsewhere,
    env: engineEnv(),
  });
  expect(shown.stdout).toBe(FILE);
});

test('it is restored onto an engine and into a directory that have nothing of it, under the names and labels that version 1 gave', async () => {
  const repository = join(folder.directory, '..', 'kept-elsewhere');
  expect((await runJson(['backup', '-r', repository], { cwd: folder.directory, env: env() })).code).toBe(0);
  const containersNow = async (): Promise<readonly string[]> => {
    const format = '{{.Names}} {{.State}} {{.Label "com.docker.compose.config-hash"}} {{.Label "com.docker.compose.project.config_files"}}';
    const filter = ['--filter', `label=com.docker.compose.project=${folder.name}`];
    return (await docker(['ps', '-a', ...filter, '--format', format])).stdout.trim().split('\n').toSorted();
  };
  const before = await containersNow();
  for (const service of ['web', 'worker']) await docker(['rm', '-f', '-v', `${folder.name}_${service}_1`]);
  await docker(['volume', 'rm', `${folder.name}_data`]);
  await docker(['network', 'rm', `${folder.name}_default`]);
  await rm(folder.directory, { recursive: true });
  await mkdir(folder.directory);
  const run = await runJson(['restore', 'latest', '--yes', '-r', repository], { cwd: folder.directory, env: env() });
  expect(run.code, run.stderr).toBe(0);
  expect(await containersNow()).toEqual(before);
  const at = (await docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', `${folder.name}_data`])).stdout.trim();
  expect(await readFile(join(at, 'kept.txt'), 'utf8')).toBe('kept\n');
  expect(await readFile(join(folder.directory, 'uploads/one.txt'), 'utf8')).toBe('uploaded\n');
  expect(await readFile(join(folder.directory, 'docker-compose.yml'), 'utf8')).toBe(FILE);
  expect((await docker(['exec', `${folder.name}_worker_1`, 'cat', '/scratch/file'])).stdout).toBe('made\n');
});
