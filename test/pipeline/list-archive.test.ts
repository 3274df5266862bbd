import { expect, test } from 'vitest';
import type { CatalogueEntry } from '../../src/domain/manifest.ts';
import { listArchive } from '../../src/pipeline/list-archive.ts';
import { encodeTarHeader, TRAILER } from '../../src/stream/tar-header.ts';

const FILES = ['a', 'b', 'c'];
const ENTRY = { type: 'f', mode: 0o644, uid: 7, gid: 7, size: 3, mtime: '1.0' };

function member(name: string, size = 3, uid = 7): Buffer {
  const header = encodeTarHeader({ name: `./${name}`, type: '0', mode: 0o644, uid, gid: 7, size, mtime: 1, linkName: '' });
  return Buffer.concat([header, Buffer.alloc(size === 0 ? 0 : 512, 'x')]);
}

async function list(members: readonly Buffer[], entries: readonly Partial<CatalogueEntry>[], trailer = TRAILER): Promise<unknown> {
  const lines = entries
    .map((entry, index) => `${JSON.stringify({ ...ENTRY, ...entry, ...(index === 0 ? { next: true } : {}) })}\n`)
    .join('');
  return listArchive(bytes(Buffer.concat([...members, trailer])), bytes(Buffer.from(lines)));
}

async function* bytes(all: Buffer): AsyncGenerator<Uint8Array> {
  yield all;
}

const all = FILES.map((path) => ({ path }));

test('an archive that holds what its catalogue lists is counted; sockets are in no archive', async () => {
  expect(
    await list(
      FILES.map((name) => member(name)),
      [...all, { path: 'd', type: 's' }],
    ),
  ).toEqual({ members: 3, bytes: 9 });
});

const wrong: readonly (readonly [what: string, members: readonly Buffer[], entries: readonly Partial<CatalogueEntry>[], says: string])[] = [
  ['a lost member', [member('a'), member('c')], all, 'b is in the catalogue where the archive has c'],
  ['a lost last member', [member('a'), member('b')], all, 'c is in the catalogue and not in the archive'],
  ['one too many', [...FILES, 'd'].map((name) => member(name)), all, 'd is in the archive and not in the catalogue'],
  ['a shorter file', [member('a'), member('b', 2), member('c')], all, 'b has 2 bytes, the catalogue says 3'],
  ['another owner', [member('a'), member('b', 3, 0), member('c')], all, 'b belongs to 0:7, the catalogue says 7:7'],
];
test.each(wrong)('%s is told by its name', async (_, members, entries, says) => {
  await expect(list(members, entries)).rejects.toThrow(says);
});

test('a torn file may have any length', async () => {
  expect(await list([member('a', 2)], [{ path: 'a', torn: true }])).toMatchObject({ members: 1 });
});

test('an archive that ends too early is not whole', async () => {
  await expect(list([member('a')], [{ path: 'a' }], Buffer.alloc(0))).rejects.toMatchObject({ code: 'component-failed' });
});
