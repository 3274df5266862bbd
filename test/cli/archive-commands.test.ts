import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { storeSnapshot, untar, writable, writeTree } from '../support/archive-fixture.ts';
import { runCli, runJson } from '../support/run-cli.ts';
import { runCommand } from '../support/run-command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const NO_ENGINE = { DOCKER_HOST: 'unix:///nonexistent/docker.sock' };
const NAME = 'mcads_system_backup_20260101_000000';

async function madeProject() {
  const folder = await temporaryFolder();
  await writeTree(folder.path, { 'source/media/a.txt': 'a\n' });
  const path = join(folder.path, 'backups');
  {
    await using repository = await writable(path);
    await storeSnapshot(repository, NAME, {
      'files/media': { tree: join(folder.path, 'source/media') },
      state: { bytes: Buffer.from('{"memory":{"total":5}}') },
    });
  }
  return {
    path,
    folder: folder.path,
    options: { cwd: folder.path, env: NO_ENGINE },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

describe('export', () => {
  test('writes archive and verification file, list shows it as classic, and it is imported elsewhere', async () => {
    await using made = await madeProject();
    const done = await runJson(['export', 'latest'], made.options);
    const archive = join(made.path, `${NAME}.tar.gz`);
    expect(done).toMatchObject({ code: 0, json: { snapshot: NAME, archive: { path: archive } } });
    const text = await readFile(join(made.path, `${NAME}_verification.txt`), 'utf8');
    for (const said of [(done.json['archive'] as { sha256: string }).sha256, 'media.tar.gz', 'Checks made', 'files/media', 'Node.js'])
      expect(text).toContain(said);
    await untar(archive, join(made.folder, 'out'));
    expect(await readFile(join(made.folder, 'out', NAME, 'system_info.txt'), 'utf8')).toContain('memory.total: 5');
    expect((await runJson(['list'], made.options)).json).toMatchObject({ classic: [{ file: `${NAME}.tar.gz`, project: 'mcads' }] });
    expect((await runCli(['list'], made.options)).stdout).toContain('classic');

    const again = await runCli(['export', 'latest'], made.options);
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('exists already') as string });
    expect((await runCli(['export', 'latest', '--overwrite'], made.options)).code).toBe(0);

    const elsewhere = ['-r', join(made.folder, 'elsewhere')];
    expect(await runJson(['import', archive, ...elsewhere], made.options)).toMatchObject({
      code: 0,
      json: { snapshot: { name: NAME, isNew: true } },
    });
    expect(await runJson(['import', archive, ...elsewhere], made.options)).toMatchObject({ code: 0, json: { snapshot: { isNew: false } } });
    // A restore of the file imports it first, and only then needs an engine.
    const restored = await runCli(['restore', archive, '-r', join(made.folder, 'third'), '--yes'], made.options);
    expect(restored.stderr).not.toContain('no snapshot');
    expect(await readdir(join(made.folder, 'third/snapshots'))).toEqual([NAME]);
  });

  test.each([
    ['a folder that is not there', ['--output', 'nowhere/'], 21, 'could not be written'],
    ['stdout', ['--output', '-'], 2, 'cannot go to stdout'],
    ['another kind of file', ['--output', 'x.zip'], 2, 'does not end in .tar.gz'],
    ['single components', ['--component', 'state'], 2, 'whole snapshots'],
  ])('refuses %s', async (_what, args, code, says) => {
    await using made = await madeProject();
    expect(await runCli(['export', 'latest', ...args], made.options)).toMatchObject({
      code,
      stderr: expect.stringContaining(says) as string,
    });
    expect((await readdir(made.path)).filter((name) => name.includes('.tar.gz'))).toEqual([]);
  });
});

describe('import', () => {
  test('has its exit codes: a bad archive, no archive, a wrong size, and one that holds less than it seems to', async () => {
    await using made = await madeProject();
    const bad = join(made.folder, `${NAME}.tar.gz`);
    await writeFile(bad, 'no archive');
    expect(await runCli(['import', bad], made.options)).toMatchObject({ code: 30, stderr: expect.stringContaining('no gzip') as string });
    expect((await runCli(['import', 'missing.tar.gz'], made.options)).code).toBe(2);
    expect((await runCli(['restore', 'missing.tar.gz', '--yes'], made.options)).code).toBe(2);
    expect((await runCli(['import', bad, '--max-unpacked', 'much'], made.options)).code).toBe(2);
    const old = 'mcads_system_backup_20250801_142905';
    await mkdir(join(made.folder, old, 'media'), { recursive: true });
    const script = `cd ${old} && echo x > media/x && tar czf media.tar.gz media && rm -r media && echo no > db.sqlite3 && cd .. && tar czf ${old}.tar.gz ${old}`;
    await runCommand('bash', ['-c', script], { cwd: made.folder });
    const partial = await runJson(['import', `./${old}.tar.gz`], made.options);
    expect(partial).toMatchObject({
      code: 3,
      json: { snapshot: { name: old, completeness: 'partial' }, failed: [{ id: 'sqlite/db.sqlite3' }] },
    });
  });
});
