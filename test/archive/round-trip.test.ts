import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createAwkwardTree, fingerprintTree } from '../support/awkward-tree.ts';
import {
  exportTo,
  extractAll,
  importInto,
  makeApplication,
  sqliteBytes,
  storeSnapshot,
  treeState,
  untar,
  writable,
} from '../support/archive-fixture.ts';
import { NEVER, noise, readBack } from '../support/repository-fixture.ts';
import { runCommand } from '../support/run-command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const HOST = 'mcads_system_backup_20260101_000000';
const DOCKER = 'mcads_backup_20260102_000000';

describe('a host snapshot', () => {
  test('is exported in the layout of the MCADS documentation, which plain tar unpacks to the same files', async () => {
    await using folder = await temporaryFolder();
    const app = join(folder.path, 'app');
    await makeApplication(app);
    const database = await sqliteBytes(folder.path);
    await using repository = await writable(join(folder.path, 'backups'));
    const parts = ['media', 'staticfiles', 'static', 'logs', 'data_exports', 'models', 'tests', 'locale'];
    await storeSnapshot(repository, HOST, {
      'sqlite/db.sqlite3': { bytes: database },
      ...Object.fromEntries(parts.map((part) => [`files/${part}`, { tree: join(app, part) }])),
      'files/app_code': { tree: join(app, 'mcads_project') },
      'files/uploads': { tree: join(app, 'media') },
      config: { config: { 'project/docker-compose.yml': 'services: {}\n', 'project/nginx/mcads.conf': 'server {}\n', 'host/etc/x': 'x' } },
      state: { bytes: Buffer.from('{"units":[]}\n') },
    });
    const report = await exportTo(repository, HOST, join(folder.path, 'backups'));
    expect((await stat(report.path)).mode & 0o777).toBe(0o600);
    expect(await readFile(report.verification, 'utf8')).toBe(`${report.sha256}\n`);
    expect((await runCommand('sha256sum', [report.path])).stdout).toContain(report.sha256);

    const out = join(folder.path, 'out');
    await untar(report.path, out);
    const inner = join(out, HOST);
    expect((await readdir(inner)).toSorted()).toEqual(
      [
        ...['app_code', 'config', ...parts].map((name) => `${name}.tar.gz`),
        'db.sqlite3',
        'files',
        'mcads_manifest.json',
        'state.json',
        'system_info.txt',
      ].toSorted(),
    );
    expect(await readFile(join(inner, 'db.sqlite3'))).toEqual(database);
    // Unpacked one after the other in an empty directory, every part is where it belongs.
    const restored = join(folder.path, 'restored');
    await mkdir(restored);
    for (const part of [...parts, 'config']) await untar(join(inner, `${part}.tar.gz`), restored);
    for (const part of parts) expect(await treeState(join(restored, part)), part).toEqual(await treeState(join(app, part)));
    expect(await readFile(join(restored, 'nginx/mcads.conf'), 'utf8')).toBe('server {}\n');
    await untar(join(inner, 'app_code.tar.gz'), join(restored, 'code'));
    expect(await treeState(join(restored, 'code'))).toEqual(await treeState(join(app, 'mcads_project')));
    await untar(join(inner, 'files/uploads.tar.gz'), join(restored, 'uploads'));
    expect(await treeState(join(restored, 'uploads'))).toEqual(await treeState(join(app, 'media')));
    const listed = await runCommand('tar', ['-tzf', join(inner, 'media.tar.gz')]);
    expect(listed.stdout.trim().split('\n').toSorted()).toEqual(['media/', 'media/xrays/', 'media/xrays/0001.png', 'media/xrays/0002.png']);
  });

  test('with everything that a copy can get wrong comes back from its archive to the last bit', async () => {
    await using folder = await temporaryFolder();
    const tree = join(folder.path, 'media');
    await mkdir(tree);
    createAwkwardTree(tree);
    const wanted = fingerprintTree(tree);
    const first = join(folder.path, 'first');
    const second = join(folder.path, 'second');
    await using repository = await writable(first);
    const original = await storeSnapshot(repository, HOST, {
      'files/media': { tree },
      config: { config: { 'project/.env': 'A=1\n', 'host/etc/nginx/site.conf': 'server {}\n' } },
    });
    const report = await exportTo(repository, HOST, folder.path);
    await untar(report.path, join(folder.path, 'out'));
    await untar(join(folder.path, 'out', HOST, 'media.tar.gz'), join(folder.path, 'plain'));
    expect(fingerprintTree(join(folder.path, 'plain/media'))).toEqual(wanted);

    await expect(importInto(second, report.path)).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringContaining('device node'),
    });
    const imported = await importInto(second, report.path, { allowDevices: true });
    expect(imported).toMatchObject({ snapshot: HOST, isNew: true });
    await using copy = await writable(second);
    expect(fingerprintTree(join(await extractAll(copy, HOST, join(folder.path, 'files')), 'files/media'))).toEqual(wanted);
    const { sealed } = await copy.manifest(HOST);
    expect(sealed).toMatchObject({ startedAt: original.sealed.startedAt, workingDirectory: '/opt/mcads/app', completeness: 'complete' });
    expect(sealed.components['files/media']).toMatchObject({ consistency: 'live', facts: { tables: { patients: 3 } } });
    expect(sealed.findings).toMatchObject([{ code: 'config-outside', message: expect.stringContaining('/etc/nginx/site.conf') }]);
    expect((await readBack(copy, HOST))['config']).toEqual((await readBack(repository, HOST))['config']);
    expect((await copy.verify({ readData: true, signal: NEVER })).damaged).toEqual([]);
    // Its catalogue is in the order that later backups and restores rely on.
    const again = await exportTo(copy, HOST, join(folder.path, 'second'));
    expect(again.files.map(({ file }) => file)).toEqual(report.files.map(({ file }) => file));
  });
});

