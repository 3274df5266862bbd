import { expect, test } from 'vitest';
import { loadCompose } from '../../src/compose/load-compose.ts';
import { composeFixtures, HOME } from './compose-fixture.ts';

// What Compose prints of these it does not read back alike either.
const UNREADABLE = [
  'sizes-and-limits', // throttled devices under names of Go: `Path`, `Rate`
  'merge-maps-and-lists', // one host and address twice
  'merge-ports', // two ports that differ only in having been a number and a text
];

const sound = composeFixtures().filter(({ name }) => !name.startsWith('broken-') && !UNREADABLE.includes(name));

test.for(sound)('the document of $name loads as itself', async (fixture) => {
  const first = await loadCompose(fixture.request);
  const second = await loadCompose({
    directory: fixture.directory,
    files: ['-'],
    projectName: first.name,
    envFiles: ['/dev/null'],
    projectDirectory: null,
    environment: {},
    profiles: ['*'],
    home: HOME,
    stdin: () => Promise.resolve(JSON.stringify(first.document, doubleDollars)),
  });
  expect(second.document).toEqual(first.document);
});

function doubleDollars(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? value.replaceAll('$', '$$$$') : value;
}
