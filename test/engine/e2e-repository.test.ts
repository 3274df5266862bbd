import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createProject, type TestProjectFolder, testEngine } from '../support/engine.ts';
import { canMount, mountTmpfs } from '../support/filesystem-image.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { backUp, type Report, report, snapshotsOf, stateOf } from './e2e-support.ts';
import { removeManifestCopy } from '../support/repository-fixture.ts';

const COMPOSE = (): string => `
services:
  web:
    image: ${testEngine().images.debian}
    command: [sleep, infinity]
    init: true
    volumes: [media:/media]
    labels: { mcads.quiesce: stop }
  worker:
    image: ${testEngine().images.debian}
    command: [sleep, infinity]
    init: true
    volumes: [results:/results]
volumes: { media: , results: }
`;

const mounts = await canMount();

let project: TestProjectFolder;
let name: string;

beforeAll(async () => {
  project = await createProject({ 'compose.yaml': COMPOSE() });
  await project.compose(['up', '-d']);
  await project.compose(['exec', '-T', 'web', 'sh', '-c', 'head -c 8000000 /dev/urandom > /media/weights.bin']);
  await project.compose(['exec', '-T', 'worker', 'sh', '-c', 'echo 1 > /results/one']);
  const run = await backUp(project);
  expect(run.code, run.stderr).toBe(0);
  name = run.snapshot?.name ?? '';
});
afterAll(async () => {
  await project[Symbol.asyncDispose]();
});

/** A copy of the repository that a test may spoil. */
async function copied(): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await temporaryFolder();
  const path = join(folder.path, 'repository');
  await cp(join(project.directory, 'backups'), path, { recursive: true });
  return { path, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

/** The biggest file below a folder: of the chunks, one of the weights. */
async function biggestBelow(folder: string): Promise<string> {
  let biggest = { path: '', size: -1 };
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const { size } = await stat(path);
    if (size > biggest.size) biggest = { path, size };
  }
  return biggest.path;
}

async function ask(args: readonly string[], repository: string): Promise<Report> {
  return report([...args, '-r', repository], { cwd: project.directory });
}

describe('a repository that cannot be used', () => {
  test('a folder of somebody else is left as it is', async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, 'thesis.tex'), 'mine');
    const run = await backUp(project, ['-r', folder.path]);
    expect(run.code).toBe(2);
    expect(run.json['error']).toMatchObject({ code: 'foreign-folder' });
    expect(run.says).toMatch(/thesis\.tex.*Nothing was written/s);
    expect(await readdir(folder.path)).toEqual(['thesis.tex']);
    expect(await stateOf(project, 'web')).toBe('running');
  });

  test('one of a newer format is neither written nor read', async () => {
    await using copy = await copied();
    const path = join(copy.path, 'repository.json');
    const config = JSON.parse(await readFile(path, 'utf8')) as object; // only to be changed in one place
    await writeFile(path, JSON.stringify({ ...config, format: 2 }));
    for (const args of [['backup'], ['list'], ['verify'], ['extract', name, '--target', join(copy.path, '../out')]]) {
      const run = await ask(args, copy.path);
      expect(run.code, args.join(' ')).toBe(13);
      expect(run.json['error']).toMatchObject({ code: 'newer-format' });
    }
  });

  test('none at all, and a snapshot that it does not have', async () => {
    await using folder = await temporaryFolder();
    const nowhere = await ask(['list'], join(folder.path, 'missing'));
    expect(nowhere.code).toBe(10);
    expect(await readdir(folder.path)).toEqual([]);
    for (const args of [
      ['show', '20200101_000000'],
      ['files', '20200101_000000'],
      ['extract', '20200101_000000', '--target', folder.path],
    ]) {
      const run = await ask(args, join(project.directory, 'backups'));
      expect(run.code, args.join(' ')).toBe(10);
      expect(run.says).toContain('20200101_000000');
    }
  });

  test.runIf(mounts)('read-only: it is read, and a backup is refused before any service stops (needs root, to mount)', async () => {
    await using disk = await mountTmpfs('64m');
    const repository = join(disk.path, 'repository');
    await cp(join(project.directory, 'backups'), repository, { recursive: true });
    await disk.remount('ro');
    const run = await ask(['backup'], repository);
    expect(run.code).toBe(21);
    expect(run.says).toMatch(/read-only/);
    expect(await stateOf(project, 'web')).toBe('running');
    expect((await ask(['list'], repository)).stdout).toContain(name);
    const verified = await ask(['verify', '--read-data'], repository);
    expect(verified.code, verified.stderr).toBe(0);
    await using folder = await temporaryFolder();
    const extracted = await ask(['extract', name, 'volume/results', '--target', join(folder.path, 'out')], repository);
    expect(extracted.code, extracted.stderr).toBe(0);
  });

  test.runIf(mounts)('full: nothing is committed, the services run again, the next one works (needs root, to mount)', async () => {
    await using disk = await mountTmpfs('4m');
    const repository = join(disk.path, 'repository');
    const run = await ask(['backup'], repository);
    expect(run.code, run.stderr).toBe(21);
    expect(run.says).toMatch(/full|space/);
    expect(await stateOf(project, 'web')).toBe('running');
    expect(await readdir(join(repository, 'snapshots'))).toEqual([]);
    await disk.remount('size=64m');
    const next = await ask(['backup'], repository);
    expect(next.code, next.stderr).toBe(0);
    const verified = await ask(['verify', '--read-data'], repository);
    expect(verified.code, verified.stderr).toBe(0);
  });
});