test('a docker snapshot keeps its dumps, volumes, binds, configuration and state byte for byte', async () => {
  await using folder = await temporaryFolder();
  const volume = join(folder.path, 'volume');
  await makeApplication(volume);
  await using repository = await writable(join(folder.path, 'first'));
  await storeSnapshot(repository, DOCKER, {
    'database/db/mcads': { bytes: noise(1, 3_000_000) },
    'database/db/odd%2Fname': { bytes: noise(2, 100) },
    'globals/db': { bytes: Buffer.from('CREATE ROLE app;\n') },
    'volume/media': { tree: volume },
    'bind/web/app/.env': { tree: join(volume, '.env') },
    config: { config: { 'project/compose.yaml': 'services: {}\n' } },
    state: { bytes: Buffer.from('{"containers":[]}\n') },
    'image/web': { bytes: Buffer.concat([Buffer.alloc(1024)]) },
  });
  const report = await exportTo(repository, DOCKER, folder.path);
  const out = join(folder.path, 'out');
  await untar(report.path, out);
  const wanted = await readBack(repository, DOCKER);
  expect(await readFile(join(out, DOCKER, 'databases/db/mcads.dump'))).toEqual(wanted['database/db/mcads']);
  expect(await readFile(join(out, DOCKER, 'databases/db/odd%2Fname.dump'))).toEqual(wanted['database/db/odd%2Fname']);
  expect(await readFile(join(out, DOCKER, 'databases/db/globals.sql'), 'utf8')).toBe('CREATE ROLE app;\n');
  expect(await readFile(join(out, DOCKER, 'state.json'), 'utf8')).toBe('{"containers":[]}\n');
  await untar(join(out, DOCKER, 'volumes/media.tar.gz'), join(folder.path, 'plain'));
  expect(await treeState(join(folder.path, 'plain'))).toEqual(await treeState(volume));

  await importInto(join(folder.path, 'second'), report.path);
  await using copy = await writable(join(folder.path, 'second'));
  const { 'volume/media': tree, 'bind/web/app/.env': file, ...streams } = await readBack(copy, DOCKER);
  const { 'volume/media': _tree, 'bind/web/app/.env': _file, ...others } = wanted;
  expect(streams).toEqual(others);
  const files = await extractAll(copy, DOCKER, join(folder.path, 'files'));
  expect(await treeState(join(files, 'volume/media'))).toEqual(await treeState(volume));
  expect(await readdir(join(files, 'bind/web/app/.env'))).toEqual(['.env']);
  expect([tree, file, _tree, _file]).not.toContain(undefined);
});

test('an archive that the repository holds already is recognised, and another one of the same name refused', async () => {
  await using folder = await temporaryFolder();
  const first = join(folder.path, 'first');
  const second = join(folder.path, 'second');
  await using repository = await writable(first);
  await storeSnapshot(repository, DOCKER, { 'globals/db': { bytes: Buffer.from('one\n') } });
  const report = await exportTo(repository, DOCKER, folder.path);
  expect(await importInto(first, report.path)).toMatchObject({ isNew: false, snapshot: DOCKER });
  expect(await importInto(second, report.path)).toMatchObject({ isNew: true });
  expect(await importInto(second, report.path)).toMatchObject({ isNew: false });
  const third = join(folder.path, 'third');
  await using other = await writable(third);
  await storeSnapshot(other, DOCKER, { 'globals/db': { bytes: Buffer.from('two\n') } });
  await expect(importInto(third, report.path)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining('another snapshot'),
  });
});
