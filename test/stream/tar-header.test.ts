import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BLOCK,
  checkTarHeader,
  encodeTarHeader,
  isZeroBlock,
  parsePax,
  parseTarHeader,
  TarFormatError,
} from '../../src/stream/tar-header.ts';

describe('a header block', () => {
  test('is taken where its checksum is the sum of its bytes, spaces in place of the checksum, wherever it begins', () => {
    const block = fc.uint8Array({ minLength: BLOCK, maxLength: BLOCK });
    fc.assert(
      fc.property(fc.oneof(block, fc.constant(new Uint8Array(BLOCK).fill(0xff))), fc.nat({ max: 40 }), (bytes, at) => {
        const piece = Buffer.alloc(at + BLOCK + 7, 0x41);
        piece.set(bytes, at);
        piece.write('        ', at + 148, 'latin1');
        let sum = 0;
        for (let i = at; i < at + BLOCK; i += 1) sum += piece[i] ?? 0;
        piece.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
        piece[at + 156] = 0x35;
        sum += 0x35 - (bytes[156] ?? 0);
        piece.write(sum.toString(8).padStart(6, '0'), at + 148, 'latin1');
        expect(checkTarHeader(piece, at)).toBe('5');
        piece.write((sum + 1).toString(8).padStart(6, '0'), at + 148, 'latin1');
        expect(() => checkTarHeader(piece, at)).toThrow(TarFormatError);
      }),
    );
  });

  test('any changed byte is noticed', () => {
    const block = encodeTarHeader({ name: './a', type: '0', mode: 0o644, uid: 1, gid: 2, size: 3, mtime: 4, linkName: '' });
    for (let i = 0; i < BLOCK; i += 1) {
      const changed = Buffer.from(block);
      changed[i] = (changed[i] ?? 0) ^ 1;
      // The last two bytes of the checksum's field end its number: they may be anything that ends one.
      if (i !== 154 && i !== 155) expect(() => checkTarHeader(changed, 0), `byte ${i}`).toThrow(TarFormatError);
    }
  });

  test('names of 100 bytes have no end, and zero blocks are all zeros', () => {
    const name = 'n'.repeat(100);
    const block = encodeTarHeader({ name, type: '2', mode: 0o777, uid: 0, gid: 0, size: 0, mtime: 0, linkName: name });
    expect(parseTarHeader(block, 0, '2')).toMatchObject({ name, linkName: name, type: '2', mode: 0o777 });
    const zeros = Buffer.alloc(3 * BLOCK);
    expect(isZeroBlock(zeros, 100)).toBe(true);
    zeros[100 + BLOCK - 1] = 1;
    expect(isZeroBlock(zeros, 100)).toBe(false);
    expect(isZeroBlock(zeros, 100 + BLOCK)).toBe(true);
  });
});

test.each([
  ['no length', 'mtime=1\n'],
  ['a length that is no number', 'x mtime=1\n'],
  ['a length that is too short', '3 mtime=1\n'],
  ['a length that is too long', '99 mtime=1\n'],
  ['no end of line', '11 mtime=1 '],
  ['no key', '5 =1\n'],
  ['no equals sign', '6 key\n'],
  ['an equals sign only in the next record', '6 key\n11 mtime=1\n'],
])('a pax header with %s is refused', (_, text) => {
  expect(() => parsePax(Buffer.from(text, 'latin1'))).toThrow(TarFormatError);
});

test('a pax value may hold line ends, equals signs and every byte', () => {
  const value = `a=b\n7 x=y\n${String.fromCharCode(0xff, 0)}`;
  const record = ` path=${value}\n`;
  const bytes = Buffer.from(`${record.length + 2}${record}`, 'latin1');
  expect([...parsePax(bytes)]).toEqual([['path', value]]);
});
