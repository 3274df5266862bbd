import { mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { catalogueLine, catalogueLines } from '../../src/pipeline/tree-catalogue.ts';
import type { GroupedSegment } from '../../src/pipeline/catalogue-groups.ts';
import { SegmentSpool } from '../../src/pipeline/segment-spool.ts';
import { Spool } from '../../src/stream/spool.ts';
import { decodeRaw } from '../../src/stream/catalogue.ts';
import type { CatalogueEntry } from '../../src/domain/manifest.ts';
import type { PlannedMember } from '../../src/stream/segmenter.ts';

const RAW = fc.uint8Array({ min: 1, maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const MEMBER: fc.Arbitrary<PlannedMember> = fc.record({
  path: fc.oneof(RAW, fc.string({ unit: 'grapheme-ascii' })),
  type: fc.constantFrom('f', 'd', 'l', 'p'),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.nat(),
  gid: fc.nat(),
  size: fc.nat(),
  mtime: fc.constantFrom('1700000000.123456789', '-5.000000001', '0'),
  ctime: fc.constantFrom('', '1700000000.5'),
  device: fc.constantFrom('1', '1', '65025'),
  inode: fc.constantFrom('7', '18446744073709551615'),
  links: fc.integer({ min: 1, max: 9 }),
  target: fc.oneof(fc.constant(null), RAW),
  link: fc.oneof(fc.constant(null), RAW),
});

const AS_READ = fc.option(fc.record({ size: fc.nat(), mtime: fc.constantFrom('1800000000.25', '-1') }), { nil: undefined });

test('a line is the JSON of its entry, whichever way it was written', () => {
  fc.assert(
    fc.property(MEMBER, fc.boolean(), fc.boolean(), AS_READ, (member, begins, torn, asRead) => {
      const line = catalogueLine(member, { begins, torn, asRead });
      const entry = JSON.parse(line) as CatalogueEntry;
      expect(`${JSON.stringify(entry)}\n`).toBe(line);
      const { type, mode, uid, gid, ctime, inode, links } = member;
      expect(entry).toMatchObject({
        type,
        mode,
        uid,
        gid,
        size: (asRead ?? member).size,
        mtime: (asRead ?? member).mtime,
        ...(ctime === '' ? {} : { ctime, inode, links }),
      });
      expect(ctime === '' && ('ctime' in entry || 'inode' in entry)).toBe(false);
      expect([entry.next ?? false, entry.torn ?? false]).toEqual([begins, torn]);
      expect(decodeRaw(entry, 'path')).toBe(member.path);
      expect(decodeRaw(entry, 'target')).toBe(member.target);
      expect(decodeRaw(entry, 'link')).toBe(member.link);
      // The same keys in the same order for every entry: equal entries are equal bytes.
      const order = [
        'path',
        'path64',
        'type',
        'mode',
        'uid',
        'gid',
        'size',
        'mtime',
        'ctime',
        'inode',
        'links',
        'target',
        'target64',
        'next',
        'link',
        'link64',
        'torn',
      ];
      expect(Object.keys(entry)).toEqual(order.filter((key) => key in entry));
    }),
    { numRuns: 2000 },
  );
});

test('segments come out of a spool as they went in, members and names', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'mcads-spool-'));
  const members = fc.array(MEMBER, { minLength: 1, maxLength: 5 }).map((all) => all.map((one) => ({ ...one, ctime: one.ctime || '1.5' })));
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(members, { maxLength: 6 }), async (segments) => {
        await using spool = new SegmentSpool(directory);
        for (const [index, some] of segments.entries()) spool.write(segmentOf(index, some));
        spool.end();
        for (let pass = 0; pass < 2; pass += 1) {
          const found = await Array.fromAsync(spool.read());
          expect(found.map((one) => one.members)).toEqual(segments);
          expect(found.map(({ paths }) => paths)).toEqual(segments.map((some) => some.map(({ path }) => path)));
          expect(found.map(({ index, lines, hasLinks }) => ({ index, lines, hasLinks }))).toEqual(
            segments.map((some, at) => ({
              index: at,
              lines: Buffer.from(catalogueLines(some), 'utf8'),
              hasLinks: some.some(({ link }) => link !== null),
            })),
          );
        }
      }),
      { numRuns: 50 },
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a spool keeps values and bytes of any length, and says so where it was cut', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'mcads-spool-'));
  try {
    await using spool = new Spool<{ readonly text: string }>(directory);
    const all = [0, 1, 7, 100_000, 262_136, 262_144, 700_000, 3, 0, 1_500_000, 12].map((length, at) => ({
      value: { text: 'ü\n"'.repeat(at === 5 ? 100_000 : at) },
      bytes: Buffer.alloc(length, at + 1),
    }));
    for (const { value, bytes } of all) spool.write(value, bytes);
    spool.end();
    expect(await Array.fromAsync(spool.read())).toEqual(all);
    expect(() => spool.write({ text: '' }, Buffer.alloc(300_000))).toThrow('after its end');
    const [file = ''] = readdirSync(directory);
    truncateSync(join(directory, file), 500_000);
    await expect(Array.fromAsync(spool.read())).rejects.toThrow('in the middle of a record');
    // In the middle of what says how long a record is.
    truncateSync(join(directory, file), 5);
    await expect(Array.fromAsync(spool.read())).rejects.toThrow('in the middle of a record');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

function segmentOf(index: number, members: readonly PlannedMember[]): GroupedSegment {
  return {
    index,
    first: members[0]?.path ?? '',
    last: members.at(-1)?.path ?? '',
    fingerprint: String(index),
    newest: 1.5,
    members,
    lines: Buffer.from(catalogueLines(members), 'utf8'),
    entries: members.length,
    hasLinks: members.some(({ link }) => link !== null),
    reuse: null,
  };
}
