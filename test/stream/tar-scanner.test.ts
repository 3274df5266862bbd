import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareWalkOrder } from '../../src/domain/tree.ts';
import { excludeMatcher } from '../../src/stream/exclude-globs.ts';
import { SegmentCutter } from '../../src/stream/segmenter.ts';
import { pathOfMessage, toTreeScan } from '../../src/stream/stat-lines.ts';
import { encodeLinkMember, encodePax, parsePax } from '../../src/stream/tar-header.ts';
import { scanTar } from '../../src/stream/tar-scanner.ts';
import { scanScript, shellArguments, tarArguments } from '../../src/stream/tree-commands.ts';
import { createAwkwardTree } from '../support/awkward-tree.ts';

let base: string;
let tar: Buffer;

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'mcads-scan-'));
  const tree = join(base, 'tree');
  mkdirSync(tree);
  createAwkwardTree(tree);
  const names = execFileSync('find', ['.', '-print0'], { cwd: tree });
  tar = execFileSync('tar', [...tarArguments('-')], { cwd: tree, input: names, maxBuffer: 1e9 });
});

afterAll(() => rmSync(base, { recursive: true, force: true }));

async function* pieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** Names and total bytes of a stream, whatever it is cut into. */
async function outline(body: AsyncIterable<Uint8Array>): Promise<{ readonly names: readonly string[]; readonly bytes: number }> {
  const names: string[] = [];
  let bytes = 0;
  for await (const event of scanTar(body)) {
    if (event.kind === 'member') names.push(`${event.member.type} ${event.member.path} ${event.member.size}`);
    bytes += event.kind === 'member' ? event.member.header.length : event.bytes.length;
  }
  return { names, bytes };
}

describe('the tar scanner', () => {
  test('finds the same members however the stream is cut', async () => {
    const whole = await outline(pieces(tar, [tar.length]));
    expect(whole.names).toContain('f huge-sparse 9663676420');
    expect(whole.names).toContain('f new\nline 1');
    expect(whole.names.some((name) => name.startsWith('link '))).toBe(true);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 300, max: 100_000 }), { minLength: 1, maxLength: 8 }), async (sizes) => {
        expect(await outline(pieces(tar, sizes))).toEqual(whole);
      }),
      { numRuns: 20 },
    );
  });

  test('gives used up buffers back where it may, and finds the same bytes', async () => {
    const held: Buffer[] = [];
    async function* owned(size: number): AsyncGenerator<Buffer> {
      for await (const piece of pieces(tar, [size])) {
        const copy = Buffer.allocUnsafeSlow(piece.length);
        piece.copy(copy);
        held.push(copy);
        yield copy;
      }
    }
    const seen = createHash('sha256');
    for await (const event of scanTar(pieces(tar, [tar.length]))) seen.update(event.kind === 'member' ? event.member.header : event.bytes);
    const whole = seen.digest('hex');
    for (const size of [300, 511, 4096, 65_536]) {
      held.length = 0;
      const hash = createHash('sha256');
      for await (const event of scanTar(owned(size), { recycles: true }))
        hash.update(event.kind === 'member' ? event.member.header : event.bytes);
      expect(hash.digest('hex')).toBe(whole);
      expect(held.slice(0, -1).every((buffer) => buffer.length === 0)).toBe(true);
    }
  });

  test('leaves buffers alone that are part of larger ones', async () => {
    const before = Buffer.from(tar);
    for await (const event of scanTar(pieces(tar, [1000]), { recycles: true })) expect(event.kind).toBeDefined();
    expect(tar.equals(before)).toBe(true);
  });

  test('refuses every stream that was cut short', async () => {
    const end = tar.length - 512 * Math.floor(zeroBlocks(tar));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: end + 512 }), async (length) => {
        await expect(outline(pieces(tar.subarray(0, length), [65_536]))).rejects.toThrow('tar stream');
      }),
      { numRuns: 30 },
    );
  });

  test('refuses a header with one wrong byte', async () => {
    const broken = Buffer.from(tar);
    broken[3] = (broken[3] ?? 0) ^ 1;
    await expect(outline(pieces(broken, [65_536]))).rejects.toThrow('checksum');
  });

  test('reads back the links that it writes, whatever they are called', async () => {
    const name = fc.string({
      unit: fc.integer({ min: 1, max: 255 }).map((byte) => String.fromCharCode(byte)),
      minLength: 1,
      maxLength: 300,
    });
    const clean = name.map((text) => `n${text.replaceAll(/\/+/g, '_')}e`);
    await fc.assert(
      fc.asyncProperty(clean, clean, fc.integer({ min: 0, max: 4_000_000_000 }), async (path, target, uid) => {
        const member = encodeLinkMember({ path, mode: 0o640, uid, gid: 7, mtime: '12.5' }, target);
        const events = await Array.fromAsync(scanTar(pieces(Buffer.concat([member, Buffer.alloc(1024)]), [512])));
        expect(events).toMatchObject([{ kind: 'member', member: { path, target, type: 'link', uid, gid: 7, mtime: '12.5' } }]);
      }),
    );
  });

  test('pax records survive a round trip', () => {
    const key = fc.string({ minLength: 1 }).filter((text) => !text.includes('='));
    fc.assert(
      fc.property(fc.dictionary(key, fc.string({ maxLength: 200 })), (records) => {
        const latin1 = Object.entries(records).map(
          ([k, v]) => [Buffer.from(k).toString('latin1'), Buffer.from(v).toString('latin1')] as const,
        );
        expect([...parsePax(encodePax(latin1))]).toEqual(latin1);
      }),
    );
  });
});

