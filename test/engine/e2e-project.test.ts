import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createProject, docker, type TestProjectFolder, testEngine, uniqueName } from '../support/engine.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { backUp, report, snapshotsOf } from './e2e-support.ts';

const COMPOSE = (): string => `
services:
  web:
    image: ${testEngine().images.debian}
    command: [sleep, infinity]
    init: true
    volumes: [media:/media]
  worker:
    image: ${testEngine().images.debian}
    command: [sleep, infinity]
    init: true
    volumes: [results:/results]
volumes: { media: , results: }
`;

const BROKEN = 'services:\n  web: [\n  worker: {}\n';

describe('a project that runs', () => {
  let project: TestProjectFolder;

  beforeAll(async () => {
    project = await createProject({ 'compose.yaml': COMPOSE() });
    await project.compose(['up', '-d']);
    await project.compose(['exec', '-T', 'web', 'sh', '-c', 'echo picture > /media/picture.png']);
    await project.compose(['exec', '-T', 'worker', 'sh', '-c', 'echo 1 > /results/one']);
  });
  afterAll(async () => {
    await project[Symbol.asyncDispose]();
  });

  test('is named, with its command, in a directory that is nothing, where no folder is created', async () => {
    await using folder = await temporaryFolder();
    const run = await report(['backup'], { cwd: folder.path });
    expect(run.code).toBe(2);
    expect(run.json['error']).toMatchObject({ code: 'nothing-found' });
    expect(run.says).toContain(`no Compose project in ${folder.path}`);
    expect(run.says).toContain(`mcads-orchestrate backup -p ${project.name}`);
    expect(run.says).toContain(project.directory);
    expect(await readdir(folder.path)).toEqual([]);
  });

  test('under another name than it runs by is told, and the snapshot is no complete one', async () => {
    await using repository = await temporaryFolder();
    const wrong = uniqueName();
    const run = await report(['backup', '-p', wrong, '-r', join(repository.path, 'r')], { cwd: project.directory });
    expect(run.code, run.stderr).toBe(3);
    expect(run.snapshot?.completeness).toBe('partial');
    expect(run.says).toContain(`the engine knows nothing of ${wrong}; what was started from ${project.directory} runs as ${project.name}`);
    expect(run.says).toContain(`back up with -p ${project.name}`);
  });

  test('is captured from elsewhere with -p: from its labels, with a warning, into its own directory', async () => {
    await using folder = await temporaryFolder();
    const run = await report(['backup', '-p', project.name], { cwd: folder.path });
    expect(run.code, run.stderr).toBe(0);
    expect(run.says).toMatch(/compose-files-not-here .*labels/);
    expect(run.components).toMatchObject({ 'volume/media': 'captured live', 'volume/results': 'captured live', config: 'captured live' });
    expect(await readdir(folder.path)).toEqual([]);
    expect(await snapshotsOf(project.directory)).toEqual([run.snapshot?.name]);
    const out = join(folder.path, 'out');
    const extracted = await report(['extract', 'latest', 'config', '--target', out], { cwd: project.directory });
    expect(extracted.code, extracted.stderr).toBe(0);
    expect(await textsBelow(out)).toContain(COMPOSE());
  });

  test('an unknown name with -p: the known ones are listed', async () => {
    await using folder = await temporaryFolder();
    const run = await report(['backup', '-p', 'no-such-project'], { cwd: folder.path });
    expect(run.code).toBe(2);
    expect(run.says).toContain('no project named no-such-project');
    expect(run.says).toContain(project.name);
  });

  test('its files break: it is captured from the labels, with the raw files and an error', async () => {
    await project.write('compose.yaml', BROKEN);
    const run = await backUp(project);
    expect(run.code, run.stderr).toBe(3);
    expect(run.says).toMatch(/compose-files-unreadable config the Compose files of .* do not load \(.*compose\.yaml:\d+:\d+\)/);
    expect(run.components).toMatchObject({
      'volume/media': expect.stringMatching(/live$/),
      'volume/results': expect.stringMatching(/live$/),
    });
    await using folder = await temporaryFolder();
    const extracted = await report(['extract', run.snapshot?.name ?? '', 'config', '--target', join(folder.path, 'out')], {
      cwd: project.directory,
    });
    expect(extracted.code, extracted.stderr).toBe(0);
    expect(await textsBelow(join(folder.path, 'out'))).toContain(BROKEN);
    await project.write('compose.yaml', COMPOSE());
  });

  test('a service that it does not have', async () => {
    const run = await backUp(project, ['wbe']);
    expect(run.code).toBe(2);
    expect(run.says).toMatch(/no service named wbe.*its services are web, worker/s);
  });

  test('a --component that matches nothing', async () => {
    const run = await backUp(project, ['--component', 'volume/nothing*']);
    expect(run.code).toBe(2);
    expect(run.says).toMatch(/no component matches volume\/nothing\*/);
    expect(run.says).toContain('volume/media');
  });

  test('a selection makes a partial snapshot, which is no failure and never latest', async () => {
    const whole = await backUp(project);
    expect(whole.code, whole.stderr).toBe(0);
    const part = await backUp(project, ['worker', '--keep-last', '1']);
    expect(part.code, part.stderr).toBe(0);
    expect(part.snapshot?.completeness).toBe('partial');
    expect(Object.keys(part.components)).not.toContain('volume/media');
    expect(part.components['volume/results']).toMatch(/^(captured|reused) live$/);
    expect(part.json['pruned']).toEqual([]);
    const latest = await report(['show', 'latest'], { cwd: project.directory });
    expect(latest.stdout).toContain(whole.snapshot?.name);
  });

  test('an unknown setting, located', async () => {
    await project.write('mcads.yaml', 'keep:\n  lst: 3\n');
    const run = await backUp(project);
    await project.write('mcads.yaml', '');
    expect(run.code).toBe(2);
    expect(`${(run.json['error'] as { where?: string }).where ?? ''} ${run.says}`).toMatch(/mcads\.yaml:2:3/);
    expect(run.says).toMatch(/keep\.lst|lst/);
  });

  test('an unknown label fails what it stands on, the rest is captured', async () => {
    await project.write('compose.yaml', COMPOSE().replace('volumes: [results', 'labels: { mcads.quiese: stop }\n    volumes: [results'));
    await project.compose(['up', '-d']);
    const run = await backUp(project, ['--keep-last', '1']);
    await project.write('compose.yaml', COMPOSE());
    expect(run.code, run.stderr).toBe(3);
    expect(run.components['volume/results']).toBe('failed');
    expect(run.components['volume/media']).toMatch(/^(captured|reused) live$/);
    expect(run.says).toMatch(/mcads\.quiese.*mcads\.quiesce/s);
    expect(run.snapshot?.completeness).toBe('partial');
    expect(run.json['pruned']).toEqual([]);
  });
});

