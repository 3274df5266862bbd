import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProject, docker, engineEnv, type TestProjectFolder } from '../support/engine.ts';
import { errorsOf } from '../support/extracted.ts';
import { runCli, runJson } from '../support/run-cli.ts';

const FILE = `
x-mcads: {volumes: {configured: {enable: true}}}
x-sleep: &sleep {image: "\${WEB_IMAGE}", init: true, command: [sleep, infinity]}
services:
  plain:
    <<: *sleep
    volumes: [plain:/data, ./bound:/bound, shared:/shared]
    tmpfs: /cache
  off:
    <<: *sleep
    labels: {mcads.enable: 'false'}
    volumes: [off:/data, wanted:/wanted, configured:/configured, shared:/shared]
  on:
    <<: *sleep
    labels: {mcads.enable: 'true'}
    volumes: [on:/data]
  less:
    <<: *sleep
    labels: {mcads.exclude: '*.tmp, cache/**'}
    volumes: [less:/data, unwanted:/unwanted]
  frozen:
    <<: *sleep
    labels: {mcads.quiesce: pause}
    volumes: [frozen:/data]
  raw:
    image: \${POSTGRES_IMAGE}
    init: true
    environment: {POSTGRES_PASSWORD: p}
    labels: {mcads.engine: none, mcads.quiesce: stop}
    volumes: [raw:/var/lib/postgresql/data]
    healthcheck: {test: [CMD-SHELL, pg_isready -q -h 127.0.0.1], interval: 3s, retries: 40}
  labelled:
    image: \${POSTGRES_IMAGE}
    init: true
    environment: {POSTGRES_PASSWORD: p}
    labels: {mcads.engine: postgres, mcads.postgres.databases: postgres}
    volumes: [labelled:/var/lib/postgresql/data]
    healthcheck: {test: [CMD-SHELL, pg_isready -q -h 127.0.0.1], interval: 3s, retries: 40}
volumes:
  plain:
  shared:
  off:
  wanted: {labels: {mcads.enable: 'true'}}
  configured:
  on:
  less:
  unwanted: {labels: {mcads.enable: 'false'}}
  frozen:
  raw:
  labelled:
`;

interface Planned {
  readonly id: string;
  readonly how: string;
  readonly because: string;
  readonly quiesce: string;
}
interface Named {
  readonly subject: string;
  readonly reason: string;
}

