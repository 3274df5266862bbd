import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openRepository } from '../../src/repository/open-repository.ts';
import { backUp, noise, removeManifestCopy } from '../support/repository-fixture.ts';
import { runCli, runJson } from '../support/run-cli.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const NO_ENGINE = { DOCKER_HOST: 'unix:///nonexistent/docker.sock' };
const OLD = 'shop_backup_20250101_000000';
const NEW = 'shop_backup_20250102_000000';

/** A repository with two complete snapshots and a newer partial one of `shop`. */
async function madeRepository() {
  const folder = await temporaryFolder();
  const path = join(folder.path, 'backups');
  {
    await using repository = await openRepository({ path, mode: 'write', create: true });
    await backUp(repository, OLD, { 'volume/media': noise(1, 3_000_000), config: noise(2, 500) });
    await backUp(repository, NEW, { 'volume/media': noise(3, 3_000_000), config: noise(2, 500) });
    await backUp(repository, 'shop_backup_20250103_000000', { config: noise(4, 500) }, 'partial');
  }
  const options = { cwd: folder.path, env: NO_ENGINE };
  return { path, options, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

describe('a repository without its project and without an engine', () => {
  test('list, show, stats and verify work', async () => {
    await using made = await madeRepository();
    const list = await runJson(['list'], made.options);
    expect(list.json).toMatchObject({
      ok: true,
      snapshots: [{ name: OLD, completeness: 'complete' }, { name: NEW }, { completeness: 'partial', proof: null }],
    });
    const show = await runCli(['show', 'latest'], made.options);
    expect(show.stdout).toContain(NEW);
    expect(show.stderr).toContain('A newer, partial snapshot exists: shop_backup_20250103_000000');
    expect((await runJson(['show', '20250101'], made.options)).json).toMatchObject({
      snapshot: { name: OLD },
      components: [{ id: 'volume/media', artifacts: [{ bytes: 3_000_000 }] }, { id: 'config' }],
    });
    expect((await runJson(['stats'], made.options)).json).toMatchObject({ stats: { snapshots: 3, garbageBytes: 0 } });
    const verify = await runJson(['verify', '--read-data'], made.options);
    expect(verify).toMatchObject({ code: 0, json: { damaged: [], checked: { snapshots: 3 } } });
  });

  test('files lists and diff compares', async () => {
    await using made = await madeRepository();
    const files = await runCli(['files', 'latest', '--json'], made.options);
    const lines = files.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly component: string }); // NDJSON
    expect(lines.map((line) => line.component).toSorted()).toEqual(['config', 'volume/media']);
    const diff = await runJson(['diff', OLD, NEW], made.options);
    expect(diff.json).toMatchObject({
      changes: [{ component: 'volume/media', change: 'changed' }],
      counts: { added: 0, removed: 0, changed: 1 },
    });
  });

  test('prune --dry-run gives the reason for each and removes nothing; prune --yes does it', async () => {
    await using made = await madeRepository();
    const planned = await runJson(['prune', '--keep-last', '1', '--dry-run'], made.options);
    expect(planned.json).toMatchObject({
      dryRun: true,
      snapshots: [{ name: OLD, kept: false, reason: expect.stringContaining('keep-last 1') }, { name: NEW, kept: true }, { kept: true }],
    });
    expect(await readdir(join(made.path, 'snapshots'))).toHaveLength(3);
    const refused = await runCli(['prune', '--keep-last', '1'], made.options);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toContain('pass --yes');
    const done = await runJson(['prune', '--keep-last', '1', '--yes'], made.options);
    expect(done).toMatchObject({ code: 0, json: { dryRun: false } });
    expect((await readdir(join(made.path, 'snapshots'))).toSorted()).toEqual([NEW, 'shop_backup_20250103_000000']);
    const [log] = await readdir(join(made.options.cwd, 'logs'));
    expect(log).toMatch(/^prune_\d{8}_\d{6}\.log$/);
    expect((await stat(join(made.options.cwd, 'logs', log ?? ''))).mode & 0o777).toBe(0o600);
  });
});

describe('damage and wrong names have their exit codes', () => {
  test.each([
    ['a snapshot that is not there', ['show', 'shop_backup_20240101_000000'], 10, 'no snapshot fits'],
    ['an ambiguous prefix', ['show', 'shop_backup_2025'], 2, 'fits 3 snapshots'],
    ['a project that has none', ['show', 'latest', '-p', 'other'], 10, 'other'],
    ['a component that the snapshot does not hold', ['files', 'latest', 'volume/nope'], 2, 'has no component volume/nope'],
  ])('%s', async (_name, args, code, says) => {
    await using made = await madeRepository();
    const result = await runCli(args, made.options);
    expect(result.stderr).toContain(says);
    expect(result.code).toBe(code);
  });

  test('a chunk that is gone, and one that is damaged', async () => {
    await using made = await madeRepository();
    const chunks = (await readdir(join(made.path, 'chunks'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    const [first, second] = chunks.map((entry) => join(entry.parentPath, entry.name));
    if (first === undefined || second === undefined) throw new Error('too few chunks');
    await rm(first);
    const bytes = await readFile(second);
    bytes[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] ?? 0) ^ 0xff;
    await writeFile(second, bytes);
    const structure = await runJson(['verify'], made.options);
    expect(structure).toMatchObject({ code: 30, json: { ok: false, damaged: [{ problem: 'missing' }] } });
    const data = await runJson(['verify', '--read-data'], made.options);
    expect(data.code).toBe(30);
    expect(data.json['damaged']).toHaveLength(2);
  });

  test('a damaged manifest', async () => {
    await using made = await madeRepository();
    await removeManifestCopy(made.path, NEW);
    await truncate(join(made.path, 'snapshots', NEW, 'manifest.json'), 100);
    expect((await runCli(['show', NEW], made.options)).code).toBeOneOf([10, 30]);
    const list = await runJson(['list'], made.options);
    expect(list.code).toBe(30);
    expect(list.json).toMatchObject({ snapshots: [{ name: OLD }, {}], findings: [{ severity: 'error', subject: NEW }] });
    expect((await runCli(['verify'], made.options)).code).toBe(30);
    expect((await runCli(['prune', '--keep-last', '1', '--yes'], made.options)).code).toBe(30);
  });
});