describe('a project that never ran', () => {
  test('is captured as far as it exists: its configuration; what is missing is named', async () => {
    await using project = await createProject({ 'compose.yaml': COMPOSE() });
    const run = await backUp(project);
    expect(run.code, run.stderr).toBe(0);
    expect(run.components['config']).toBe('captured live');
    expect(run.json['uncovered']).toContainEqual({
      subject: 'volume media',
      reason: `declared, but the engine has no volume ${project.name}_media yet`,
    });
    expect((await docker(['volume', 'ls', '-q', '--filter', `name=${project.name}`])).stdout).toBe('');
  });

  test('an external volume that is missing is named and never made', async () => {
    const name = uniqueName('external');
    const compose = COMPOSE().replace('media: ,', `media: { external: true, name: ${name} },`);
    await using project = await createProject({ 'compose.yaml': compose });
    const run = await backUp(project);
    expect(run.code, run.stderr).toBe(0);
    expect(run.json['uncovered']).toContainEqual({ subject: 'volume media', reason: `declared, but the engine has no volume ${name}` });
    expect((await docker(['volume', 'ls', '-q', '--filter', `name=${name}`])).stdout).toBe('');
  });

  test.each([
    ['broken YAML', BROKEN, /compose\.yaml:\d+:\d+/],
    ['a required variable that is missing', 'services:\n  web:\n    image: ${WEB:?name it}\n', /compose\.yaml:3:\d+.*name it/s],
  ])('%s: the place is named, no folder is created', async (_name, text, says) => {
    await using project = await createProject({ 'compose.yaml': text });
    const run = await backUp(project);
    expect(run.code).toBe(2);
    expect(run.json['error']).toMatchObject({ code: 'config' });
    expect(`${(run.json['error'] as { where?: string }).where ?? ''} ${run.says}`).toMatch(says);
    expect(await readdir(project.directory)).toEqual(['compose.yaml']);
  });
});

test('a project whose Compose files are gone is found by the directory that it was started from', async () => {
  await using project = await createProject({ 'compose.yaml': COMPOSE() });
  await project.compose(['up', '-d', '--no-deps', 'web']);
  await rm(join(project.directory, 'compose.yaml'));
  const run = await backUp(project);
  expect(run.code, run.stderr).toBe(0);
  expect(run.says).toMatch(/compose-files-not-here/);
  expect(run.components['volume/media']).toMatch(/live$/);
});

/** The contents of all files below a directory. */
async function textsBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return Promise.all(entries.filter((entry) => entry.isFile()).map((entry) => readFile(join(entry.parentPath, entry.name), 'utf8')));
}
