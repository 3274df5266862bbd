import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  containerOf,
  docker,
  goOn,
  largestChunk,
  leftOf,
  report,
  restoreShop,
  snapshotOf,
  startShop,
  startTimes,
  stateOfShop,
  type Shop,
  type State,
} from './restore-support.ts';

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

/** Whoever was restarted has the same container; only its database and files are another's. */
function withoutConfig({ config: _config, ...state }: State): Omit<State, 'config'> {
  return state;
}

test('everything comes back under the running project, and rollback brings back what was there in between', async () => {
  const run = await restoreShop(shop, ['--keep-old', '1d']);
  expect(run.code, run.stderr + run.says).toBe(0);
  const after = await stateOfShop(shop);
  expect(withoutConfig(after)).toEqual(withoutConfig(before));
  expect((await leftOf(shop)).length).toBeGreaterThan(0);
  // Configuration that differs is shown and kept; a file that is a bind of its own is data.
  expect(after.config).toEqual({ ...later.config, 'règle один.conf': before.config['règle один.conf'] });
  expect(run.json).toMatchObject({
    rolledBack: false,
    databases: [{ name: 'postgres' }, { name: 'shop', rowsEqual: true }].map((one) => expect.objectContaining(one) as unknown),
  });
  expect(run.json['services']).toContainEqual(expect.objectContaining({ name: `${shop.name}-web-1`, state: 'running', health: 'healthy' }));
  const verification = await readFile(String(run.json['verification']), 'utf8');
  expect(verification).toMatch(/shop.*2,?000 rows|2,?000 rows.*shop/s);
  const back = await report(['rollback', '--yes'], { cwd: shop.directory });
  expect(back.code, back.stderr + back.says).toBe(0);
  expect(await stateOfShop(shop)).toEqual(later);
  expect(await leftOf(shop)).toEqual([]);
});

test('a damaged chunk ends it before anything is touched: exit 30, and no service was stopped for a moment', async () => {
  const chunk = await largestChunk(shop);
  const good = await readFile(chunk);
  const bad = Buffer.from(good);
  bad[bad.length >> 1] = (bad[bad.length >> 1] ?? 0) ^ 0x40;
  const started = await startTimes(shop);
  await writeFile(chunk, bad);
  const run = await restoreShop(shop);
  await writeFile(chunk, good);
  expect(run.code, run.stderr + run.says).toBe(30);
  expect(await startTimes(shop)).toBe(started);
  expect(await stateOfShop(shop)).toEqual(later);
  expect(await leftOf(shop)).toEqual([]);
});

test('a service chooses what belongs to it, and nothing else changes', async () => {
  const run = await restoreShop(shop, ['db', '--keep-old', '0']);
  expect(run.code, run.stderr + run.says).toBe(0);
  expect(await stateOfShop(shop)).toEqual({ ...later, database: before.database });
  expect(await leftOf(shop)).toEqual([]);
});

test('a component chooses a tree, --with-config also replaces configuration, --keep-old 0 leaves nothing behind', async () => {
  const run = await restoreShop(shop, ['--component', 'volume/media', '--component', 'config', '--with-config', '--keep-old', '0']);
  expect(run.code, run.stderr + run.says).toBe(0);
  expect(await stateOfShop(shop)).toEqual({
    ...later,
    trees: { ...later.trees, media: before.trees['media'] },
    config: { ...before.config, 'règle один.conf': later.config['règle один.conf'] },
  });
  expect((await report(['rollback', '--yes'], { cwd: shop.directory })).code).toBe(2);
  await shop.folder.write('notes.txt', 'second\n');
});

test('--dry-run prints the plan; without a terminal and --yes nothing happens', async () => {
  const plan = await report(['restore', 'latest', '--dry-run'], { cwd: shop.directory });
  expect(plan.code, plan.stderr + plan.says).toBe(0);
  const { components, services, creates } = plan.json['plan'] as Record<string, readonly Record<string, unknown>[]>; // design §8
  expect(components).toContainEqual(expect.objectContaining({ id: 'database/db/shop', action: 'replace' }));
  expect(components).toContainEqual(expect.objectContaining({ id: 'volume/media', action: 'replace', swaps: true }));
  expect(components).toContainEqual(
    expect.objectContaining({ id: 'config', files: expect.arrayContaining([{ path: 'notes.txt', action: 'keep' }]) as unknown }),
  );
  expect(services).toContainEqual(expect.objectContaining({ name: 'web', stops: true, ran: true }));
  expect(services).toContainEqual(expect.objectContaining({ name: 'db', stops: false }));
  expect(services).toContainEqual(expect.objectContaining({ name: 'other', stops: true }));
  expect(creates).toEqual({ containers: [], networks: [], volumes: [] });
  const unasked = await report(['restore', 'latest'], { cwd: shop.directory });
  expect(unasked.code).toBe(2);
  expect(unasked.says).toContain('--yes');
  expect(await stateOfShop(shop)).toEqual(later);
});

test('readers of the database see the old or the new one, never neither', async () => {
  const db = await containerOf(shop.folder, 'db');
  const counts = "select count(*) from orders where what = 'later'";
  const loop = `while [ ! -e /tmp/stop ]; do PGPASSWORD=$POSTGRES_PASSWORD psql -X -At -U postgres -h 127.0.0.1 -d shop -c "${counts}" 2>&1; done`;
  await docker(['exec', db, 'rm', '-f', '/tmp/stop']);
  const reader = docker(['exec', db, 'sh', '-c', loop]);
  const run = await restoreShop(shop, ['--component', 'database/db/shop', '--keep-old', '0']);
  await docker(['exec', db, 'touch', '/tmp/stop']);
  const seen = (await reader).stdout.trim().split('\n');
  expect(run.code, run.stderr + run.says).toBe(0);
  const answers = seen.filter((line) => /^\d+$/.test(line));
  expect(answers[0]).not.toBe('0');
  expect(answers.at(-1)).toBe('0');
  expect(seen.filter((line) => /does not exist/.test(line))).toEqual([]);
});
