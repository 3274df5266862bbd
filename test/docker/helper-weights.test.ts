import { expect, test } from 'vitest';
import { weightFields } from '../../src/docker/helper-container.ts';

/** What runc makes of a weight for `io.weight`, where everybody who was given none has 100. */
function unifiedWeight(weight: number | undefined): number {
  return 1 + Math.floor((((weight ?? 0) - 10) * 9999) / 990);
}

test.each([
  [10, 0.02],
  [100, 0.2],
  [200, 0.4],
  [500, 1],
  [1000, 2],
])('a helper of disk weight %i has %f times what everybody else has', (io, times) => {
  const { BlkioWeight: plain } = weightFields({ cpu: null, io }, false);
  expect((plain ?? 0) / 500).toBe(times);
  const { BlkioWeight: unified } = weightFields({ cpu: null, io }, true);
  expect(unified).toBeGreaterThanOrEqual(10);
  expect(Math.abs(unifiedWeight(unified) / 100 - times)).toBeLessThan(0.06);
});

test('no weight is given where none is wanted', () => {
  expect(weightFields(undefined, true)).toEqual({});
  expect(weightFields({ cpu: null, io: null }, true)).toEqual({});
  expect(weightFields({ cpu: 250, io: null }, true)).toEqual({ CpuShares: 512 });
});
