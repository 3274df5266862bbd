import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { treeScan } from '../../src/domain/tree.ts';
import { TreeFixture } from '../support/tree-capture.ts';

let fixture: TreeFixture;
beforeEach(() => {
  fixture = new TreeFixture();
});
afterEach(async () => fixture[Symbol.asyncDispose]());

const WAYS = [
  ['a scanned tree', {}],
  ['an archive', { scans: false, transport: 'archive' as const }],
] as const;

describe.each(WAYS)('excludes from %s', (_, over) => {
  const kept = async (...exclude: string[]) => {
    const result = await fixture.capture(await fixture.source(over), { exclude });
    expect(result.findings.every(({ severity, code }) => severity === 'info' && code === 'excluded')).toBe(true);
    return (await fixture.paths(result)).filter((path) => path !== '');
  };

  test('drop a directory with everything below, wherever the glob ends', async () => {
    fixture.write({ 'cache/a': '', 'cache/deep/er/b': '', 'cache.txt': '', 'cache2/c': '', 'sub/cache/d': '' });
    const rest = ['cache.txt', 'cache2', 'cache2/c', 'sub', 'sub/cache', 'sub/cache/d'];
    for (const glob of ['cache', 'cache/', './cache', '/cache', 'c*e', 'cach?', '[a-c]ache']) expect(await kept(glob)).toEqual(rest);
    // The content alone goes; an application that expects the directory finds it.
    expect(await kept('cache/**')).toEqual(['cache', ...rest]);
    expect(await kept('cache/*')).toEqual(['cache', ...rest]);
    expect(await kept('cache/deep')).toEqual(['cache', 'cache/a', ...rest]);
    expect(await kept('**/cache')).toEqual(['cache.txt', 'cache2', 'cache2/c', 'sub']);
    expect(await kept('cache', 'sub')).toEqual(['cache.txt', 'cache2', 'cache2/c']);
    expect(await kept('nothing/**', '**/none')).toEqual(['cache', 'cache/a', 'cache/deep', 'cache/deep/er', 'cache/deep/er/b', ...rest]);
  });

  test('of a name at any depth take files and directories of that name', async () => {
    fixture.write({ 'a.tmp': '', 'x/b.tmp': '', 'x/y.tmp/inside': '', 'x/.hidden.tmp': '', 'x/tmp': '', 'x/a.tmp2': '' });
    expect(await kept('**/*.tmp')).toEqual(['x', 'x/a.tmp2', 'x/tmp']);
    expect(await kept('*.tmp')).toEqual(['x', 'x/.hidden.tmp', 'x/a.tmp2', 'x/b.tmp', 'x/tmp', 'x/y.tmp', 'x/y.tmp/inside']);
  });

  test('match whole names, in their own case, to the byte', async () => {
    fixture.write({ 'Logs/a': '', 'logs/a': '', 'ü/x': '', 'a[1]/x': '', 'a1/x': '' });
    expect(await kept('logs', 'ü', 'a\\[1]')).toEqual(['Logs', 'Logs/a', 'a1', 'a1/x']);
  });
});

test('a file whose first name is excluded is stored under its next one', async () => {
  fixture.write({ 'a-cache/x': 'content' });
  execFileSync('ln', ['a-cache/x', 'keep'], { cwd: fixture.tree });
  const result = await fixture.capture(await fixture.source(), { exclude: ['a-cache'] });
  expect(execFileSync('tar', ['-xO', './keep'], { input: await fixture.tar(result), encoding: 'utf8' })).toBe('content');
});

test('what find cannot look into is no error where it is excluded', async () => {
  fixture.write({ 'open/x': 'x', 'closed/deep/x': 'x' });
  const source = await fixture.source((real) => ({
    scan: (signal) => {
      const { batches, done } = real.scan(signal);
      const problems = ["find: './closed/deep': Permission denied", "find: './open/y': Input/output error"];
      return treeScan(
        batches,
        done.then(() => ({ problems })),
      );
    },
  }));
  const { findings } = await fixture.capture(source, { exclude: ['closed'] });
  expect(findings.filter(({ severity }) => severity === 'error')).toMatchObject([{ code: 'unreadable', subject: 'open/y' }]);
});
