import { copyFile, cp, mkdir, readFile, symlink, writeFile, link, chmod, lutimes } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ManifestComponent } from '../../src/domain/manifest.ts';
import { openRepository } from '../../src/repository/open-repository.ts';
import { RECOVERY_TEXT } from '../../src/repository/recovery-text.ts';
import { commandWorks, runCommand } from '../support/run-command.ts';
import { makeManifest, NEVER, noise, putArtifact, toComponentId } from '../support/repository-fixture.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const NAME = "it's a shop_backup_20260102_030405";
const blocks = [...RECOVERY_TEXT.matchAll(/^```bash\n(.*?)^```$/gms)].map(([, block]) => block ?? '');
const script = (more: string): string => `set -e\n${blocks.slice(0, -1).join('\n')}\n${more}\n${blocks.at(-1) ?? ''}`;

/** A tree with what trips shells: newlines, dashes, non-UTF-8, links, modes. */
async function makeAwkwardTree(root: string): Promise<void> {
  await mkdir(join(root, 'deep/-rf *'), { recursive: true });
  await writeFile(join(root, 'deep/-rf *', 'new\nline'), noise(1, 3_000_000));
  await writeFile(Buffer.concat([Buffer.from(`${root}/bytes-`), Buffer.from([0xff, 0xfe])]), 'not UTF-8');
  await writeFile(join(root, 'empty'), '');
  await writeFile(join(root, 'setuid'), 'x');
  await chmod(join(root, 'setuid'), 0o4751);
  await link(join(root, 'setuid'), join(root, 'hard link'));
  await symlink('/nowhere/at all', join(root, 'dangling'));
  await lutimes(join(root, 'dangling'), 1_000_000_000.5, 1_000_000_000.5);
}

async function makeRepository(root: string): Promise<{ tree: string; tar: Buffer; sql: Buffer }> {
  const tree = join(root, 'tree');
  await makeAwkwardTree(tree);
  await runCommand('tar', ['-c', '-f', join(root, 'tree.tar'), '--format=posix', '-C', tree, '.']);
  const tar = await readFile(join(root, 'tree.tar'));
  const sql = Buffer.concat([Buffer.from('CREATE ROLE "o\'brien";\n'), noise(2, 500_000)]);
  const catalogue = Buffer.from(`${JSON.stringify({ path: 'dé "p"/\\', type: 'f' })}\n${JSON.stringify({ path64: '//4=', type: 'f' })}\n`);
  await using repository = await openRepository({ path: join(root, 'repository'), mode: 'write', create: true });
  await using writer = await repository.begin(NAME, "it's a shop", NEVER);
  const components: ManifestComponent[] = [
    {
      id: toComponentId('volume/media%20files'),
      artifacts: [await putArtifact(writer, tar, 'tar'), await putArtifact(writer, catalogue, 'jsonl', 'catalogue')],
    },
    { id: toComponentId('globals/db'), artifacts: [await putArtifact(writer, sql, 'sql')] },
    { id: toComponentId('bind/web/app'), artifacts: [await putArtifact(writer, tar, 'tar')] },
    { id: toComponentId('bind/web/app/empty'), artifacts: [await putArtifact(writer, Buffer.alloc(0), 'json')] },
  ];
  await writer.commit(makeManifest(repository.id, NAME, components), 'all well\n');
  return { tree, tar, sql };
}

test('the commands of RECOVERY.md, run as they stand, bring every component back to the last bit', async () => {
  await using folder = await temporaryFolder();
  const made = await makeRepository(folder.path);
  const repository = join(folder.path, 'repository');
  const target = join(folder.path, 'recovered');
  expect(await readFile(join(repository, 'RECOVERY.md'), 'utf8')).toBe(RECOVERY_TEXT);

  const { stdout } = await runCommand('bash', ['-c', script('')], { env: { REPOSITORY: repository, TARGET: target, SNAPSHOT: undefined } });
  expect(stdout).toContain('manifest.json: OK');
  expect(stdout).toContain('volume/media%20files\tdata\ttar\t');
  expect(stdout).toContain(`${NAME} ${repository}/segments/`);
  for (const component of ['volume,media%20files', 'bind,web,app']) {
    await runCommand('diff', ['-r', '--no-dereference', made.tree, join(target, component)]);
    // Metadata too: GNU tar compares mode, owner, time and link targets.
    await runCommand('tar', ['--compare', '-f', join(folder.path, 'tree.tar'), '-C', join(target, component)]);
  }
  expect((await readFile(join(target, 'globals,db.sql'))).equals(made.sql)).toBe(true);
  expect((await readFile(join(target, 'bind,web,app,empty.json'))).length).toBe(0);
});