let project: TestProjectFolder;
beforeAll(async () => {
  project = await createProject({ 'compose.yaml': FILE, 'bound/file': 'bound\n' });
  await project.compose(['up', '-d', '--wait'], { env: engineEnv() });
  const less = (await docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', `${project.name}_less`])).stdout.trim();
  for (const name of ['kept', 'left.tmp']) await writeFile(join(less, name), name);
});
afterAll(async () => project[Symbol.asyncDispose]());

async function planned(args: readonly string[] = [], directory = project.directory) {
  const { code, json } = await runJson(['plan', ...args], { cwd: directory, env: engineEnv() });
  expect(errorsOf(json)).toEqual([]);
  expect(code).toBe(0);
  const components = json['components'] as readonly Planned[]; // design §8
  return { components: new Map(components.map((one) => [one.id, one])), uncovered: json['uncovered'] as readonly Named[], json };
}

const WITHOUT_FILES = [
  'bind/plain/bound',
  'config',
  'database/labelled/postgres',
  'globals/labelled',
  'state',
  'volume/frozen',
  'volume/less',
  'volume/on',
  'volume/plain',
  'volume/raw',
  'volume/shared',
  'volume/wanted',
];
const EVERYTHING = [...WITHOUT_FILES, 'volume/configured'].toSorted();

test('plan says of every component how it is captured and why: by label, by configuration or because it is there', async () => {
  const { components } = await planned();
  expect([...components.keys()].toSorted()).toEqual(EVERYTHING);
  for (const { id, how } of components.values()) expect(how, id).not.toBe('');
  const because = Object.fromEntries([...components.values()].map((one) => [one.id, one.because]));
  expect(because).toMatchObject({
    'bind/plain/bound': 'detected',
    'database/labelled/postgres': 'label',
    'globals/labelled': 'label',
    'volume/on': 'label',
    'volume/wanted': 'label',
    'volume/configured': 'configuration',
    'volume/plain': 'detected',
    'volume/shared': 'detected',
  });
  const quiesce = [...components.values()].filter((one) => one.quiesce !== 'none').map((one) => `${one.id} ${one.quiesce}`);
  expect(quiesce.toSorted()).toEqual(['volume/frozen pause', 'volume/raw stop']);
});

test('plan names everything that holds state and is not covered, with the reason', async () => {
  const { uncovered } = await planned();
  const reasons = Object.fromEntries(uncovered.map(({ subject, reason }) => [subject, reason]));
  expect(Object.keys(reasons).toSorted()).toEqual(['plain:/cache', 'service off', 'volume off', 'volume unwanted']);
  expect(reasons['plain:/cache']).toContain('memory');
  expect(reasons['volume off']).toContain('mcads.enable');
  expect(reasons['volume unwanted']).toContain('mcads.enable');
});

test('the text of a plan has every component and everything that is not covered; backup --dry-run is the same; nothing is written', async () => {
  const options = { cwd: project.directory, env: engineEnv() };
  const { stdout } = await runCli(['plan'], options);
  for (const id of EVERYTHING) expect(stdout).toContain(id);
  expect(stdout).toContain('volume unwanted: switched off by mcads.enable on the volume');
  expect((await runCli(['backup', '--dry-run'], options)).stdout).toBe(stdout);
  expect((await readdir(project.directory)).toSorted()).toEqual(['bound', 'compose.yaml']);
});

test('labels do what they say: nothing switched off is stored, excluded files stay out, frozen services run again', async () => {
  const before = await docker(['ps', '-q', '--filter', `label=com.docker.compose.project=${project.name}`]);
  const options = { cwd: project.directory, env: engineEnv() };
  const { code, json } = await runJson(['backup'], options);
  expect(errorsOf(json)).toEqual([]);
  expect(code).toBe(0);
  const components = json['components'] as readonly { readonly id: string; readonly consistency: string }[]; // design §8
  expect(components.map(({ id }) => id).toSorted()).toEqual(EVERYTHING);
  const consistency = Object.fromEntries(components.map((one) => [one.id, one.consistency]));
  expect(consistency).toMatchObject({ 'volume/frozen': 'paused', 'volume/raw': 'stopped', 'database/labelled/postgres': 'dump' });
  const listed = (await runCli(['files', 'latest', 'volume/less'], options)).stdout;
  expect(listed).toContain('volume/less:kept');
  expect(listed).not.toContain('left.tmp');
  const after = await docker(['ps', '-q', '--filter', `label=com.docker.compose.project=${project.name}`]);
  expect(after.stdout.split('\n').toSorted()).toEqual(before.stdout.split('\n').toSorted());
  const states = await docker(['inspect', '--format', '{{.State.Status}}', ...after.stdout.split('\n').filter(Boolean)]);
  expect(new Set(states.stdout.trim().split('\n'))).toEqual(new Set(['running']));
});

test('without its Compose files a running project is planned from the engine alone, and captured with one warning', async () => {
  const away = join(project.directory, '..', 'away.yaml');
  await rename(join(project.directory, 'compose.yaml'), away);
  try {
    const { components, uncovered } = await planned();
    expect([...components.keys()].toSorted()).toEqual(WITHOUT_FILES);
    expect(uncovered.map(({ subject }) => subject).toSorted()).toEqual([
      'plain:/cache',
      'service off',
      'volume configured',
      'volume off',
      'volume unwanted',
    ]);
    const args = ['backup', '-r', join(project.directory, '..', 'without-files')];
    const { code, json } = await runJson(args, { cwd: project.directory, env: engineEnv() });
    expect(errorsOf(json)).toEqual([]);
    expect(code).toBe(0);
    const findings = json['findings'] as readonly { readonly severity: string; readonly code: string }[]; // design §8
    // The other one is about the new repository's place.
    const told = findings.filter(({ severity }) => severity !== 'info').map((finding) => finding.code);
    expect(told).toEqual(['compose-files-not-here', 'repository-on-same-disk']);
  } finally {
    await rename(away, join(project.directory, 'compose.yaml'));
  }
});

test('a project that was never started is planned and captured from its files alone', async () => {
  const files = { 'compose.yaml': FILE, 'bound/file': 'never started\n' };
  await using fresh = await createProject(files);
  const { components, uncovered } = await planned([], fresh.directory);
  expect([...components.keys()].toSorted()).toEqual(['bind/plain/bound', 'config', 'state']);
  for (const volume of ['plain', 'shared', 'on', 'less', 'frozen', 'raw', 'labelled', 'wanted'])
    expect(uncovered.find(({ subject }) => subject === `volume ${volume}`)?.reason).toContain('declared, but the engine has no volume');
  const { code, json } = await runJson(['backup'], { cwd: fresh.directory, env: engineEnv() });
  expect(errorsOf(json)).toEqual([]);
  expect(code).toBe(0);
  const out = join(fresh.directory, 'out');
  await runCli(['extract', 'latest', '--target', out], { cwd: fresh.directory, env: engineEnv() });
  expect(await readFile(join(out, 'bind/plain/bound/file'), 'utf8')).toBe('never started\n');
  expect(await readFile(join(out, 'config/project/compose.yaml'), 'utf8')).toBe(FILE);
});
