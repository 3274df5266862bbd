import { expect, test } from 'vitest';
import { sampleFile } from '../../src/config/sample-file.ts';
import { parseSettingsFile } from '../../src/config/settings-file.ts';

const SOURCE = {
  project: 'shop\u2028injected: true',
  services: [
    { name: 'db', holds: ['database/db/app', 'globals/db'] },
    { name: 'web', holds: [] },
    { name: 'odd: "name"', holds: ['bind/x/y'] },
  ],
  volumes: [{ key: 'data', usedBy: ['db'] }],
  uncovered: [{ subject: 'tmpfs /run', reason: 'lost\nat: stop' }],
};

test('as written it changes nothing', () => {
  const block = parseSettingsFile(sampleFile(SOURCE), '/p/mcads.yaml');
  expect(block.problems).toEqual([]);
  expect(block.input).toEqual({});
});

test('with every example uncommented it is valid', () => {
  const text = sampleFile(SOURCE)
    .split('\n')
    .map((line) => (/^# *(?:[A-Za-z.]+|"(?:[^"\\]|\\.)*"):(?: |$)/.test(line) && !line.startsWith('# Not covered') ? line.slice(2) : line))
    .join('\n');
  const block = parseSettingsFile(text, '/p/mcads.yaml');
  expect(block.problems).toEqual([]);
  expect(Object.keys(block.input)).toEqual(
    expect.arrayContaining(['repository', 'keep', 'files', 'exclude', 'images', 'quiesce', 'lockTimeout', 'services', 'volumes']),
  );
  expect(Object.keys(block.input.services ?? {})).toEqual(['db', 'web', 'odd: "name"']);
});
