import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { TreeSource } from '../../src/domain/tree.ts';
import { createAwkwardTree, fingerprintTree } from '../support/awkward-tree.ts';
import { TreeFixture } from '../support/tree-capture.ts';

let fixture: TreeFixture;
beforeEach(() => {
  fixture = new TreeFixture();
});
afterEach(async () => fixture[Symbol.asyncDispose]());

const ARCHIVE = { scans: false, transport: 'archive' as const };

/** A source whose tar is this one. */
async function reading(tar: Buffer): Promise<TreeSource> {
  async function* body(): AsyncGenerator<Uint8Array> {
    yield tar;
  }
  return fixture.source({ ...ARCHIVE, readAll: () => ({ body: body(), done: Promise.resolve({ messages: [] }) }) });
}

function extractHere(tar: Buffer): string {
  const target = join(fixture.base, 'out');
  mkdirSync(target);
  execFileSync('tar', ['-x', '-p', '--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner', '--delay-directory-restore'], {
    cwd: target,
    input: tar,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  return target;
}

test('own folders are dropped by their paths, which are no globs, with everything below', async () => {
  fixture.write({ 'app/x': 'x', '[backups]*/chunks/aa': 'c', '[backups]*/RECOVERY.md': 'r', 'backups/mine': 'm', 'b/other': 'o' });
  for (const over of [ARCHIVE, {}]) {
    const result = await fixture.capture(await fixture.source(over), { neverCapturePaths: ['[backups]*', 'b/none'] });
    expect(await fixture.paths(result)).toEqual(['', 'app', 'app/x', 'b', 'b/other', 'backups', 'backups/mine']);
    expect(result.findings).toMatchObject([{ severity: 'info', code: 'own-folder', subject: '[backups]*' }]);
  }
});

test('a second name of a file that is left out is named as lost, and nothing dangles', async () => {
  fixture.write({ 'a-cache/x': 'content' });
  mkdirSync(join(fixture.tree, 'keep'));
  execFileSync('ln', ['a-cache/x', 'keep/x'], { cwd: fixture.tree });
  // GNU tar names the link itself; a tree without scan gets no help from us.
  const tar = execFileSync('tar', ['--sort=name', '-cf', '-', '.'], { cwd: fixture.tree });
  const result = await fixture.capture(await reading(tar), { exclude: ['a-cache/**'] });
  expect(await fixture.paths(result)).toEqual(['', 'a-cache', 'keep']);
  expect(result.findings.filter(({ severity }) => severity === 'error')).toMatchObject([{ code: 'hard-link-lost', subject: 'keep/x' }]);
  extractHere(await fixture.tar(result));
});

test('names without ./ are stored with it, so that every tar looks alike and plain tar extracts it here', async () => {
  createAwkwardTree(fixture.tree);
  rmSync(join(fixture.tree, 'huge-sparse'));
  const before = fingerprintTree(fixture.tree);
  const strip = ['--transform=s,^\\./,,', '--format=posix', '--sparse', '--xattrs', '--acls', '--sort=name'];
  const tar = execFileSync('tar', [...strip, '-cf', '-', '.'], { cwd: fixture.tree, maxBuffer: 1e9 });
  expect(execFileSync('tar', ['-t'], { input: tar, encoding: 'utf8', maxBuffer: 1e9 })).toContain('\nlarge.bin\n');
  const stored = await fixture.tar(await fixture.capture(await reading(tar)));
  const names = execFileSync('tar', ['-tv', '--quoting-style=escape'], { input: stored, encoding: 'utf8' }).trim().split('\n');
  for (const name of names) expect(name).toMatch(/ \.\/(?!.* link to (?!\.\/))/);
  expect(fingerprintTree(extractHere(stored))).toEqual(before);
});

test.each(['../outside', '/etc/passwd', 'a/../../b'])('an archive with a member named %s is refused', async (name) => {
  fixture.write({ x: 'x' });
  const tar = execFileSync('tar', ['-P', `--transform=s,^x$,${name},`, '-cf', '-', 'x'], { cwd: fixture.tree });
  await expect(fixture.capture(await reading(tar))).rejects.toMatchObject({ code: 'component-failed' });
});

test('an archive that ends early, as the engine sends when a file shrinks, is no capture', async () => {
  fixture.write({ a: 'a'.repeat(5000), b: 'b' });
  const tar = execFileSync('tar', ['-cf', '-', '.'], { cwd: fixture.tree });
  for (const end of [tar.length - 10_240, 3000])
    await expect(fixture.capture(await reading(tar.subarray(0, end)))).rejects.toMatchObject({ code: 'component-failed' });
});

test('a single file is a tree of one member', async () => {
  writeFileSync(join(fixture.tree, 'only'), 'x');
  const tar = execFileSync('tar', ['-cf', '-', './only'], { cwd: fixture.tree });
  const result = await fixture.capture(await reading(tar));
  expect(await fixture.paths(result)).toEqual(['only']);
  expect(statSync(join(extractHere(await fixture.tar(result)), 'only')).size).toBe(1);
});
