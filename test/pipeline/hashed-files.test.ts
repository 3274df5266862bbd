import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HashedFiles } from '../../src/pipeline/hashed-files.ts';
import { scanTar } from '../../src/stream/tar-scanner.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

test('every file of an archive has the hash of its content, holes and odd sizes included', async () => {
  await using folder = await temporaryFolder('mcads-hashes-');
  const names = ['empty', 'small', 'block', 'hole', 'holes'];
  for (const [index, size] of [0, 5, 1024].entries()) writeFileSync(join(folder.path, names[index] ?? ''), Buffer.alloc(size, 'x'));
  writeFileSync(join(folder.path, 'hole'), '');
  truncateSync(join(folder.path, 'hole'), 3_000_000);
  const parts =
    'printf a | dd of=holes bs=1 seek=100000 conv=notrunc; printf b | dd of=holes bs=1 seek=900001 conv=notrunc; truncate -s 1000003 holes';
  execFileSync('sh', ['-c', parts], { cwd: folder.path, stdio: 'ignore' });
  const tar = execFileSync('tar', ['-C', folder.path, '--format=posix', '--sparse', '-cf', '-', ...names], { maxBuffer: 1e8 });
  for (const size of [tar.length, 512, 700]) {
    const files = new HashedFiles();
    const found = new Map<string, string>();
    const note = (file: readonly [string, string] | null): void => void (file === null || found.set(...file));
    for await (const event of scanTar(pieces(tar, size))) note(files.observe(event));
    note(files.finish());
    const wanted = names.map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(folder.path, name)))
        .digest('hex'),
    ]);
    expect([...found]).toEqual(wanted);
  }
});

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
