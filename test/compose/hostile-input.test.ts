import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDocuments } from '../../src/compose/parse-document.ts';
import { McadsError } from '../../src/errors.ts';
import { projectFolder } from './project-folder.ts';

describe('hostile files end in a value or an error, never in a crash', () => {
  test('names of object prototypes are only names', async () => {
    await using project = await projectFolder({
      'compose.yaml': `
services:
  __proto__: {image: p, labels: {__proto__: a, constructor: b}, environment: {toString: c}}
  constructor: {image: c, depends_on: [__proto__]}
volumes: {__proto__: {labels: {__proto__: x}}}
x-data: {__proto__: {polluted: true}}
`,
    });
    const model = await project.load();
    expect(Object.keys(model.services)).toEqual(['__proto__', 'constructor']);
    expect(Object.entries(model.services['constructor']?.dependsOn ?? {})).toHaveLength(1);
    expect(Object.keys(model.volumes)).toEqual(['__proto__']);
    expect(model.services['hasOwnProperty']).toBeUndefined();
    expect(Object.prototype).not.toHaveProperty('polluted');
  });

  test.for([
    [
      'an alias bomb',
      [
        'a0: &a0 [x, x, x, x, x, x, x, x, x]',
        ...Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]`),
      ].join('\n'),
    ],
    [
      'a bomb of merge keys',
      ['a0: &a0 {k: v}', ...Array.from({ length: 40 }, (_, i) => `a${i + 1}: &a${i + 1} {<<: [*a${i}, *a${i}], k${i}: v}`)].join('\n'),
    ],
    ['an alias within itself', 'a: &a [*a]'],
    ['a merge of itself', 'a: &a\n  <<: *a\n  b: 1'],
    ['deep nesting', `a: ${'['.repeat(5000)}${']'.repeat(5000)}`],
    ['very deep nesting', `${'['.repeat(200_000)}`],
    ['deep mappings', Array.from({ length: 300 }, (_, i) => `${' '.repeat(i)}k:`).join('\n')],
  ] as const)('%s is refused', ([, content]) => {
    expect(() => parseDocuments(content, 'f')).toThrow(McadsError);
  });

  test('any text is read or refused with its place', () => {
    const pieces = fc.array(
      fc.constantFrom(
        'a',
        ': ',
        '\n',
        '  ',
        '- ',
        '&x ',
        '*x',
        '<<: ',
        '[',
        ']',
        '{',
        '}',
        ', ',
        '"',
        "'",
        '|\n',
        '!reset ',
        '!!int ',
        '#',
        '---\n',
        '? ',
        '%YAML',
        '\t',
        '@',
      ),
      { maxLength: 50 },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          pieces.map((parts) => parts.join('')),
        ),
        (content) => {
          try {
            parseDocuments(content, 'f');
          } catch (error) {
            expect(error).toBeInstanceOf(McadsError);
            expect(error).toHaveProperty('where', expect.stringMatching(/^f:\d+:\d+$/));
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('any model is loaded or refused', async () => {
    await using project = await projectFolder({});
    const key = fc.constantFrom(
      'services',
      'web',
      'image',
      'ports',
      'volumes',
      'environment',
      'labels',
      'build',
      'extends',
      'depends_on',
      'networks',
      'secrets',
      'include',
      'name',
      'x-a',
      'target',
      'source',
      'type',
      'service',
      'file',
      'env_file',
      'healthcheck',
      'deploy',
      '__proto__',
    );
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'medium', withCrossShrink: true },
        fc.constantFrom<unknown>('web', './x', '80:80', 'a:/b', 'A=1', '', '$', '${A:-b}', 1, 0, -1, 1.5, true, null),
        fc.dictionary(key, tie('value'), { maxKeys: 4 }),
        fc.array(tie('value'), { maxLength: 3 }),
      ),
    }));
    await fc.assert(
      fc.asyncProperty(
        fc.record(
          { services: fc.record({ web: fc.dictionary(key, value, { maxKeys: 5 }) }), volumes: value, networks: value },
          { requiredKeys: ['services'] },
        ),
        async (model) => {
          const stdin = (): Promise<string> => Promise.resolve(JSON.stringify(model));
          await project.load({ files: ['-'], stdin }).catch((error: unknown) => expect(error).toBeInstanceOf(McadsError));
          await project
            .load({ files: ['-'], stdin: () => Promise.resolve(`${JSON.stringify(model)}\n---\n${JSON.stringify(model)}`) })
            .catch((error: unknown) => expect(error).toBeInstanceOf(McadsError));
        },
      ),
      { numRuns: 300 },
    );
  });
});
