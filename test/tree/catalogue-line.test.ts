import fc from 'fast-check';
import { expect, test } from 'vitest';
import { catalogueLine, catalogueLines, namesIn } from '../../src/pipeline/tree-catalogue.ts';
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
  device: fc.constant('1'),
  inode: fc.constantFrom('7', '18446744073709551615'),
  links: fc.integer({ min: 1, max: 9 }),
  target: fc.oneof(fc.constant(null), RAW),
  link: fc.oneof(fc.constant(null), RAW),
});

test('a line is the JSON of its entry, whichever way it was written', () => {
  fc.assert(
    fc.property(MEMBER, fc.boolean(), fc.boolean(), fc.oneof(fc.constant(undefined), fc.nat()), (member, begins, torn, size) => {
      const line = catalogueLine(member, { begins, torn, size });
      const entry = JSON.parse(line) as CatalogueEntry;
      expect(`${JSON.stringify(entry)}\n`).toBe(line);
      const { type, mode, uid, gid, mtime, ctime, inode, links } = member;
      expect(entry).toMatchObject({
        type,
        mode,
        uid,
        gid,
        size: size ?? member.size,
        mtime,
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

test('lines name what they were made of', () => {
  fc.assert(
    fc.property(fc.array(MEMBER, { minLength: 1, maxLength: 5 }), (members) => {
      expect(namesIn(catalogueLines(members))).toEqual(members.map(({ path, link }) => ({ path, link })));
    }),
  );
});
