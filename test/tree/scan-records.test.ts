import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StatRecords } from '../../src/stream/scan-records.ts';

const CONTEXT = 'rules';

function record(path: string, size: number): string {
  return `./${path}////f 644 0 0 ${size} 1700000000.1234567890 1700000001.0000000000 2049 77 1\0`;
}

async function* pieces(text: string, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < text.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    yield Buffer.from(text.slice(at, at + size), 'latin1');
    at += size;
  }
}

function open(records: readonly string[], sizes: readonly number[]): StatRecords {
  const scan = new StatRecords(pieces(`${records.join('')}~0\0`, sizes), () => undefined);
  scan.setContext(CONTEXT);
  return scan;
}

function rangeOf(records: readonly string[]): { readonly records: number; readonly hash: string } {
  const hash = createHash('sha256').update(`${CONTEXT}\0`).update(records.join(''), 'latin1').digest('hex');
  return { records: records.length, hash };
}

async function take(scan: StatRecords, count: number): Promise<readonly string[]> {
  const paths: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const next = scan.next();
    const entry = next instanceof Promise ? await next : next;
    if (entry === null) break;
    paths.push(entry.path);
  }
  return paths;
}

const names = fc.uniqueArray(
  fc
    .string({ unit: fc.integer({ min: 1, max: 255 }).map((byte) => String.fromCharCode(byte)), minLength: 1, maxLength: 40 })
    .map((name) => name.replaceAll('/', '_')),
  { minLength: 1, maxLength: 60 },
);
const cuts = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 });

test('ranges are what was told, however it is cut and whether they are taken or left behind', async () => {
  const steps = fc.array(
    fc.record({ count: fc.integer({ min: 1, max: 9 }), skips: fc.boolean(), changed: fc.boolean(), isLastOutside: fc.boolean() }),
  );
  await fc.assert(
    fc.asyncProperty(names, cuts, steps, async (paths, sizes, plan) => {
      const records = paths.map((path, at) => record(path, at));
      await using scan = open(records, sizes);
      let at = 0;
      for (const { count, skips, changed, isLastOutside } of plan) {
        const range = records.slice(at, at + count);
        expect(await scan.nextPath()).toBe(paths[at] ?? null);
        if (skips) {
          const wanted = changed ? rangeOf([...range.slice(0, -1), record('other', 0)]) : rangeOf(range);
          const isThere = !changed && range.length > 0;
          const behind = paths[at + range.length] ?? null;
          expect(await scan.skip(wanted, `${behind ?? ''}?`)).toBe(false);
          expect(await scan.skip(wanted, behind)).toBe(isThere);
          if (isThere) at += range.length;
          continue;
        }
        expect(await take(scan, count)).toEqual(paths.slice(at, at + count));
        if (isLastOutside && range.length > 0) {
          expect(scan.endRange(true)).toEqual(rangeOf(range.slice(0, -1)));
          const more = records.slice(at + range.length, at + range.length + 1);
          await take(scan, 1);
          expect(scan.endRange(false)).toEqual(rangeOf([...range.slice(-1), ...more]));
          at += range.length + more.length;
        } else {
          expect(scan.endRange(false)).toEqual(rangeOf(range));
          at += range.length;
        }
      }
      expect(await take(scan, paths.length)).toEqual(paths.slice(at));
    }),
    { numRuns: 300 },
  );
});

test('a range of more than there is, of nothing, or in the middle of another is never left behind', async () => {
  const records = ['a', 'b', 'c'].map((path) => record(path, 1));
  await using scan = open(records, [50]);
  expect(await scan.skip({ ...rangeOf(records), records: 4 }, null)).toBe(false);
  expect(await scan.skip(rangeOf([]), 'a')).toBe(false);
  expect(await scan.skip({ records: 1e12, hash: '' }, null)).toBe(false);
  expect(await scan.skip(rangeOf(records.slice(0, 2)), null)).toBe(false);
  expect(await take(scan, 1)).toEqual(['a']);
  await expect(scan.skip(rangeOf(records.slice(1)), null)).rejects.toMatchObject({ code: 'unexpected' });
});

test('another context is another range', async () => {
  const records = [record('a', 1)];
  const scan = open(records, [1000]);
  scan.setContext('other rules');
  expect(await scan.skip(rangeOf(records), null)).toBe(false);
});

test.each([
  ['without the status of the walk', `${record('a', 1)}`, null],
  ['with a failed walk', `${record('a', 1)}~1\0`, 1],
  ['with a good one', `${record('a', 1)}~0\0`, 0],
])('the end %s is told', async (_, text, status) => {
  const told: (number | null)[] = [];
  await using scan = new StatRecords(pieces(text, [30]), (is) => told.push(is));
  expect(await take(scan, 5)).toEqual(['a']);
  expect(told).toEqual([status]);
});

test.each([
  ['behind the status', `${record('a', 1)}~0\0${record('b', 1)}`],
  ['that is cut short', record('a', 1).slice(0, -5)],
  ['that is none', 'nonsense\0~0\0'],
])('a record %s is refused, skipping over it too', async (_, text) => {
  const scan = new StatRecords(pieces(text, [1000]), () => undefined);
  await expect(take(scan, 5)).rejects.toMatchObject({ code: 'component-failed' });
  const other = new StatRecords(pieces(text, [1000]), () => undefined);
  const skipping = other.skip({ records: 2, hash: '' }, null).then(async (isThere) => (isThere ? [] : take(other, 5)));
  await expect(skipping).rejects.toMatchObject({ code: 'component-failed' });
});
