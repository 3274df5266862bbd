import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { IdSet } from '../../src/repository/id-set.ts';
import { sha256Hex } from '../../src/stream/digest.ts';

test('behaves as a Set of strings, however many ids there are', () => {
  const anyId = fc.oneof(
    fc.nat(300).map((n) => sha256Hex(Buffer.from(String(n)))),
    // Neighbours: ids that land on the same slot.
    fc.nat(300).map((n) => `ffffffff${n.toString(16).padStart(56, '0')}`),
    fc.nat(300).map((n) => `00000000${(n + 1).toString(16).padStart(56, '0')}`),
  );
  fc.assert(
    fc.property(fc.array(anyId, { maxLength: 500 }), fc.array(anyId, { maxLength: 50 }), fc.nat(100), (ids, others, expected) => {
      const set = new IdSet(expected);
      const model = new Set<string>();
      for (const id of ids) {
        const digits = Buffer.from(`-${id}`);
        expect(model.size % 2 === 0 ? set.add(id) : set.addDigits(digits, 1)).toBe(!model.has(id));
        model.add(id);
      }
      expect(set.size).toBe(model.size);
      for (const id of [...ids, ...others]) expect(set.has(id)).toBe(model.has(id));
    }),
  );
});

test('holds a hundred thousand', () => {
  const set = new IdSet();
  const id = (n: number) => sha256Hex(Buffer.from(String(n)));
  for (let n = 0; n < 100_000; n += 1) set.add(id(n));
  expect(set.size).toBe(100_000);
  expect([0, 50_000, 99_999].every((n) => set.has(id(n)))).toBe(true);
  expect(set.has(id(100_000))).toBe(false);
});

test('takes nothing but ids', () => {
  const set = new IdSet();
  for (const wrong of ['', 'ab', 'x'.repeat(64), 'a'.repeat(65)]) expect(() => set.has(wrong)).toThrow(TypeError);
});
