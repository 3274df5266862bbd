import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fingerprintLive } from '../support/awkward-tree.ts';
import { type McadsExample, startMcadsExample } from '../support/mcads-example.ts';
import { runCli, runJson } from '../support/run-cli.ts';

let example: McadsExample;
beforeAll(async () => {
  example = await startMcadsExample();
});
afterAll(async () => example[Symbol.asyncDispose]());

test('what was lost since comes back, with the services; then the snapshot is proven to level 6', async () => {
  const options = { cwd: example.project.directory, env: example.env };
  const media = await example.volume('media');
  expect((await runCli(['backup'], options)).code).toBe(0);
  const before = fingerprintLive(media);
  await rm(join(media, 'xrays'), { recursive: true, force: true });
  expect(fingerprintLive(media)).not.toEqual(before);
  await example.query('mcads', 'DROP TABLE prediction CASCADE');

  const restored = await runCli(['restore', 'latest', '--yes'], options);
  expect(restored.code, restored.stderr).toBe(0);
  expect(fingerprintLive(media)).toEqual(before);
  expect(await example.query('mcads', 'SELECT count(*) FROM prediction')).toBe('10000');
  expect((await fetch(`${await example.site()}/health`)).status).toBe(200);

  const drilled = await runJson(['drill', '--services'], options);
  expect(drilled.code, `${drilled.stderr}\n${drilled.stdout}`).toBe(0);
  expect(drilled.json).toMatchObject({ level: 6 });
  const asserted = (drilled.json['checks'] as readonly { readonly level: number; readonly subject: string; readonly ok: boolean }[]) // the contract
    .filter(({ level }) => level === 5)
    .map(({ subject, ok }) => [subject, ok]);
  expect(asserted).toEqual([
    ['predictions', true],
    ['health page', true],
    ['nginx configuration', true],
  ]);
});
