import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDotenv, parseRawEnv } from '../../src/compose/dotenv.ts';
import { McadsError } from '../../src/errors.ts';

const options = { file: '/x/.env', lookup: (name: string) => (name === 'OUTER' ? 'outer' : undefined) };
const parse = (content: string): object => Object.fromEntries(parseDotenv(content, options));
const parseRaw = (content: string): object => Object.fromEntries(parseRawEnv(content, options));

describe('.env files', () => {
  test('earlier values and the outer environment can be used, the outer wins', () => {
    expect(parse('A=1\nOUTER=inner\nB=$A-$OUTER\n')).toEqual({ A: '1', OUTER: 'inner', B: '1-outer' });
  });

  test('a bare name is inherited, also on a last line without a line break', () => {
    expect(parse('OUTER\nNOT_SET')).toEqual({ OUTER: 'outer' });
    expect(parse('NOT_SET\nOUTER')).toEqual({ OUTER: 'outer' });
  });

  test('names such as __proto__ are only names', () => {
    expect([...parseDotenv('__proto__=1\nconstructor=2', options)]).toEqual([
      ['__proto__', '1'],
      ['constructor', '2'],
    ]);
  });

  test('problems carry file, line and column', () => {
    expect(() => parse('A=1\n\nB="open')).toThrow(expect.objectContaining({ code: 'config', where: '/x/.env:3:3' }));
    expect(() => parse('A=1\n  B$=2')).toThrow(expect.objectContaining({ where: '/x/.env:2:4' }));
    expect(() => parse('A=1\nB=${A:?}\nC=${NOPE:?why}')).toThrow(/NOPE is missing a value: why/);
  });

  test('any content is read or refused with its place', () => {
    const pieces = fc.array(
      fc.constantFrom('A', '=', ':', '"', "'", '\\', '\n', ' ', '#', '$', '${', '}', 'export ', '\r', '\u00a0', 'é', '\\0'),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          pieces.map((parts) => parts.join('')),
        ),
        (content) => {
          try {
            parse(content);
          } catch (error) {
            expect(error).toBeInstanceOf(McadsError);
            expect(error).toHaveProperty('where', expect.stringMatching(/^\/x\/\.env:\d+:\d+$/));
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test('a single-quoted value comes out as it is written', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }).filter((value) => !/['\\]/.test(value)),
        (value) => {
          expect(parse(`A='${value}'\nB=2`)).toEqual({ A: value, B: '2' });
        },
      ),
    );
  });
});

describe('env files of format raw', () => {
  test('values are taken as they stand', () => {
    expect(parseRaw('\ufeff# c\n  A="quoted" # kept\nB=$A\nC=\r\nOUTER\nNOT_SET\n\nD=a=b ')).toEqual({
      A: '"quoted" # kept',
      B: '$A',
      C: '',
      OUTER: 'outer',
      D: 'a=b ',
    });
  });

  test('a name with whitespace is refused', () => {
    expect(() => parseRaw('A=1\nB C=2')).toThrow(expect.objectContaining({ where: '/x/.env:2:1' }));
  });
});
