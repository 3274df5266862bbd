import { expect, test } from 'vitest';
import { RateLimit } from '../../src/repository/rate-limit.ts';

test('bytes are held to the rate on average, after a short burst', () => {
  let now = 1_000;
  const limit = new RateLimit(1_000_000, () => now);
  let counted = 0;
  while (now < 11_000) {
    limit.count(64_000);
    counted += 64_000;
    now += limit.aheadMs;
  }
  expect(counted).toBeGreaterThanOrEqual(10_000_000);
  expect(counted).toBeLessThan(10_400_000);
});

test('time in which nothing was read is not made up for', () => {
  let now = 0;
  const limit = new RateLimit(1_000_000, () => now);
  now = 60_000;
  limit.count(1_000_000);
  expect(limit.aheadMs).toBeGreaterThan(500);
});

test('a wait ends with its signal', async () => {
  const limit = new RateLimit(1_000, () => 0);
  limit.count(1_000_000_000);
  const stop = new AbortController();
  const waiting = limit.wait(stop.signal);
  stop.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
});
