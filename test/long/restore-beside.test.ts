import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fingerprintTree } from '../support/awkward-tree.ts';
import { docker } from '../support/engine.ts';
import { removeEverything } from '../support/leftovers.ts';
import { mountpoint, psql, report, snapshotOf, startShop, stateOfShop, testEngine, type Shop } from '../engine/restore-support.ts';

let shop: Shop;
let copy: string;
beforeAll(async () => {
  shop = await startShop();
  copy = `${shop.name}-copy`;
});
afterAll(async () => {
  await removeEverything(copy, testEngine().env);
  await shop[Symbol.asyncDispose]();
});

test('--as makes another project beside the original: its own volumes, folder and networks, no published ports', async () => {
  const snapshot = await snapshotOf(shop);
  const before = await stateOfShop(shop);
  const run = await report(['restore', snapshot, '--as', copy, '--yes'], { cwd: shop.directory });
  expect(run.code, run.stderr + run.says).toBe(0);
  expect(await stateOfShop(shop)).toEqual(before);
  const listed = await docker(['ps', '--filter', `label=com.docker.compose.project=${copy}`, '--format', '{{.Names}} {{.Ports}}']);
  const running = listed.stdout.trim().split('\n').toSorted();
  expect(running.map((line) => line.split(' ')[0])).toEqual([`${copy}-db-1`, `${copy}-other-1`, `${copy}-web-1`]);
  expect(running.join('\n')).not.toContain('->');
  const inspected = JSON.parse((await docker(['inspect', `${copy}-web-1`])).stdout) as readonly {
    readonly Mounts: readonly { readonly Name?: string; readonly Source: string; readonly Destination: string }[];
    readonly NetworkSettings: { readonly Networks: Record<string, unknown> };
  }[]; // the engine's own JSON
  const mounts = inspected[0]?.Mounts ?? [];
  expect(mounts.find(({ Destination }) => Destination === '/media')?.Name).toBe(`${copy}_media`);
  const folder = join(shop.directory, '..', copy);
  expect(mounts.find(({ Destination }) => Destination === '/uploads')?.Source).toBe(join(folder, 'uploads'));
  for (const { Name, Source } of mounts) expect(`${Name} ${Source}`).not.toContain(`${shop.directory}/`);
  expect(Object.keys(inspected[0]?.NetworkSettings.Networks ?? {}).toSorted()).toEqual([`${copy}_default`, `${copy}_inner`]);
  expect(fingerprintTree(await mountpoint(`${copy}_media`))).toEqual(before.trees['media']);
  expect(fingerprintTree(join(folder, 'uploads'))).toEqual(before.trees['uploads']);
  expect(await readFile(join(folder, 'compose.yaml'), 'utf8')).toBe(before.config['compose.yaml']);
  const id = (await docker(['ps', '-q', '--filter', `name=${copy}-db-1`])).stdout.trim();
  expect(await psql(id, '\\c shop\nselect count(*) from orders')).toBe('2000');
  expect(run.json['findings']).toContainEqual(expect.objectContaining({ code: 'beside' }));
});

test('a name that is taken, or the original’s, is refused before anything is touched', async () => {
  const before = await stateOfShop(shop);
  const taken = await report(['restore', 'latest', '--as', copy, '--yes'], { cwd: shop.directory });
  expect(taken.code).toBe(2);
  expect(taken.says).toContain('already');
  const own = await report(['restore', 'latest', '--as', shop.name, '--yes'], { cwd: shop.directory });
  expect(own.code).toBe(2);
  expect(await stateOfShop(shop)).toEqual(before);
});
