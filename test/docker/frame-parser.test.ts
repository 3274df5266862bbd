import fc from 'fast-check';
import { expect, test } from 'vitest';
import { McadsError } from '../../src/errors.ts';
import { FrameParser } from '../../src/docker/frame-parser.ts';

interface Written {
  readonly type: number;
  readonly data: Uint8Array;
}

function frame({ type, data }: Written): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(type, 0);
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
}

function pieces(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (stream.length + 1)))].sort((a, b) => a - b);
  return [...at, stream.length].map((end, index) => stream.subarray(index === 0 ? 0 : at[index - 1], end));
}

function parse(parser: FrameParser, chunks: readonly Buffer[]): { readonly out: Buffer; readonly err: Buffer } {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  for (const chunk of chunks) for (const { type, data } of parser.push(chunk)) (type === 2 ? err : out).push(data);
  return { out: Buffer.concat(out), err: Buffer.concat(err) };
}

const written = fc.record({ type: fc.constantFrom(0, 1, 2), data: fc.uint8Array({ maxLength: 300 }) });
const cuts = fc.array(fc.nat({ max: 20_000 }), { maxLength: 40 });

test('both streams come out whole, however the bytes were cut', () => {
  fc.assert(
    fc.property(fc.array(written, { maxLength: 30 }), cuts, (frames, where) => {
      const parser = new FrameParser();
      const { out, err } = parse(parser, pieces(Buffer.concat(frames.map(frame)), where));
      parser.end();
      expect(out).toEqual(Buffer.concat(frames.filter(({ type }) => type !== 2).map(({ data }) => data)));
      expect(err).toEqual(Buffer.concat(frames.filter(({ type }) => type === 2).map(({ data }) => data)));
      expect(parser.plainText).toBeNull();
    }),
  );
});

test('a stream that ends inside a frame is never taken for whole', () => {
  fc.assert(
    fc.property(fc.array(written, { maxLength: 5 }), written, fc.nat(), cuts, (frames, last, cut, where) => {
      const unfinished = frame(last);
      const stream = Buffer.concat([...frames.map(frame), unfinished.subarray(0, 1 + (cut % (unfinished.length - 1)))]);
      const parser = new FrameParser();
      parse(parser, pieces(stream, where));
      expect(() => parser.end()).toThrow(McadsError);
    }),
  );
});

test('a header that is none, after a good frame, is an error and never data', () => {
  fc.assert(
    fc.property(written, fc.uint8Array({ minLength: 8, maxLength: 40 }), cuts, (first, garbage, where) => {
      fc.pre((garbage[0] ?? 0) > 2 || (garbage[1] ?? 0) > 0 || (garbage[2] ?? 0) > 0 || (garbage[3] ?? 0) > 0);
      const parser = new FrameParser();
      expect(() => parse(parser, pieces(Buffer.concat([frame(first), garbage]), where))).toThrow(/not framed/);
    }),
  );
});

test('plain text instead of frames is kept as text, however it was cut', () => {
  const text = 'OCI runtime exec failed: exec: "nothing": executable file not found in $PATH';
  fc.assert(
    fc.property(cuts, (where) => {
      const parser = new FrameParser();
      const { out, err } = parse(parser, pieces(Buffer.from(`${text}\r\n`), where));
      parser.end();
      expect([out.length, err.length, parser.plainText]).toEqual([0, 0, text]);
    }),
  );
});

test('many thousand tiny frames in one piece do not overflow the stack', () => {
  const count = 50_000;
  const stream = Buffer.concat(Array.from({ length: count }, () => frame({ type: 1, data: Buffer.from('x') })));
  expect(parse(new FrameParser(), [stream]).out.length).toBe(count);
});
