import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SnapshotRepository } from '../../src/domain/ports.ts';
import { openLocalTree } from '../../src/host/local-tree.ts';
import { gnuTarExtractor } from '../../src/host/tar-extract.ts';
import { captureTree } from '../../src/pipeline/capture-tree.ts';
import { extract, type ExtractRequest } from '../../src/pipeline/extract.ts';
import { diffSnapshots, listFiles } from '../../src/pipeline/read-tree.ts';
import { openRepository } from '../../src/repository/open-repository.ts';
import { createAwkwardTree, fingerprintTree } from '../support/awkward-tree.ts';
import { makeManifest, NEVER, toComponentId } from '../support/repository-fixture.ts';

const MEDIA = 'volume/media';
let base: string;
let tree: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'mcads-read-'));
  tree = join(base, 'tree');
  mkdirSync(tree);
});

afterEach(() => rmSync(base, { recursive: true, force: true }));

const open = () => openRepository({ path: join(base, 'repo'), mode: 'write', create: true, lockTimeoutMs: 1000 });

async function snapshot(repository: SnapshotRepository, time: string) {
  const name = `demo_backup_20260101_${time}`;
  await using writer = await repository.begin(name, 'demo', NEVER);
  await using source = await openLocalTree(tree, {}, NEVER);
  const result = await captureTree(source, writer, { parent: null, exclude: [], neverCapture: [] }, NEVER);
  await writer.commit(makeManifest(repository.id, name, [{ id: toComponentId(MEDIA), artifacts: result.artifacts }]), 'checked\n');
  return name;
}

async function get(
  repository: SnapshotRepository,
  name: string,
  path: string | null,
  target: string | null = join(base, 'out'),
  overwrite = false,
) {
  const pieces: Uint8Array[] = [];
  const output = async (bytes: Uint8Array): Promise<void> => void pieces.push(Buffer.from(bytes));
  const request: ExtractRequest = { snapshot: name, selections: [{ component: MEDIA, path }], target, overwrite, output };
  const report = await extract(repository, request, () => undefined, NEVER, gnuTarExtractor());
  return { report, bytes: Buffer.concat(pieces), folder: join(base, 'out', MEDIA) };
}

test('an extracted tree is the captured one to the last bit, and its chunk files are a plain .tar.zst', async () => {
  createAwkwardTree(tree);
  const before = fingerprintTree(tree);
  await using repository = await open();
  const name = await snapshot(repository, '000000');
  const { folder } = await get(repository, name, null);
  expect(fingerprintTree(folder)).toEqual(before);

  const data = (await repository.manifest(name)).components[0]?.artifacts.find((artifact) => artifact.name === 'data');
  const chunks: string[] = [];
  if (data !== undefined)
    for await (const segment of repository.segments(data, NEVER))
      for (const [id] of segment.chunks) chunks.push(join(base, 'repo/chunks', id.slice(0, 2), id));
  const plain = join(base, 'plain');
  mkdirSync(plain);
  const script = `xargs cat | zstd -dc | tar -x -p --numeric-owner --xattrs --xattrs-include='*' --acls --delay-directory-restore -C "$0"`;
  execFileSync('bash', ['-o', 'pipefail', '-c', script, plain], { input: chunks.join('\n') });
  expect(fingerprintTree(plain)).toEqual(before);
});

test('a part comes alone, with hard links whose first name lies outside of it', async () => {
  mkdirSync(join(tree, 'z/sub'), { recursive: true });
  writeFileSync(join(tree, 'first'), 'shared content');
  execFileSync('ln', ['first', 'z/one'], { cwd: tree });
  execFileSync('ln', ['first', `z/sub/${'n'.repeat(200)}-ü`], { cwd: tree });
  await using repository = await open();
  const { folder, report } = await get(repository, await snapshot(repository, '000000'), 'z');
  expect(execFileSync('ls', [folder], { encoding: 'utf8' })).toBe('z\n');
  expect(readFileSync(join(folder, 'z/one'), 'utf8')).toBe('shared content');
  expect(statSync(join(folder, 'z/one')).ino).toBe(statSync(join(folder, `z/sub/${'n'.repeat(200)}-ü`)).ino);
  expect(report.components).toMatchObject([{ id: MEDIA, files: 4 }]);
});

test('one file goes to stdout as its bytes, holes included, and a directory as a tar', async () => {
  mkdirSync(join(tree, 'd'));
  execFileSync('bash', ['-c', 'truncate -s 3M holes; printf end >> holes; printf x > d/x'], { cwd: tree });
  await using repository = await open();
  const name = await snapshot(repository, '000000');
  expect((await get(repository, name, 'holes', null)).bytes.equals(readFileSync(join(tree, 'holes')))).toBe(true);
  const tar = (await get(repository, name, 'd', null)).bytes;
  expect(execFileSync('tar', ['-t'], { input: tar, encoding: 'utf8' })).toBe('./d/\n./d/x\n');
});

