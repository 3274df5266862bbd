import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sizeFinding, unusualSize } from '../../src/domain/size-check.ts';

/** One snapshot an hour, oldest first. */
function history(sizes: readonly number[], given: { readonly completeness?: 'complete' | 'partial'; readonly project?: string } = {}) {
  return sizes.map((bytes, index) => ({
    name: `p_backup_20250101_${String(index).padStart(2, '0')}0000`,
    project: 'p',
    strategy: 'docker' as const,
    startedAt: `2025-01-01T${String(index).padStart(2, '0')}:00:00.000Z`,
    completeness: 'complete' as const,
    bytes,
    ...given,
  }));
}

function check(bytes: number, before: ReturnType<typeof history>) {
  const newest = { ...history([0])[0], name: 'new', project: 'p', strategy: 'docker', completeness: 'complete', bytes } as const;
  return unusualSize({ ...newest, startedAt: '2025-01-02T00:00:00.000Z' }, before);
}

test.each([
  [49, 'small'],
  [50, null],
  [100, null],
  [300, null],
  [301, 'large'],
  [0, 'small'],
])('%i bytes after five of 100: %s', (bytes, kind) => {
  expect(check(bytes, history([100, 100, 100, 100, 100]))?.kind ?? null).toBe(kind);
});

test('only the last five count, and one odd one among them does not move the median', () => {
  expect(check(100, history([1, 1, 1, 1, 100, 100, 100, 5000, 100]))).toBeNull();
  expect(check(100, history([100, 100, 100, 100, 100, 1000, 1000, 1000]))).toMatchObject({ kind: 'small', medianBytes: 1000 });
});

test('two snapshots are not enough to know what is usual', () => {
  expect(check(1, history([100, 100]))).toBeNull();
  expect(check(1, history([100, 100, 100]))?.kind).toBe('small');
});

test('partial snapshots and those of other projects are neither judged nor compared with', () => {
  expect(check(1, history([100, 100, 100, 100], { completeness: 'partial' }))).toBeNull();
  expect(check(1, history([100, 100, 100, 100], { project: 'other' }))).toBeNull();
  const [partial] = history([1], { completeness: 'partial' });
  expect(partial && unusualSize({ ...partial, startedAt: '2025-01-02T00:00:00Z' }, history([100, 100, 100]))).toBeNull();
});

test('a snapshot is not compared with itself or with later ones', () => {
  const all = history([100, 100, 100, 100, 100, 10]);
  const last = all.at(-1);
  const third = all[3];
  expect(last && unusualSize(last, all)?.medianBytes).toBe(100);
  expect(third && unusualSize(third, history([100, 100, 100, 100, 1, 1, 1, 1, 1]))).toBeNull();
});

test('sizes within half and twice of each other are never unusual', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 100, max: 200 }), { maxLength: 9 }), fc.integer({ min: 100, max: 200 }), (sizes, bytes) => {
      expect(check(bytes, history(sizes))).toBeNull();
    }),
  );
});

test('the warning names the snapshot and the share', () => {
  const found = check(20, history([100, 100, 100]));
  expect(found && sizeFinding(found)).toMatchObject({ severity: 'warning', subject: 'new', message: expect.stringContaining('20 %') });
});