function zeroBlocks(bytes: Buffer): number {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return (bytes.length - Math.ceil(end / 512) * 512) / 512;
}

describe('a scan', () => {
  test.each(['dash', 'bash'])('through %s comes in walk order, with every name and target whole', async (shell) => {
    const script = scanScript({ singleFile: null, temporaryDirectory: base });
    const [, ...args] = shellArguments(script);
    const stdout = execFileSync(shell, args, { cwd: join(base, 'tree'), maxBuffer: 1e9 });
    const scan = toTreeScan(pieces(stdout, [100, 1, 7]), Promise.resolve({ status: 0, stderr: '' }), 'scan');
    const entries = await Array.fromAsync(scan.entries);
    expect((await scan.done).problems).toEqual([]);
    const paths = entries.map(({ path }) => path);
    expect(paths).toEqual(paths.toSorted(compareWalkOrder));
    expect(paths).toContain('\x01x');
    expect(entries.find(({ path }) => path === 'dangling-link')?.target).toBe('nowhere/at//all');
    const count = execFileSync('find', ['.', '-printf', 'x'], { cwd: join(base, 'tree') }).length;
    expect(entries).toHaveLength(count);
  });

  test('that was cut short is never taken for whole', async () => {
    const line = Buffer.from('.////d 755 0 0 1 1.0 1.0 1 2 2\0');
    const scan = toTreeScan(pieces(line, [9]), Promise.resolve({ status: 0, stderr: '' }), 'scan');
    expect(await Array.fromAsync(scan.entries)).toHaveLength(1);
    await expect(scan.done).rejects.toMatchObject({ code: 'component-failed' });
  });

  test('names the path in messages of tar and find', () => {
    expect(pathOfMessage('tar: ./a\\nb\\\\c\\303\\274: Cannot open: Permission denied')).toBe('a\nb\\cÃ¼');
    expect(pathOfMessage("find: './x y': Permission denied")).toBe('x y');
    expect(pathOfMessage('tar: Exiting with failure status due to previous errors')).toBeNull();
  });
});

describe('segment cuts', () => {
  test('stay where they are when other files come and go', () => {
    const cutsOf = (paths: readonly string[]): readonly string[] => {
      const cutter = new SegmentCutter();
      return paths.filter((path) => cutter.endsAfter(path, 20_000));
    };
    const names = Array.from({ length: 2000 }, (_, i) => `dir/${i}.bin`);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1999 }), (gone) => {
        const before = cutsOf(names);
        const after = new Set(cutsOf(names.filter((_, i) => i !== gone)));
        const moved = before.filter((path) => path !== names[gone] && !after.has(path));
        expect(moved).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });
});

test.each([
  ['cache', 'cache', true],
  ['cache/', 'cache', true],
  ['cache', 'keep/cache', false],
  ['**/cache', 'keep/cache', true],
  ['**/cache', 'cache', true],
  ['*.tmp', 'a.tmp', true],
  ['*.tmp', 'd/a.tmp', false],
  ['logs/**', 'logs', false],
  ['logs/**', 'logs/a/b', true],
  ['a?c', 'a/c', false],
  ['[ab].txt', 'b.txt', true],
  ['[!ab].txt', 'b.txt', false],
  ['a+(b).txt', 'a+(b).txt', true],
  ['\\*', '*', true],
  ['\\*', 'x', false],
  ['ü*', Buffer.from('ümläut').toString('latin1'), true],
])('exclude %s against %s: %s', (glob, path, matches) => {
  expect(excludeMatcher([glob])(path)).toBe(matches);
});
