import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openLocalTree } from '../../src/host/local-tree.ts';

const NEVER = new AbortController().signal;
let tree: string;

beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'mcads-times-'));
});

afterEach(() => rmSync(tree, { recursive: true, force: true }));

/** `seconds.nanoseconds` as touch takes it; whole seconds of either sign. */
const times = fc
  .tuple(fc.constantFrom('', '-'), fc.nat({ max: 2_000_000_000 }), fc.oneof(fc.constant(0), fc.nat({ max: 999_999_999 })))
  .map(([sign, seconds, nanoseconds]) => `${sign}${seconds}.${String(nanoseconds).padStart(9, '0')}`);

test('every time comes out of a scan as the kernel has it, before 1970 too', async () => {
  await using source = await openLocalTree(tree, {}, NEVER);
  await fc.assert(
    fc.asyncProperty(fc.array(times, { minLength: 1, maxLength: 40 }), async (wanted) => {
      const names = ['-0.5', '-1.5', '-0.000000001', '-1.000000001', '-1', '0', ...wanted].map((time, at) => {
        writeFileSync(join(tree, String(at)), '');
        execFileSync('touch', ['-d', `@${time}`, String(at)], { cwd: tree });
        return String(at);
      });
      const stat = execFileSync('stat', ['-c', '%.9Y', ...names], { cwd: tree, encoding: 'utf8' })
        .trim()
        .split('\n');
      const scan = source.scan(NEVER);
      const found = new Map((await Array.fromAsync(scan.entries)).map(({ path, mtime }) => [path, mtime]));
      await scan.done;
      expect(names.map((name) => found.get(name))).toEqual(stat);
    }),
    { numRuns: 15 },
  );
});
