import { describe, expect, test } from 'vitest';
import { componentId } from '../../src/domain/component.ts';
import { selectComponents, selectSnapshot } from '../../src/domain/selectors.ts';
import type { SnapshotSummary } from '../../src/domain/snapshot-summary.ts';
import { McadsError } from '../../src/errors.ts';

function summary(name: string, day: number, completeness: SnapshotSummary['completeness'] = 'complete'): SnapshotSummary {
  const isHost = name.includes('_system_backup_');
  return {
    name,
    project: name.split(isHost ? '_system_backup_' : '_backup_')[0] ?? '',
    strategy: isHost ? 'host' : 'docker',
    startedAt: `2025-08-0${day}T14:29:05.000Z`,
    completeness,
    bytes: 1,
    components: [],
    proof: null,
  };
}

const first = summary('shop_backup_20250801_142905', 1);
const second = summary('shop_backup_20250802_142905', 2);
const host = summary('shop_system_backup_20250802_142905', 2);
const partial = summary('shop_backup_20250803_142905', 3, 'partial');
const blog = summary('blog_backup_20250804_142905', 4);
const all = [first, second, host, partial, blog];

function failure(work: () => unknown): { code: string; message: string; hint: string | undefined } {
  try {
    work();
  } catch (error) {
    if (error instanceof McadsError) return { code: error.code, message: error.message, hint: error.hint };
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a snapshot is named', () => {
  test('in full, from whichever project', () => {
    expect(selectSnapshot(blog.name, all, { project: 'shop' }).snapshot).toBe(blog);
    expect(selectSnapshot(partial.name, all).snapshot).toBe(partial);
  });

  test('by its time', () => {
    expect(selectSnapshot('20250801_142905', all, { project: 'shop' }).snapshot).toBe(first);
    expect(selectSnapshot('20250804_142905', all, { project: 'shop' }).snapshot).toBe(blog);
  });

  test('by a prefix that fits only one', () => {
    expect(selectSnapshot('shop_s', all).snapshot).toBe(host);
    expect(selectSnapshot('20250801', all).snapshot).toBe(first);
    expect(selectSnapshot('b', all).snapshot).toBe(blog);
  });

  test('as latest: the newest complete one, mentioning a newer partial one', () => {
    expect(selectSnapshot('latest', all, { project: 'shop', strategy: 'docker' })).toEqual({ snapshot: second, newerPartial: partial });
    expect(selectSnapshot('latest', all)).toEqual({ snapshot: blog, newerPartial: null });
  });
});

describe('a selector that does not name one snapshot is refused with what there is', () => {
  test('more than one fits', () => {
    const error = failure(() => selectSnapshot('20250802', all));
    expect(error.code).toBe('usage');
    expect(error.hint).toContain(second.name);
    expect(error.hint).toContain(host.name);
  });

  test('none fits', () => {
    expect(failure(() => selectSnapshot('2024', all, { project: 'shop' }))).toMatchObject({
      code: 'no-snapshot',
      message: 'no snapshot fits "2024"',
    });
    expect(failure(() => selectSnapshot('2024', all, { project: 'shop' })).hint).toContain(partial.name);
    expect(failure(() => selectSnapshot('', all)).code).toBe('usage');
  });

  test('latest where nothing is complete, or nothing is there', () => {
    expect(failure(() => selectSnapshot('latest', [partial]))).toMatchObject({
      code: 'no-snapshot',
      message: 'there is no complete snapshot',
    });
    expect(failure(() => selectSnapshot('latest', [partial])).hint).toContain(partial.name);
    expect(failure(() => selectSnapshot('latest', all, { project: 'none' }))).toMatchObject({
      code: 'no-snapshot',
      message: 'there is no snapshot of none',
    });
  });

  test('a long list of candidates is cut', () => {
    const many = Array.from({ length: 9 }, (_, i) => summary(`shop_backup_2025080${i + 1}_142905`, i + 1));
    expect(failure(() => selectSnapshot('shop', many)).hint).toMatch(/and 4 more$/);
  });
});

describe('components are chosen by globs', () => {
  const ids = [
    componentId('config'),
    componentId('volume', 'media'),
    componentId('volume', 'static'),
    componentId('database', 'db', 'mcads'),
  ];

  test('all without a glob, else the union in the order of the list', () => {
    expect(selectComponents([], ids)).toEqual(ids);
    expect(selectComponents(['database', 'volume/m*'], ids)).toEqual([ids[1], ids[3]]);
  });

  test('a glob that matches nothing is named together with what there is', () => {
    const error = failure(() => selectComponents(['volume/x', 'config', 'bind'], ids));
    expect(error).toMatchObject({ code: 'usage', message: 'no component matches "volume/x", "bind"' });
    expect(error.hint).toContain('volume/media');
  });
});
