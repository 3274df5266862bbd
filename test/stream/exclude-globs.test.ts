import fc from 'fast-check';
import { expect, test } from 'vitest';
import { excludeMatcher } from '../../src/stream/exclude-globs.ts';

const NAME = fc.string({ unit: fc.constantFrom('a', 'b', '.', '-', '\n', 'ü'), minLength: 1, maxLength: 4 });
const PATH = fc
  .array(NAME, { minLength: 1, maxLength: 4 })
  .map((names) => names.map((name) => Buffer.from(name).toString('latin1')).join('/'));
const PART = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?', '[ab]', '[!a]', 'ü', '\\a'), minLength: 1, maxLength: 4 });

test('a name at any depth is what the same name in the root or in any folder is', () => {
  fc.assert(
    fc.property(PART, PATH, (part, path) => {
      fc.pre(!part.includes('**'));
      const anywhere = excludeMatcher([`**/${part}`]);
      const last = path.slice(path.lastIndexOf('/') + 1);
      expect(anywhere(path)).toBe(excludeMatcher([part])(last));
      // Beside another glob too, and written with a slash at its end.
      expect(excludeMatcher(['no/such', `**/${part}/`])(path)).toBe(anywhere(path));
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ['**/a/b', 'x/a/b', true],
  ['**/a/b', 'a/b', true],
  ['**/a/b', 'x/b', false],
  ['**/a**', 'x/ab/c', true],
  ['**', 'x/y', true],
  ['**/**', 'x/y', true],
  ['**/*', 'x/y', true],
  ['**/[]a]', 'x/]', true],
  ['[!]a]', 'b', true],
  ['[!]a]', ']', false],
])('%s and %j: %s', (glob, path, expected) => {
  expect(excludeMatcher([glob])(path)).toBe(expected);
});
