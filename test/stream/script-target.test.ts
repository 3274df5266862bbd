import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { localScripts } from '../../src/host/local-script.ts';
import { ScriptTarget } from '../../src/stream/script-target.ts';
import { encodeTarHeader, TRAILER } from '../../src/stream/tar-header.ts';

const NEVER = new AbortController().signal;
const RUN = '0123456789ab';
/** More than is staged before the disk is asked to take it. */
const SIZE = 320 * 1024 * 1024;
const PIECE = 1024 * 1024;

let base: string;
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'mcads-flush-'));
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** This machine's programs, but for `sync -f`: it runs this script. */
function targetWith(sync: string): ScriptTarget {
  writeFileSync(join(base, 'sync'), `#!/bin/sh\n[ "$1" = -f ] || exit 0\n${sync}\n`);
  chmodSync(join(base, 'sync'), 0o755);
  const real = localScripts();
  const runner: typeof real = {
    run: async (argv, input, signal) => real.run(['env', `PATH=${base}:${process.env['PATH'] ?? ''}`, ...argv], input, signal),
    [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
  };
  const root = mkdtempSync(join(base, 'root-'));
  const place = { mount: { type: 'bind' as const, hostPath: root }, singleFile: null };
  return new ScriptTarget(runner, { place, transport: 'local', root, name: root });
}

async function* tar(failure: Error | null = null): AsyncGenerator<Uint8Array> {
  yield encodeTarHeader({ name: './large', type: '0', mode: 0o644, uid: 0, gid: 0, mtime: 1, linkName: '', size: SIZE });
  for (let at = 0; at < SIZE; at += PIECE) yield new Uint8Array(PIECE);
  if (failure !== null) throw failure;
  yield Buffer.from(TRAILER);
}

test('a disk that does not take what is staged is told, though it would say so only once', async () => {
  const once = join(base, 'once');
  await using target = targetWith(`[ -e '${once}' ] || { : > '${once}'; echo "sync: error syncing '.': Input/output error" >&2; exit 1; }`);
  await expect(target.stage(RUN, tar(), NEVER)).rejects.toMatchObject({
    code: 'component-failed',
    message: expect.stringContaining('Input/output error') as string,
  });
});

test('a source that fails is told after the flush has ended that runs then', async () => {
  const [begun, ended] = [join(base, 'begun'), join(base, 'ended')];
  await using target = targetWith(`: > '${begun}'; dd if=/dev/zero of=/dev/null bs=1M count=4000 2>/dev/null; : > '${ended}'`);
  await expect(target.stage(RUN, tar(new Error('a chunk is damaged')), NEVER)).rejects.toThrow('a chunk is damaged');
  expect(existsSync(begun)).toBe(true);
  expect(existsSync(ended)).toBe(true);
});
