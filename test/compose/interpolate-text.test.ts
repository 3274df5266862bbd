import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InterpolationError, interpolateText } from '../../src/compose/interpolate-text.ts';

const values = new Map([
  ['SET', 'value'],
  ['EMPTY', ''],
]);
const interpolate = (template: string): string => interpolateText(template, { lookup: (name) => values.get(name) });

describe('interpolation', () => {
  test.for([
    ['$SET-${SET}', 'value-value'],
    ['${UNSET}', ''],
    ['${EMPTY:-soft} ${EMPTY-hard}', 'soft '],
    ['${UNSET:-a${SET:+b${UNSET-c}}}', 'abc'],
    ['${SET:+x} ${EMPTY:+x} ${EMPTY+x}', 'x  x'],
    ['${UNSET-a:-b}', 'a:-b'],
    ['${UNSET:-{"a": {"b": 1}}} tail', '{"a": {"b": 1}} tail'],
    ['$$SET $1 $ $', '$SET $1 $ $'],
  ])('%s gives %s', ([template, expected]) => {
    expect(interpolate(template ?? '')).toBe(expected);
  });

  test.for([
    ['${}', /invalid interpolation format/],
    ['${1A}', /invalid interpolation format/],
    ['${SET', /invalid interpolation format/],
    ['${SET/a/b}', /invalid interpolation format/],
    ['${UNSET:?say ${SET}}', /required variable UNSET is missing a value: say value/],
    ['${EMPTY:?}', /required variable EMPTY is missing a value$/],
  ] as const)('%s is refused', ([template, message]) => {
    expect(() => interpolate(template)).toThrow(message);
  });

  test('tells which variables became empty', () => {
    const unset: string[] = [];
    interpolateText('$A ${B} ${C:-c} $SET', { lookup: (name) => values.get(name), onUnset: (name) => unset.push(name) });
    expect(unset).toEqual(['A', 'B']);
  });

  test('any text interpolates or is refused with a reason', () => {
    const pieces = fc.array(fc.constantFrom('$', '{', '}', ':', '-', '+', '?', 'A', 'SET', ' ', '\n', '"', '${', '${A:-'), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'grapheme' }),
          pieces.map((parts) => parts.join('')),
        ),
        (template) => {
          try {
            expect(typeof interpolate(template)).toBe('string');
          } catch (error) {
            expect(error).toBeInstanceOf(InterpolationError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test('text with every dollar doubled comes out as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        expect(interpolate(value.replaceAll('$', '$$$$'))).toBe(value);
      }),
    );
  });

  test('endless nesting is refused, not followed', () => {
    expect(() => interpolate(`${'${A:-'.repeat(10_000)}${'}'.repeat(10_000)}`)).toThrow(InterpolationError);
  });
});
