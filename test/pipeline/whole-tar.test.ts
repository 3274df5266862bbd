import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sqliteTar } from '../../src/pipeline/restore-sqlite.ts';
import { wholeTar } from '../../src/pipeline/tree-selection.ts';
import { givenBack } from '../../src/stream/release-buffer.ts';
import { encodeLinkMember, encodeTarHeader, TRAILER } from '../../src/stream/tar-header.ts';
import type { ManifestArtifact } from '../../src/domain/manifest.ts';
import type { SnapshotRepository } from '../../src/domain/ports.ts';

const NEVER = new AbortController().signal;
const NOTHING_NAMED: ManifestArtifact = { name: 'data', format: 'tar', pages: [], bytes: 0, segments: 0, digest: '' };

/** In pieces that nobody else holds, as a repository gives them. */
async function* owned(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    yield Uint8Array.from(bytes.subarray(at, at + size));
    at += size;
  }
}

/** It reads nothing else of the repository. */
function holding(tar: Buffer, sizes: readonly number[]): SnapshotRepository {
  return { read: () => owned(tar, sizes) } as Partial<SnapshotRepository> as SnapshotRepository;
}

function file(name: string, content: Buffer): Buffer {
  const fields = { name: `./${name}`, type: '0', mode: 0o644, uid: 0, gid: 0, mtime: 1, linkName: '' };
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
  return Buffer.concat([encodeTarHeader({ ...fields, size: content.length }), content, padding]);
}

async function collected(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const piece of pieces) parts.push(Buffer.from(piece));
  return Buffer.concat(parts);
}

const cuts = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 4 });

test('a tree goes on as it is stored, however it is cut, and every byte of its files is shown', async () => {
  const contents = fc.array(fc.uint8Array({ maxLength: 3000 }), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(contents, cuts, async (files, sizes) => {
      const tar = Buffer.concat([...files.map((content, i) => file(`f${i}`, Buffer.from(content))), TRAILER]);
      const seen: string[] = [];
      const shown = createHash('sha256');
      const through = wholeTar(
        holding(tar, sizes),
        NOTHING_NAMED,
        (event) => {
          if (event.kind === 'member') seen.push(event.member.path);
          else shown.update(event.bytes);
        },
        NEVER,
      );
      expect((await collected(givenBack(through))).equals(tar)).toBe(true);
      expect(seen).toEqual(files.map((_, i) => `f${i}`));
      const padded = files.map((content) => Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]));
      expect(shown.digest('hex')).toBe(createHash('sha256').update(Buffer.concat(padded)).digest('hex'));
    }),
  );
});

test('the header of a member that leads out of the tree never goes on whole', async () => {
  const hostile = encodeLinkMember({ path: 'evil', mode: 0o644, uid: 0, gid: 0, mtime: '1' }, '../../etc/passwd');
  const before = file('good', Buffer.from('good'));
  const tar = Buffer.concat([before, hostile, TRAILER]);
  await fc.assert(
    fc.asyncProperty(cuts, async (sizes) => {
      let passed = 0;
      const going = async (): Promise<void> => {
        for await (const piece of wholeTar(holding(tar, sizes), NOTHING_NAMED, () => undefined, NEVER)) passed += piece.length;
      };
      await expect(going()).rejects.toMatchObject({ code: 'damaged' });
      expect(passed).toBeLessThan(before.length + hostile.length);
    }),
  );
});

test('a tree that ends too early is an error behind all that there is of it', async () => {
  const tar = file('a', Buffer.alloc(5000, 1)).subarray(0, 3000);
  await expect(collected(wholeTar(holding(tar, [1000]), NOTHING_NAMED, () => undefined, NEVER))).rejects.toThrow('ended in the middle');
});

test('a database is one member of a tar, and its pieces may be given back', async () => {
  const target = { place: { singleFile: 'db.sqlite3' } } as Parameters<typeof sqliteTar>[1]['target'];
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 20_000 }), cuts, async (length, sizes) => {
      const content = Buffer.alloc(length, 'database');
      const database = { data: { ...NOTHING_NAMED, bytes: length }, facts: { owner: { mode: 0o640, uid: 1, gid: 2, mtimeMs: 5 } }, target };
      const tar = await collected(givenBack(sqliteTar(owned(content, sizes), database, () => undefined)));
      const at = tar.length - 1024 - Math.ceil(length / 512) * 512;
      expect(tar.subarray(at, at + length).equals(content)).toBe(true);
      expect(tar.subarray(-1024).every((byte) => byte === 0)).toBe(true);
    }),
  );
});
