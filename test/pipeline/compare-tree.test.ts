import { describe, expect, it } from 'vitest';
import type { CatalogueEntry } from '../../src/domain/manifest.ts';
import type { TreeEntry } from '../../src/domain/tree.ts';
import { compareTree, type TimePrecision } from '../../src/pipeline/compare-tree.ts';

const found = (path: string, more: Partial<TreeEntry> = {}): TreeEntry => ({
  path,
  type: 'f',
  mode: 0o644,
  uid: 1,
  gid: 2,
  size: 3,
  mtime: '1700000000.1234567890',
  ctime: '1',
  device: '1',
  inode: path,
  links: 1,
  target: null,
  ...more,
});

const recorded = (path: string, more: Partial<CatalogueEntry> = {}): CatalogueEntry => {
  const { type, mode, uid, gid, size, mtime } = found(path);
  return { path, type, mode, uid, gid, size, mtime, ...more };
};

async function* stream<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

const compare = async (was: readonly CatalogueEntry[], is: readonly TreeEntry[], times: TimePrecision = 'nanosecond') =>
  compareTree(stream(was), stream(is), { times });

describe('compareTree', () => {
  it('counts what is as recorded', async () => {
    const root = { type: 'd', size: 0 } as const;
    const result = await compare(
      [recorded('', root), recorded('a'), recorded('b')],
      [found('', { ...root, size: 4096 }), found('a'), found('b')],
    );
    expect(result).toEqual({ entries: 3, bytes: 6, differences: [] });
  });

  it.each([
    ['a missing file', [recorded('a'), recorded('b')], [found('a')], 'b is missing'],
    ['a file too many', [recorded('b')], [found('a'), found('b')], 'a is not in the snapshot'],
    ['another type', [recorded('a')], [found('a', { type: 'l', target: 'x' })], 'a is of type l, recorded f'],
    ['another mode', [recorded('a')], [found('a', { mode: 0o4644 })], 'a has mode 4644, recorded 644'],
    ['another owner', [recorded('a')], [found('a', { gid: 3 })], 'a belongs to 1:3, recorded 1:2'],
    ['another length', [recorded('a')], [found('a', { size: 4 })], 'a has 4 bytes, recorded 3'],
    ['another target', [recorded('a', { type: 'l', target: 'x' })], [found('a', { type: 'l', target: 'y' })], 'a points elsewhere'],
    [
      'a nanosecond',
      [recorded('a')],
      [found('a', { mtime: '1700000000.1234567880' })],
      'a is of 1700000000.123456788, recorded 1700000000.123456789',
    ],
    ['a lost second name', [recorded('a'), recorded('b', { link: 'a' })], [found('a'), found('b')], 'b is no second name of its file'],
    [
      'a second name that was none',
      [recorded('a'), recorded('b')],
      [found('a', { inode: '7', links: 2 }), found('b', { inode: '7', links: 2 })],
      'b is a second name of another file',
    ],
  ])('tells %s', async (_, was, is, difference) => {
    expect((await compare(was, is)).differences).toEqual([difference]);
  });

  it('takes a fraction that was never stored, ends in zeros or is missing for what it is', async () => {
    expect((await compare([recorded('a', { mtime: '1700000000' })], [found('a')], 'second')).differences).toEqual([]);
    const doubles = await compare(
      [recorded('a', { mtime: '1700000000.458830739' })],
      [found('a', { mtime: '1700000000.458830833' })],
      'millisecond',
    );
    expect(doubles.differences).toEqual([]);
    const later = await compare([recorded('a', { mtime: '1700000000.458' })], [found('a', { mtime: '1700000000.46' })], 'millisecond');
    expect(later.differences).toHaveLength(1);
    expect(
      (await compare([recorded('a', { mtime: '1700000000.5' })], [found('a', { mtime: '1700000000.5000000000' })])).differences,
    ).toEqual([]);
    expect((await compare([recorded('a', { mtime: '1700000000' })], [found('a', { mtime: '1700000000.0000000000' })])).differences).toEqual(
      [],
    );
    expect((await compare([recorded('a', { mtime: '1700000000' })], [found('a', { mtime: '1700000000.1' })])).differences).toHaveLength(1);
  });

  it('expects no sockets and takes a torn file as it is', async () => {
    const torn = recorded('b', { torn: true, size: 9, mtime: '1' });
    expect((await compare([recorded('a', { type: 's' }), torn], [found('b')])).differences).toEqual([]);
  });

  it('knows several names of one file by their first one, whatever their inodes', async () => {
    const names = [recorded('a'), recorded('b', { link: 'a' }), recorded('c', { link: 'a' })];
    const is = ['a', 'b', 'c'].map((path) => found(path, { inode: '9', links: 3 }));
    expect((await compare(names, is)).differences).toEqual([]);
  });

  it('tells a few of many differences and reads both sides to their ends', async () => {
    const many = Array.from({ length: 50 }, (_, index) => `f${String(index).padStart(2, '0')}`);
    const result = await compare(
      many.map((path) => recorded(path)),
      [],
    );
    expect(result.differences).toEqual(['f00', 'f01', 'f02', 'f03', 'f04'].map((path) => `${path} is missing`));
  });
});
