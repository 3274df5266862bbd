import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fingerprintTree } from '../support/awkward-tree.ts';
import { type McadsExample, startMcadsExample } from '../support/mcads-example.ts';
import { runCli } from '../support/run-cli.ts';

let example: McadsExample;
beforeAll(async () => {
  example = await startMcadsExample();
});
afterAll(async () => example[Symbol.asyncDispose]());

test('the MCADS example comes up healthy, with its seed data in every place', async () => {
  expect(await example.query('mcads', 'SELECT count(*) FROM prediction')).toBe('10000');
  expect(await example.query('statistics', 'SELECT count(*) FROM daily_count')).toBe('365');

  const site = await example.site();
  expect(await (await fetch(`${site}/health`)).json()).toEqual({ database: true, models: ['densenet121.weights', 'resnet50.weights'] });
  const image = new Uint8Array(300_000).map((_, index) => index * 31);
  expect((await fetch(`${site}/upload/new.png`, { method: 'PUT', body: image })).status).toBe(201);
  expect(new Uint8Array(await (await fetch(`${site}/media/uploads/new.png`)).arrayBuffer())).toEqual(image);
});

test("README's first command backs the example up completely and ends with where it is, what is missing and the way back", async () => {
  const { directory, name: project } = example.project;
  const elsewhere = join(directory, '..');
  const run = await runCli(['--project-directory', directory, 'backup'], { cwd: elsewhere, env: example.env });
  expect(run.code, run.stderr).toBe(0);
  expect(run.stdout).toBe('');
  const [verdict, ...closing] = run.stderr.trimEnd().split('\n').slice(-4);
  expect(verdict).toMatch(/^Complete: /);
  const name = `${project}_backup_\\d{8}_\\d{6}`;
  const repository = `${directory}/backups`;
  expect(closing[0]).toMatch(new RegExp(`^Where it is: {2}${repository}/snapshots/${name}$`));
  expect(closing[1]).toBe('Not covered:  nothing that is known to hold state');
  expect(closing[2]).toMatch(
    new RegExp(`^Bring back:   (?:npx )?mcads-orchestrate --project-directory ${directory} restore ${name} -r ${repository}$`),
  );
  const password = (await readFile(join(directory, 'db_password.txt'), 'utf8')).trim();
  expect(run.stderr).not.toContain(password);

  const target = ['extract', new RegExp(name).exec(closing[0] ?? '')?.[0] ?? '', '-r', repository, '--target', './restored'];
  expect((await runCli(target, { cwd: elsewhere, env: { DOCKER_HOST: 'unix:///nowhere.sock' } })).code).toBe(0);
  for (const volume of ['media', 'static', 'models']) {
    const source = await example.volume(volume);
    const expected = fingerprintTree(source).filter((line) => !line.endsWith('.partial'));
    expect(fingerprintTree(join(elsewhere, 'restored/volume', volume))).toEqual(expected);
  }
  for (const database of ['mcads', 'statistics'])
    expect((await readFile(join(elsewhere, `restored/database/db/${database}.dump`), 'latin1')).slice(0, 5)).toBe('PGDMP');
});
