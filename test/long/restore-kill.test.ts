import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startCli } from '../support/paced-cli.ts';
import { engineProxy } from '../engine/e2e-support.ts';
import { goOn, leftOf, report, snapshotOf, startShop, stateOfShop, type Shop, type State } from '../engine/restore-support.ts';

const POINTS = 20;
const SELECTION = ['database/db/shop', 'volume/media', 'bind/web/uploads', 'config'].flatMap((glob) => ['--component', glob]);

let shop: Shop;
let snapshot: string;
let later: State;
/** What a whole restore asks the engine to change. */
let changes = 0;
beforeAll(async () => {
  shop = await startShop();
  snapshot = await snapshotOf(shop);
  await goOn(shop);
  const { code, stderr } = await restoreUntil(Number.POSITIVE_INFINITY);
  expect(code, stderr).toBe(0);
  expect(changes).toBeGreaterThan(POINTS);
  expect((await report(['rollback', '--yes'], { cwd: shop.directory })).code).toBe(0);
});
afterAll(async () => shop[Symbol.asyncDispose]());
beforeEach(async () => {
  await goOn(shop);
  later = await stateOfShop(shop);
});

/** Kills the restore when it asks the engine for its n-th change; the engine still does that one. */
async function restoreUntil(change: number): Promise<{ readonly code: number | null; readonly stderr: string }> {
  let seen = 0;
  let kill = (): void => undefined;
  await using proxy = await engineProxy(undefined, (line) => {
    if (/^(?:GET|HEAD) /.test(line)) return;
    seen += 1;
    if (seen === change) kill();
  });
  const run = startCli(['restore', snapshot, '--yes', '--with-config', ...SELECTION], {
    cwd: shop.directory,
    env: { ...shop.env, ...proxy.env },
  });
  kill = () => run.signal('SIGKILL');
  const ended = await run.end;
  if (change === Number.POSITIVE_INFINITY) changes = seen;
  return ended;
}

describe(`a restore that is killed at ${POINTS} points from its first change to its last, and one ordinary command`, () => {
  test.each(Array.from({ length: POINTS }, (_, index) => index))('point %i', async (index) => {
    const killed = await restoreUntil(1 + Math.floor((index * (changes - 2)) / (POINTS - 1)));
    expect(killed.code, killed.stderr).toBe(null);
    const next = await report(['list'], { cwd: shop.directory });
    expect(next.code, next.stderr).toBe(0);
    const now = await stateOfShop(shop);
    if (now.config['notes.txt'] === 'first\n') {
      // The last changes clear away what a restore that is done and proven no longer needs: from there on it stays.
      expect(index).toBeGreaterThan(POINTS - 5);
      expect(now.database).toContain('|2000');
      expect((await report(['rollback', '--yes'], { cwd: shop.directory })).code).toBe(0);
    }
    expect(await stateOfShop(shop)).toEqual(later);
    expect(await leftOf(shop)).toEqual([]);
  });
});