test('the commands of RECOVERY.md list the paths of a tree byte for byte', async () => {
  await using folder = await temporaryFolder();
  await makeRepository(folder.path);
  const env = { REPOSITORY: join(folder.path, 'repository'), TARGET: join(folder.path, 'recovered'), SNAPSHOT: undefined };
  const { stdout } = await runCommand('bash', ['-c', script('echo; echo BEGIN; list_files volume/media%20files | base64 -w 0')], { env });
  expect(Buffer.from(stdout.slice(stdout.indexOf('BEGIN')).slice(6), 'base64')).toEqual(
    Buffer.concat([Buffer.from('dé "p"/\\\n'), Buffer.of(0xff, 0xfe), Buffer.from('\n')]),
  );
});

test('the commands of RECOVERY.md refuse damaged data and still bring the rest back', async () => {
  await using folder = await temporaryFolder();
  await makeRepository(folder.path);
  const repository = join(folder.path, 'repository');
  const target = join(folder.path, 'recovered');
  const opened = await openRepository({ path: repository, mode: 'read', create: false });
  const globals = (await opened.manifest(NAME)).components.find(({ id }) => id === 'globals/db')?.artifacts[0];
  if (globals === undefined) throw new Error('no globals');
  const [segment] = await Array.fromAsync(opened.segments(globals, NEVER));
  const id = segment?.chunks[0]?.[0] ?? '';
  await copyFile(join(repository, 'RECOVERY.md'), join(repository, 'chunks', id.slice(0, 2), id));

  const { code, stderr } = await runCommand('bash', ['-c', script('')], {
    env: { REPOSITORY: repository, TARGET: target, SNAPSHOT: undefined },
    accept: 'any',
  });
  expect(code).not.toBe(0);
  expect(stderr).toContain(`damaged or missing: chunks ${id}`);
  expect(stderr).toContain('NOT recovered: globals/db');
  await runCommand('diff', ['-r', '--no-dereference', join(folder.path, 'tree'), join(target, 'bind,web,app')]);
});

test('the chunk files of an artifact, one after the other, are a .tar.zst that tar reads by itself', async () => {
  await using folder = await temporaryFolder();
  const { tar } = await makeRepository(folder.path);
  const path = join(folder.path, 'repository');
  await using repository = await openRepository({ path, mode: 'read', create: false });
  const artifact = (await repository.manifest(NAME)).components[0]?.artifacts[0];
  if (artifact === undefined) throw new Error('no artifact');
  const files: Buffer[] = [];
  for await (const { chunks } of repository.segments(artifact, NEVER))
    for (const [id] of chunks) files.push(await readFile(join(path, 'chunks', id.slice(0, 2), id)));
  await writeFile(join(folder.path, 'tree.tar.zst'), Buffer.concat(files));
  const { stdout } = await runCommand('bash', [
    '-c',
    `zstd -dcq "$1" | sha256sum; zstd -q --list -v "$1" | grep -c XXH64`,
    'bash',
    join(folder.path, 'tree.tar.zst'),
  ]);
  const { stdout: expected } = await runCommand('sha256sum', [], { input: tar });
  expect(stdout.split('\n', 1)[0]).toBe(expected.trim());
  await mkdir(join(folder.path, 'unpacked'));
  await runCommand('tar', ['-x', '--zstd', '-f', join(folder.path, 'tree.tar.zst'), '-C', join(folder.path, 'unpacked')]);
  await runCommand('diff', ['-r', '--no-dereference', join(folder.path, 'tree'), join(folder.path, 'unpacked')]);
});

test('a lost manifest can be put back from its copy by hand', async () => {
  await using folder = await temporaryFolder();
  await makeRepository(folder.path);
  const repository = join(folder.path, 'repository');
  await cp(repository, join(folder.path, 'copy'), { recursive: true });
  const manifest = join(folder.path, 'copy/snapshots', NAME, 'manifest.json');
  await writeFile(manifest, 'rubbish');
  const listing = [...blocks.slice(0, 1), ...blocks.slice(-2, -1)].join('\n');
  const { stdout } = await runCommand('bash', ['-c', listing], { env: { REPOSITORY: join(folder.path, 'copy') } });
  const copy = stdout.trim().split(' ').at(-1) ?? '';
  await runCommand('bash', ['-c', 'zstd -dcq < "$1" > "$2"', 'bash', copy, manifest]);
  await using opened = await openRepository({ path: join(folder.path, 'copy'), mode: 'read', create: false });
  expect((await opened.manifest(NAME)).components).toHaveLength(4);
  expect(await commandWorks('cmp', [manifest, join(repository, 'snapshots', NAME, 'manifest.json')])).toBe(true);
});
