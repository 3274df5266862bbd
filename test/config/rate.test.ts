import { expect, test } from 'vitest';
import { parseRate } from '../../src/config/rate.ts';

test.each([
  ['20M', 20 * 1024 ** 2],
  ['512k', 512 * 1024],
  ['1.5G', 1.5 * 1024 ** 3],
  ['10 MiB/s', 10 * 1024 ** 2],
  ['1000000', 1_000_000],
])('%s is a rate', (text, bytes) => {
  expect(parseRate(text)).toBe(bytes);
});

test.each(['', 'fast', '-1M', '20', '1K', '10T', 'M'])('%j is none: no number, or a unit was forgotten', (text) => {
  expect(parseRate(text)).toBeNull();
});
