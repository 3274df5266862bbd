import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { SampleHashes } from '../../src/pipeline/sample-hashes.ts';
import { encodeTarHeader } from '../../src/stream/tar-header.ts';
import { scanTar } from '../../src/stream/tar-scanner.ts';

const content = (name: string): Buffer => Buffer.from(`${name} `.repeat(300));

async function* tarOf(names: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const name of names) {
    const bytes = content(name);
    yield encodeTarHeader({ name: `./${name}`, type: '0', mode: 0o644, uid: 0, gid: 0, size: bytes.length, mtime: 1, linkName: '' });
    yield bytes;
    yield Buffer.alloc((512 - (bytes.length % 512)) % 512);
  }
  yield Buffer.alloc(1024);
}

async function sampled(names: readonly string[], entries: number): Promise<ReadonlyMap<string, string>> {
  const sample = new SampleHashes(entries);
  for await (const event of scanTar(tarOf(names))) sample.observe(event);
  return sample.finish();
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

it('hashes every file of a small tree, without the padding', async () => {
  const names = ['one', 'two', 'three'];
  expect([...(await sampled(names, 3))]).toEqual(names.map((name) => [name, sha256(content(name))]));
});

it('hashes a bounded part of a large one, the same each time', async () => {
  const names = Array.from({ length: 2000 }, (_, index) => `file-${index}`);
  const first = await sampled(names, names.length);
  expect(first.size).toBeGreaterThan(10);
  expect(first.size).toBeLessThanOrEqual(128);
  expect(await sampled(names.toReversed(), names.length)).toEqual(new Map([...first].toReversed()));
  for (const [name, hash] of first) expect(hash).toBe(sha256(content(name)));
});
