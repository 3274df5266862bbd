import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openNodeTree } from '../../src/host/node-tree.ts';
import { scanTar } from '../../src/stream/tar-scanner.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mcads-node-tree-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('times before 1970, after 2038 and with fractions come out as they are', async () => {
  for (const [name, seconds] of [
    ['before', -2],
    ['epoch', 0],
    ['exact', 1_700_000_000.25],
    ['late', 7_000_000_000],
  ] as const) {
    writeFileSync(join(folder, name), '');
    // Node would take a time before 1970 for now.
    execFileSync('touch', ['-d', `@${seconds}`, join(folder, name)]);
  }
  await using tree = await openNodeTree(folder);
  const { body, done } = tree.readAll(new AbortController().signal);
  const times: string[] = [];
  for await (const event of scanTar(body))
    if (event.kind === 'member' && event.member.path !== '') times.push(`${event.member.path} ${event.member.mtime}`);
  expect(times).toEqual(['before -2', 'epoch 0.000000000', 'exact 1700000000.250000000', 'late 7000000000.000000000']);
  expect(await done).toEqual({ messages: [] });
});

test('a link whose target is not UTF-8 is left out and told', async () => {
  symlinkSync(Buffer.from([0xff, 0xfe]), join(folder, 'odd'));
  symlinkSync('plain', join(folder, 'even'));
  await using tree = await openNodeTree(folder);
  const found: string[] = [];
  for await (const { path } of tree.scan(new AbortController().signal).entries) found.push(path);
  expect(found).toEqual(['', 'even']);
  expect(tree.findings).toContainEqual(
    expect.objectContaining({ severity: 'error', code: 'not-stored', message: expect.stringContaining('"odd"') }),
  );
});

test('what cannot be stored is told only where it is wanted', async () => {
  for (const place of ['node_modules', 'media/deep', 'kept']) {
    mkdirSync(join(folder, place), { recursive: true });
    execFileSync('mkfifo', [join(folder, place, 'fifo')]);
  }
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/media/`), Buffer.from([0xff])]), '');
  await using tree = await openNodeTree(folder, [], ['**/node_modules', 'media']);
  for await (const entry of tree.scan(new AbortController().signal).entries) void entry;
  expect(tree.findings).toContainEqual(
    expect.objectContaining({ code: 'not-stored', message: expect.stringMatching(/^1 FIFOs.*"kept\/fifo"$/) as string }),
  );
  await using other = await openNodeTree(folder, [], ['**/node_modules', 'media', '**/fifo']);
  for await (const entry of other.scan(new AbortController().signal).entries) void entry;
  expect(other.findings.map(({ code }) => code)).toEqual(['no-gnu-tar']);
});

test('whoever stops reading has a verdict', async () => {
  writeFileSync(join(folder, 'large'), Buffer.alloc(4 * 1024 * 1024));
  await using tree = await openNodeTree(folder);
  const { body, done } = tree.readAll(new AbortController().signal);
  for await (const piece of body) if (piece.length > 0) break;
  await expect(done).rejects.toThrow('was not read to its end');
});
