import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createProject, docker, engineEnv, testEngine } from '../support/engine.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { backUp, containerOf, report, snapshotsOf } from './e2e-support.ts';

const service = (more: string): string => `
services:
  web:
    image: ${testEngine().images.debian}
    init: true
${more}
`;

/** Names and sizes of all chunks. */
async function chunksOf(repository: string): Promise<readonly string[]> {
  const entries = await readdir(join(repository, 'chunks'), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return (await Promise.all(files.map(async (path) => `${path} ${(await stat(path)).size}`))).toSorted();
}

interface Entry {
  readonly component: string;
  readonly path: string | null;
  readonly bytes: number;
  readonly torn?: boolean;
}

async function filesOf(cwd: string, snapshot: string, component: string): Promise<readonly Entry[]> {
  const { code, stdout, stderr } = await runCli(['files', snapshot, component, '--json'], { cwd, env: engineEnv() });
  expect(code, stderr).toBe(0);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Entry); // the contract says so
}

test('a project that binds its own directory: ten backups in it stay flat, and none holds another', async () => {
  await using project = await createProject({
    'compose.yaml': service('    command: [sleep, infinity]\n    volumes: [".:/app"]'),
    'app.py': 'print("x-ray")\n',
    'deep/er/model.bin': Buffer.alloc(300_000, 'model'),
  });
  await project.compose(['up', '-d']);
  const repository = join(project.directory, 'backups');
  let second: readonly string[] = [];
  for (let count = 1; count <= 10; count += 1) {
    const run = await backUp(project, ['--no-prune']);
    expect(run.code, run.stdout).toBe(0);
    expect(run.components['bind/web/app']).toMatch(count === 1 ? /^captured/ : /^(captured|reused)/);
    if (count === 2) second = await chunksOf(repository);
  }
  expect(await snapshotsOf(project.directory)).toHaveLength(10);
  expect(await chunksOf(repository)).toEqual(second);
  const paths = (await filesOf(project.directory, 'latest', 'bind/web/app')).map(({ path }) => path);
  expect(paths).toContain('app.py');
  expect(paths).toContain('deep/er/model.bin');
  expect(paths.filter((path) => path !== null && /^(backups|logs)(\/|$)/.test(path))).toEqual([]);
});

test('a log that grows while it is read: what it held when it was seen, a note, exit 0', async () => {
  const writer = 'i=0; while :; do i=$((i+1)); echo "line $i"; done >> /logs/app.log';
  await using project = await createProject({
    'compose.yaml': `${service(`    command: [bash, -c, '${writer.replaceAll('$', '$$$$')}']\n    volumes: [logs:/logs]`)}\nvolumes: { logs: }\n`,
  });
  await project.compose(['up', '-d']);
  const id = await containerOf(project, 'web');
  await docker(['exec', id, 'sh', '-c', 'until [ -s /logs/app.log ]; do :; done']);
  const run = await backUp(project);
  await docker(['kill', id]);
  expect(run.code, run.stdout).toBe(0);
  expect(run.components['volume/logs']).toBe('captured live');
  const about = (run.json['findings'] as readonly { subject: string; severity: string }[]).filter(({ subject }) =>
    subject.includes('app.log'),
  ); // the contract
  expect(about.map(({ severity }) => severity)).toEqual(['info']);
  const [entry] = (await filesOf(project.directory, 'latest', 'volume/logs')).filter(({ path }) => path === 'app.log');
  expect(entry?.torn ?? false).toBe(false);
  await using folder = await temporaryFolder();
  const out = join(folder.path, 'out');
  const extracted = await report(['extract', 'latest', 'volume/logs', '--target', out], { cwd: project.directory });
  expect(extracted.code, extracted.stdout).toBe(0);
  const [path] = (await readdir(out, { recursive: true })).filter((name) => name.endsWith('app.log'));
  const content = await readFile(join(out, path ?? ''), 'utf8');
  expect(content).toHaveLength(entry?.bytes ?? -1);
  expect(content.startsWith('line 1\nline 2\n')).toBe(true);
});

test.each([
  // Each time with other bytes: filled with the same ones, what is seen twice on the way up looks as if it had only grown.
  ['cut short and filled again', 'n = (n + 1) % 256; file.truncate(0); file.seek(0); file.write(bytes([n]) * 20_000_000)'],
  ['written in place', 'file.seek(0); file.write(os.urandom(1 << 20) * 20)'],
])('a file that is %s all the time is listed as torn with a warning, never as clean', async (_name, change) => {
  const program = `import os\nn = 0\nfile = open('/data/state.bin', 'wb', buffering=0)\nfile.write(b'x' * 20_000_000)\nopen('/data/ready', 'w')\nwhile True:\n  ${change}\n`;
  await using project = await createProject({
    'compose.yaml': `${service('    command: [python3, /program/writer.py]\n    volumes: [data:/data, ./program:/program:ro]')}\nvolumes: { data: }\n`,
    'program/writer.py': program,
  });
  await project.compose(['up', '-d']);
  const id = await containerOf(project, 'web');
  await docker(['exec', id, 'sh', '-c', 'until [ -e /data/ready ]; do :; done']);
  const run = await backUp(project);
  await docker(['kill', id]);
  expect(run.code, run.stdout).toBe(0);
  const about = (run.json['findings'] as readonly { subject: string; severity: string; code: string }[]).filter(({ subject }) =>
    subject.includes('state.bin'),
  ); // the contract
  expect(about).toEqual([expect.objectContaining({ severity: 'warning', code: 'torn' })]);
  const [entry] = (await filesOf(project.directory, 'latest', 'volume/data')).filter(({ path }) => path === 'state.bin');
  expect(entry?.torn).toBe(true);
  // Nothing of it is reused unread, now that nobody writes.
  const next = await backUp(project);
  expect(next.code, next.stdout).toBe(0);
  const [again] = (await filesOf(project.directory, 'latest', 'volume/data')).filter(({ path }) => path === 'state.bin');
  expect(again?.torn ?? false).toBe(false);
});