describe('a repository that was damaged', () => {
  /** What `verify` and `extract` must say of damage to the data of `volume/media`. */
  async function expectDamage(repository: string): Promise<void> {
    const verified = await ask(['verify', '--read-data'], repository);
    expect(verified.code).toBe(30);
    expect(verified.stdout).toContain(name);
    expect(verified.stdout).toContain('volume/media');
    await using folder = await temporaryFolder();
    const out = join(folder.path, 'out');
    const extracted = await ask(['extract', name, 'volume/media', '--target', out], repository);
    expect(extracted.code, extracted.stdout).toBe(30);
    expect(extracted.says).toContain('volume/media');
    const other = await ask(['extract', name, 'volume/results', '--target', join(folder.path, 'other')], repository);
    expect(other.code, other.stdout).toBe(0);
  }

  test('a chunk with a wrong byte; the next backup stores it again', async () => {
    await using copy = await copied();
    const path = await biggestBelow(join(copy.path, 'chunks'));
    const bytes = await readFile(path);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await writeFile(path, bytes);
    await expectDamage(copy.path);
    const healed = await ask(['backup'], copy.path);
    expect(healed.code, healed.stdout).toBe(0);
    const again = await ask(['verify', '--read-data'], copy.path);
    expect(again.code, again.stdout).toBe(0);
  });

  test('a chunk that is missing: seen by the structure alone', async () => {
    await using copy = await copied();
    await rm(await biggestBelow(join(copy.path, 'chunks')));
    expect((await ask(['verify'], copy.path)).code).toBe(30);
    await expectDamage(copy.path);
  });

  test('a page that was cut short', async () => {
    await using copy = await copied();
    const shown = await ask(['show', name], copy.path);
    const manifest = JSON.parse(await readFile(join(copy.path, 'snapshots', name, 'manifest.json'), 'utf8')) as {
      // the format that RECOVERY.md documents
      components: readonly { id: string; artifacts: readonly { name: string; pages: readonly string[] }[] }[];
    };
    expect(shown.code).toBe(0);
    const media = manifest.components.find(({ id }) => id === 'volume/media');
    const page = media?.artifacts.find((artifact) => artifact.name === 'data')?.pages[0] ?? '';
    const path = join(copy.path, 'segments', page.slice(0, 2), page);
    await truncate(path, (await stat(path)).size - 5);
    expect((await ask(['verify'], copy.path)).code).toBe(30);
    await expectDamage(copy.path);
    const pruned = await ask(['prune', '--keep-last', '1', '-y'], copy.path);
    expect(pruned.code, pruned.stdout).toBe(30);
  });

  test('a manifest that was changed', async () => {
    await using copy = await copied();
    const path = join(copy.path, 'snapshots', name, 'manifest.json');
    const change = async (): Promise<void> => writeFile(path, (await readFile(path, 'utf8')).replace('"volume/media"', '"volume/medla"'));
    await change();
    const repaired = await ask(['verify'], copy.path);
    expect(repaired.code).toBe(30);
    expect(repaired.stdout).toContain('it was put back from its copy under segments/');
    expect((await ask(['verify'], copy.path)).code).toBe(0);
    await removeManifestCopy(copy.path, name);
    await change();
    for (const args of [['verify'], ['show', name], ['extract', name, '--target', join(copy.path, '../out')]]) {
      const run = await ask(args, copy.path);
      expect(run.code, `${args.join(' ')}: ${run.stdout}`).toBe(30);
      expect(run.stdout).toContain(name);
    }
    expect(await snapshotsOf(project.directory)).toContain(name);
    // A snapshot beside it is possible, and nothing is pruned meanwhile.
    const next = await ask(['backup', '--keep-last', '1'], copy.path);
    expect(next.snapshot?.completeness, next.stdout).toBe('complete');
    expect(next.code).toBe(3);
    expect(next.says).toMatch(/nothing old was pruned/);
    expect(await readdir(join(copy.path, 'snapshots'))).toContain(name);
  });
});
