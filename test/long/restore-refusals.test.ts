import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { runCli } from '../support/run-cli.ts';
import {
  containerOf,
  docker,
  goOn,
  inWeb,
  psql,
  restoreShop,
  snapshotOf,
  startShop,
  stateOfShop,
  type Shop,
  type State,
} from '../engine/restore-support.ts';

let shop: Shop;
let before: State;
let later: State;
beforeAll(async () => {
  shop = await startShop();
  before = await stateOfShop(shop);
  await snapshotOf(shop);
});
afterAll(async () => shop[Symbol.asyncDispose]());
beforeEach(async () => {
  await goOn(shop);
  later = await stateOfShop(shop);
});

test('a volume that another project uses is refused, and replaced only with --force-shared', async () => {
  const stranger = `${shop.name}-stranger`;
  await docker([
    'run',
    '-d',
    '--name',
    stranger,
    '-v',
    `${shop.name}_media:/m`,
    '--entrypoint',
    'sleep',
    String(shop.env['WEB_IMAGE']),
    'infinity',
  ]);
  try {
    const refused = await restoreShop(shop, ['--component', 'volume/media']);
    expect(refused.code).toBe(2);
    expect(refused.says).toContain(stranger);
    expect(refused.says).toContain('--force-shared');
    expect(await stateOfShop(shop)).toEqual(later);
    const forced = await restoreShop(shop, ['--component', 'volume/media', '--force-shared', '--keep-old', '0']);
    expect(forced.code, forced.stderr + forced.says).toBe(0);
    expect((await stateOfShop(shop)).trees['media']).toEqual(before.trees['media']);
  } finally {
    await docker(['rm', '-f', stranger]);
  }
});

test('roles that exist stay as they are unless they are asked for by name', async () => {
  const db = await containerOf(shop.folder, 'db');
  await psql(db, 'alter role app connection limit 3');
  const limit = async (): Promise<string> => psql(db, "select rolconnlimit from pg_roles where rolname = 'app'");
  expect((await restoreShop(shop, ['db', '--keep-old', '0'])).code).toBe(0);
  expect(await limit()).toBe('3');
  const asked = await restoreShop(shop, ['--component', 'globals/db', '--keep-old', '0']);
  expect(asked.code, asked.stderr + asked.says).toBe(0);
  expect(await limit()).toBe('-1');
});

test('what cannot be swapped is said before it starts and saved first', async () => {
  const args = ['--component', 'volume/media', '--transport', 'archive'];
  const plan = await runCli(['restore', 'latest', '--dry-run', ...args], { cwd: shop.directory, env: shop.env });
  expect(plan.stdout).toContain('overwritten in place');
  const run = await restoreShop(shop, args);
  expect(run.code, run.stderr + run.says).toBe(0);
  expect(run.json['safetySnapshot']).toMatch(new RegExp(`^${shop.name}_backup_`));
  expect(await inWeb(shop, 'cat /media/deep/one.png')).toBe('picture\n');
  await writeFile(join(shop.directory, 'notes.txt'), 'second\n');
});