test('a path that is not there and a target that is taken are told apart from success', async () => {
  writeFileSync(join(tree, 'a'), 'a');
  await using repository = await open();
  const name = await snapshot(repository, '000000');
  await expect(get(repository, name, 'nope')).rejects.toMatchObject({ code: 'usage' });
  await get(repository, name, 'a');
  await expect(get(repository, name, 'a')).rejects.toMatchObject({ code: 'usage' });
});

test('an existing path is refused before anything is written, anywhere in the target', async () => {
  mkdirSync(join(tree, 'd/empty'), { recursive: true });
  for (const name of ['a', 'd/x', 'z']) writeFileSync(join(tree, name), name);
  await using repository = await open();
  const name = await snapshot(repository, '000000');
  const folder = join(base, 'out', MEDIA);
  mkdirSync(join(folder, 'd/empty'), { recursive: true });
  await expect(get(repository, name, null)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining('nothing was written'),
  });
  await expect(get(repository, name, 'd')).rejects.toMatchObject({ code: 'usage' });
  writeFileSync(join(folder, 'z'), 'mine');
  await expect(get(repository, name, 'z')).rejects.toMatchObject({ code: 'usage' });
  expect(readdirSync(folder).toSorted()).toEqual(['d', 'z']);
  expect(readdirSync(join(folder, 'd'))).toEqual(['empty']);
  // What is not in the way stays and hinders nobody; an empty directory is as good as none.
  await get(repository, name, 'd/empty');
  await get(repository, name, 'a');
  expect(readFileSync(join(folder, 'z'), 'utf8')).toBe('mine');
});

test('overwriting replaces files, merges directories and leaves what it does not know', async () => {
  createAwkwardTree(tree);
  rmSync(join(tree, 'huge-sparse'));
  const before = fingerprintTree(tree);
  await using repository = await open();
  const name = await snapshot(repository, '000000');
  const { folder } = await get(repository, name, null);
  // Content, types, modes and attributes of what is there are others by now.
  const spoil = `printf other > plain.txt; chmod 700 deep empty-dir; setfattr -n user.on-dir -v no deep; rm large.bin; ln -s plain.txt large.bin
    rm -r a.b; printf file > a.b; rm fifo; mkdir fifo; rm dangling-link; printf x > dangling-link; touch . deep/er`;
  execFileSync('sh', ['-euc', spoil], { cwd: folder });
  mkdirSync(join(folder, 'deep/mine'));
  writeFileSync(join(folder, 'deep/mine/own'), 'mine');
  await get(repository, name, null, undefined, true);
  expect(readFileSync(join(folder, 'deep/mine/own'), 'utf8')).toBe('mine');
  rmSync(join(folder, 'deep/mine'), { recursive: true });
  // Taking it away moved the directory's time.
  execFileSync('touch', ['-r', join(tree, 'deep'), join(folder, 'deep')]);
  expect(fingerprintTree(folder)).toEqual(before);
});

test('a directory with content where a file belongs is named, not removed', async () => {
  writeFileSync(join(tree, 'a'), 'a');
  await using repository = await open();
  const name = await snapshot(repository, '000000');
  mkdirSync(join(base, 'out', MEDIA, 'a/mine'), { recursive: true });
  await expect(get(repository, name, null, undefined, true)).rejects.toMatchObject({
    code: 'usage',
    hint: expect.stringContaining('something else lies where a file belongs'),
  });
  expect(readdirSync(join(base, 'out', MEDIA, 'a'))).toEqual(['mine']);
});

test('an extraction says nothing about times that are only unusual', async () => {
  createAwkwardTree(tree);
  await using repository = await open();
  expect((await get(repository, await snapshot(repository, '000000'), null)).report.findings).toEqual([]);
});

test('two snapshots differ by what was added, removed and changed, in walk order', async () => {
  for (const name of ['a', 'b', 'c']) writeFileSync(join(tree, name), name);
  await using repository = await open();
  const before = await snapshot(repository, '000000');
  rmSync(join(tree, 'a'));
  writeFileSync(join(tree, 'b'), 'longer');
  writeFileSync(join(tree, 'a.new'), 'n');
  const after = await snapshot(repository, '000001');
  const found = await Array.fromAsync(diffSnapshots(repository, before, after, [], NEVER));
  expect(found.map(({ path, change }) => `${change} ${path}`)).toEqual(['changed .', 'removed a', 'added a.new', 'changed b']);
  expect(found[3]?.details).toContain('size 1 → 6');
  const listed = await Array.fromAsync(listFiles(repository, after, [{ component: MEDIA, path: null }], NEVER));
  expect(listed.map(({ path }) => path)).toEqual(['.', 'a.new', 'b', 'c']);
});
