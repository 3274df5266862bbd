import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { displayWidth, printable, shorten } from '../../src/report/escape.ts';
import { humanAge, humanBytes, humanDuration } from '../../src/report/human.ts';
import { renderTable } from '../../src/report/table.ts';

const anyText = fc.string({ unit: 'binary', maxLength: 60 });

test('no control character of a name reaches the terminal', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(printable(text)).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
    }),
  );
});

test('shortened text fits', () => {
  fc.assert(
    fc.property(anyText, fc.nat(30), (text, width) => {
      expect(displayWidth(shorten(printable(text), width))).toBeLessThanOrEqual(width);
    }),
  );
});

test('a table with a column that may shrink is never wider than the terminal', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyText, fc.nat()), { minLength: 1, maxLength: 8 }), fc.integer({ min: 30, max: 120 }), (rows, width) => {
      const cells = rows.map(([name, size]) => [printable(name), String(size)]);
      const table = renderTable(
        [
          { title: 'NAME', shrinkTo: 8 },
          { title: 'SIZE', align: 'right' },
        ],
        cells,
        width,
      );
      for (const line of table.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(width);
    }),
  );
});

describe('sizes, durations and ages', () => {
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1_048_575, '1.0 MiB'],
    [123_456_789, '118 MiB'],
    [5e12, '4.5 TiB'],
  ])('%i bytes: %s', (bytes, text) => expect(humanBytes(bytes)).toBe(text));

  test.each([
    [0.04, '0.0s'],
    [9.99, '10s'],
    [59.6, '1m 00s'],
    [185, '3m 05s'],
    [7380, '2h 03m'],
    [352_800, '4d 02h'],
  ])('%d seconds: %s', (seconds, text) => expect(humanDuration(seconds)).toBe(text));

  test.each([
    ['2025-08-04T08:59:30Z', 'just now'],
    ['2025-08-04T08:59:00Z', '1 minute ago'],
    ['2025-08-01T09:00:00Z', '3 days ago'],
    ['2023-08-01T09:00:00Z', '2 years ago'],
  ])('%s: %s', (then, text) => expect(humanAge(new Date(then), new Date('2025-08-04T09:00:00Z'))).toBe(text));
});
