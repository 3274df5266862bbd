import { expect, test } from 'vitest';
import { projectFolder } from './project-folder.ts';

test('a value is found where its winning form was written: in anchors, overrides, includes, extended files and env files', async () => {
  await using project = await projectFolder({
    'compose.yaml': `
x-common: &common
  labels:
    mcads.enable: "true"
include: [part.yaml]
services:
  web:
    <<: *common
    image: a
    environment:
      A: 1
      B: 1
    volumes:
      - one:/one
      - two:/two
    x-mcads:
      quiesce: stop
  api:
    extends: {file: base.yaml, service: base}
volumes:
  one:
  two: {labels: [mcads.exclude=x]}
x-mcads:
  keep: {last: 1}
`,
    'compose.override.yaml': `services:
  web:
    environment:
      - B=2
    volumes: ["./mine:/two"]
`,
    'part.yaml': `services:
  part:
    image: p
    env_file: part.env
`,
    'part.env': 'FROM_FILE=1\n',
    'base.yaml': `services:
  base:
    image: b
    labels: {from: base}
`,
  });
  const model = await project.load();
  const whereIs = (...path: string[]): string => {
    const where = model.whereIs(path);
    return where === null ? 'nowhere' : `${where.file.replace(`${project.path}/`, '')}:${where.line}:${where.column}`;
  };
  expect(whereIs('services', 'web', 'labels', 'mcads.enable')).toBe('compose.yaml:4:5');
  expect(whereIs('services', 'web', 'environment', 'A')).toBe('compose.yaml:11:7');
  expect(whereIs('services', 'web', 'environment', 'B')).toBe('compose.override.yaml:4:9');
  expect(whereIs('services', 'web', 'volumes', '0')).toBe('compose.yaml:14:9');
  expect(whereIs('services', 'web', 'volumes', '1', 'source')).toBe('compose.override.yaml:5:15');
  expect(whereIs('services', 'web', 'x-mcads', 'quiesce')).toBe('compose.yaml:17:7');
  expect(whereIs('services', 'api', 'labels', 'from')).toBe('base.yaml:4:14');
  expect(whereIs('services', 'part', 'image')).toBe('part.yaml:3:5');
  expect(whereIs('services', 'part', 'environment', 'FROM_FILE')).toBe('part.yaml:4:15');
  expect(whereIs('volumes', 'two', 'labels', 'mcads.exclude')).toBe('compose.yaml:22:18');
  expect(whereIs('x-mcads', 'keep', 'last')).toBe('compose.yaml:24:10');
  expect(whereIs('x-mcads', 'keep', 'nothing', 'here')).toBe('compose.yaml:24:3');
  expect(whereIs('services', 'web', 'nothing')).toBe('compose.yaml:7:3');
});
