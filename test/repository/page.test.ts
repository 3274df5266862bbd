import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Segment } from '../../src/domain/tree.ts';
import { eachChunkId } from '../../src/repository/page-ids.ts';
import { endsPage, parsePage, toPageLine } from '../../src/repository/page.ts';
import { sha256Hex } from '../../src/stream/digest.ts';

const anyId = fc.nat().map((n) => sha256Hex(Buffer.from(String(n))));
const anyChunks = fc.array(fc.tuple(anyId, fc.nat(4_194_304)), { maxLength: 5 });
const rawPath = fc.uint8Array({ minLength: 0, maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const seconds = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e10, max: 1e11 }).map((value) => value + 0); // -0 is 0 in JSON
const anySeen = fc.record({ records: fc.nat(), hash: anyId, newest: seconds, newestChange: seconds });
const anySegment: fc.Arbitrary<Segment> = fc
  .record({ fingerprint: fc.option(anyId), chunks: anyChunks, first: fc.option(rawPath), seen: fc.option(anySeen) })
  .map(({ fingerprint, chunks, first, seen }) => ({
    fingerprint,
    chunks,
    bytes: chunks.reduce((sum, [, length]) => sum + length, 0),
    ...(first === null ? {} : { first }),
    ...(seen === null ? {} : { seen }),
  }));

function toPages(segments: readonly Segment[]): readonly string[] {
  const pages: string[] = [];
  let lines = '';
  let count = 0;
  let chunks = 0;
  for (const segment of segments) {
    lines += toPageLine(segment);
    count += 1;
    chunks += segment.chunks.length;
    if (!endsPage(segment, count, chunks)) continue;
    pages.push(lines);
    [lines, count, chunks] = ['', 0, 0];
  }
  return lines === '' ? pages : [...pages, lines];
}

function segmentAt(n: number): Segment {
  return { fingerprint: null, bytes: 1, chunks: [[sha256Hex(Buffer.from(String(n))), 1]], first: `files/${n}` };
}

describe('a page', () => {
  test('gives back the segments that were written, paths of any bytes included', () => {
    fc.assert(
      fc.property(fc.array(anySegment, { maxLength: 20 }), (segments) => {
        expect([...parsePage(Buffer.from(segments.map(toPageLine).join('')), 'id')]).toEqual(segments);
      }),
    );
  });

  test('shows paths that are UTF-8 as text', () => {
    const line = toPageLine({ fingerprint: 'f', bytes: 0, chunks: [], first: Buffer.from('dé').toString('latin1') });
    expect(line).toBe('{"fingerprint":"f","bytes":0,"chunks":[],"first":"dé"}\n');
    expect(toPageLine({ fingerprint: null, bytes: 0, chunks: [], first: '\xff' })).toBe(
      '{"fingerprint":null,"bytes":0,"chunks":[],"first64":"/w=="}\n',
    );
  });

  test.each(['null', '[]', '{}', '{"records":1,"hash":"a","newest":1}', '{"records":0.5,"hash":"a","newest":1,"newestChange":1}', '"x"'])(
    'with %s for what a scan told is a page without it',
    (seen) => {
      const line = `{"fingerprint":null,"bytes":0,"chunks":[],"first":"a","seen":${seen}}`;
      expect([...parsePage(Buffer.from(line), 'id')]).toEqual([{ fingerprint: null, bytes: 0, chunks: [], first: 'a' }]);
    },
  );

  test('that is cut short or says something else is damaged, never half used', () => {
    const id = 'a'.repeat(64);
    for (const wrong of [
      '{"fingerprint":null,',
      '[]',
      '{"fingerprint":1,"bytes":0,"chunks":[]}',
      '{"fingerprint":null,"bytes":0,"chunks":[["../x",0]]}',
      `{"fingerprint":null,"bytes":2,"chunks":[["${id}",1]]}`,
    ]) {
      expect(() => [...parsePage(Buffer.from(wrong), 'the-page')]).toThrow(/page the-page cannot be understood/);
    }
  });

  test('holds about two thousand segments, and an inserted or removed one changes no other page', () => {
    const segments = Array.from({ length: 10_000 }, (_, n) => segmentAt(n));
    const pages = toPages(segments);
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.length).toBeLessThan(16);
    fc.assert(
      fc.property(fc.nat(9999), fc.boolean(), (at, isInsertion) => {
        const edited = isInsertion ? segments.toSpliced(at, 0, segmentAt(1_000_000 + at)) : segments.toSpliced(at, 1);
        const fresh = toPages(edited).filter((page) => !pages.includes(page));
        expect(fresh.length).toBeLessThanOrEqual(2);
      }),
      { numRuns: 5 },
    );
  });

  test('never grows beyond what memory allows, whatever the paths', () => {
    const unlucky = Array.from({ length: 3000 }, (_, n) => segmentAt(n)).find((segment) => !endsPage(segment, 1, 1));
    if (unlucky === undefined) throw new Error('every segment ends a page');
    expect(endsPage(unlucky, 10_000, 10_000)).toBe(true);
    expect(endsPage(unlucky, 2, 60_000)).toBe(true);
  });
});

describe('ids alone', () => {
  const idsOf = (page: Buffer): readonly string[] => {
    const found: string[] = [];
    eachChunkId(page, 'p', (digits, at) => found.push(digits.toString('latin1', at, at + 64)));
    return found;
  };
  const parsed = (page: Buffer): readonly string[] => [...parsePage(page, 'p')].flatMap(({ chunks }) => chunks.map(([id]) => id));
  const outcome = (look: () => readonly string[]): readonly string[] | 'refused' => {
    try {
      return look();
    } catch {
      return 'refused';
    }
  };

  test('are those of the segments', () => {
    fc.assert(
      fc.property(fc.array(anySegment, { maxLength: 8 }), (segments) => {
        const page = Buffer.from(segments.map(toPageLine).join(''));
        expect(idsOf(page)).toEqual(segments.flatMap(({ chunks }) => chunks.map(([id]) => id)));
      }),
    );
  });

  test('of a page that was changed anywhere they are what parsing finds, or both refuse', () => {
    const pieces = fc.constantFrom(
      ' ',
      '"',
      '\\',
      '0',
      '00',
      ',',
      ']',
      '[',
      '}',
      '\n',
      '9',
      '-1',
      '1.5',
      'e3',
      '"chunks":[],',
      ',"chunks":[]',
      'A',
    );
    fc.assert(
      fc.property(fc.array(anySegment, { minLength: 1, maxLength: 3 }), fc.nat(), fc.nat(3), pieces, (segments, place, cut, piece) => {
        const whole = segments.map(toPageLine).join('');
        const at = place % whole.length;
        const page = Buffer.from(whole.slice(0, at) + piece + whole.slice(at + cut));
        // What is no segment to the parser may be one here only where it is not about chunks: the page's name is the hash of its bytes, so nobody changes them.
        const wanted = outcome(() => parsed(page));
        if (wanted !== 'refused') expect(outcome(() => idsOf(page))).toEqual(wanted);
      }),
      { numRuns: 3000 },
    );
  });

  test('a second list, open or behind an escape, is the one that counts', () => {
    const [one, two] = ['1', '2'].map((text) => sha256Hex(Buffer.from(text)));
    for (const name of ['"chunks"', String.raw`"chunk\u0073"`]) {
      const page = Buffer.from(`{"fingerprint":null,"bytes":7,"chunks":[["${one}",7]],${name}:[["${two}",7]]}\n`);
      expect(idsOf(page)).toEqual([two]);
      expect(parsed(page)).toEqual([two]);
    }
  });
});
