import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseByteSize } from '../../src/compose/byte-size.ts';
import { formatDuration, parseDuration } from '../../src/compose/go-duration.ts';
import { asFloat32, goFloat, parseInteger, plainScalar } from '../../src/compose/go-values.ts';
import { splitShellWords } from '../../src/compose/shell-words.ts';

const where = { file: 'f', line: 1, column: 1 };

describe('values as Go reads and prints them', () => {
  test.for([
    ['0777', 'int', 511],
    ['0o17', 'int', 15],
    ['08', 'float', 8],
    ['1_000', 'int', 1000],
    ['yes', 'string', 'yes'],
    ['True', 'bool', true],
    ['~', 'null', null],
    ['1e3', 'float', 1000],
    ['2001-02-30', 'string', '2001-02-30'],
    ['12345678901234567890', 'int', 12345678901234567890n],
    ['1.2.3', 'string', '1.2.3'],
    ['-', 'string', '-'],
  ] as const)('plain %s is a %s', ([source, type, value]) => {
    expect(plainScalar(source, where)).toMatchObject({ type, value });
  });

  test('a decimal integer is read as itself', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        expect(parseInteger(String(value))).toBe(value);
      }),
    );
  });

  test('a printed float reads back as the same number', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Number(goFloat(value)) === value).toBe(true);
        expect(Math.fround(asFloat32(value)) === Math.fround(value)).toBe(true);
      }),
    );
  });

  test('durations print in Go’s form, which reads back', () => {
    expect(formatDuration(parseDuration('90s') ?? 0n)).toBe('1m30s');
    expect(formatDuration(parseDuration('1.5h') ?? 0n)).toBe('1h30m0s');
    expect(formatDuration(parseDuration('1500us') ?? 0n)).toBe('1.5ms');
    expect(parseDuration('10 seconds')).toBeUndefined();
    expect(parseDuration('.s')).toBeUndefined();
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }), (value) => {
        expect(parseDuration(formatDuration(value))).toBe(value);
      }),
    );
  });

  test('sizes count in steps of 1024', () => {
    expect(['512', '1k', '1.5g', '64 MB', '2GiB', 'lots', '-1'].map(parseByteSize)).toEqual([
      512,
      1024,
      1_610_612_736,
      67_108_864,
      2_147_483_648,
      undefined,
      undefined,
    ]);
  });

  test('commands split into words or are refused, whatever they hold', () => {
    expect(splitShellWords(`sh -c "a && b" 'it is' plain\\ space`)).toEqual(['sh', '-c', 'a && b', 'it is', 'plain space']);
    expect(splitShellWords('a; b')).toEqual(['a']);
    expect(splitShellWords('echo "open')).toBeUndefined();
    fc.assert(
      fc.property(fc.string(), (line) => {
        expect(splitShellWords(line) ?? []).toBeInstanceOf(Array);
      }),
    );
  });
});
