import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Finding } from '../../src/domain/finding.ts';
import type { TreeSource } from '../../src/domain/tree.ts';
import { asUser } from '../support/as-user.ts';
import { TreeFixture } from '../support/tree-capture.ts';

let fixture: TreeFixture;
/** What tar said in all attempts. */
let said: string;
beforeEach(() => {
  said = '';
  fixture = new TreeFixture();
});
afterEach(async () => fixture[Symbol.asyncDispose]());

const brief = (findings: readonly Finding[]) => findings.map(({ severity, code, subject }) => `${severity} ${code} ${subject}`);

describe('files that the reading user may not read', () => {
  const NOBODY = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  const program = join(import.meta.dirname, '../support/scan-unreadable.ts');

  /** Root may read everything: the capture runs as somebody else. */
  function captureAsNobody(): {
    readonly findings: readonly Finding[];
    readonly paths: readonly string[];
    readonly torn: readonly string[];
  } {
    chmodSync(fixture.base, 0o755);
    const argv = [process.execPath, program, fixture.tree];
    const [command = '', ...args] = process.getuid?.() === 0 ? asUser(NOBODY, argv) : argv;
    const run = spawnSync(command, args, { encoding: 'utf8' });
    expect(run.status, run.stderr).toBe(0);
    return JSON.parse(run.stdout) as ReturnType<typeof captureAsNobody>; // what the program prints
  }

  test('are errors one by one, and everything else is stored', () => {
    fixture.write({ 'a/open': 'o', 'a/secret': 's', 'closed/in': 'i', 'listed-only/in': 'i', 'big-secret': 'b'.repeat(300_000), z: 'z' });
    for (const name of ['a/secret', 'big-secret', 'closed']) chmodSync(join(fixture.tree, name), 0o000);
    chmodSync(join(fixture.tree, 'listed-only'), 0o444);
    const { findings, paths, torn } = captureAsNobody();
    for (const name of ['closed', 'listed-only']) chmodSync(join(fixture.tree, name), 0o755);
    expect(brief(findings).toSorted()).toEqual([
      'error unreadable a/secret',
      'error unreadable big-secret',
      'error unreadable closed',
      'error unreadable listed-only/in',
    ]);
    for (const { hint } of findings) expect(hint).toContain('give the reading user access');
    expect(torn).toEqual([]);
    expect(paths).toEqual(['', 'a', 'a/open', 'listed-only', 'z']);
  });
});

/**
 * A source whose tar waits with the file open: its output goes through a pipe that takes far less than the file, so `act` comes after it
 * began to read and before it can end.
 */
async function heldOpen(file: string, act: (attempt: number) => void): Promise<TreeSource> {
  let attempt = 0;
  return fixture.source((real) => ({
    read: (names, signal) => {
      const { body, done } = real.read(names, signal);
      attempt += 1;
      const mine = attempt;
      async function* paced(): AsyncGenerator<Uint8Array> {
        let acted = false;
        for await (const bytes of body) {
          if (!acted && Buffer.from(bytes).includes(file)) {
            acted = true;
            act(mine);
          }
          yield bytes;
        }
      }
      const heard = done.then((verdict) => {
        said += verdict.messages.join('\n');
        return verdict;
      });
      heard.catch(() => undefined); // awaited by the capture
      return { body: paced(), done: heard };
    },
  }));
}

const BYTES = 16 * 1024 * 1024;
const inTree = (script: string): Buffer => execFileSync('sh', ['-euc', script], { cwd: fixture.tree, stdio: ['ignore', 'pipe', 'pipe'] });

async function extractedFile(tar: Buffer, name: string): Promise<Buffer> {
  const target = join(fixture.base, 'out');
  mkdirSync(target);
  execFileSync('tar', ['-x', '-p'], { cwd: target, input: tar });
  return readFileSync(join(target, name));
}

describe('a file that another process writes while tar holds it open', () => {
  test('and cuts short once, which tar fills up with zeros, is read again and whole', async () => {
    fixture.write({ 'state.bin': 'a'.repeat(BYTES) });
    const source = await heldOpen('state.bin', (attempt) => attempt === 1 && inTree('truncate -s 100000 state.bin'));
    const result = await fixture.capture(source);
    expect(said).toContain('state.bin: File shrank by');
    expect(result).toMatchObject({ torn: [], findings: [] });
    expect((await extractedFile(await fixture.tar(result), 'state.bin')).equals(Buffer.alloc(100_000, 'a'))).toBe(true);
  });

  test('and cuts short every time is named as torn and never called clean', async () => {
    fixture.write({ 'state.bin': 'a'.repeat(BYTES), still: 's' });
    const source = await heldOpen('state.bin', (attempt) => inTree(`truncate -s ${8_000_000 - attempt * 1_000_000} state.bin`));
    const result = await fixture.capture(source);
    expect(said.match(/File shrank by/g)).toHaveLength(3);
    expect(result.torn).toEqual(['state.bin']);
    expect(brief(result.findings)).toEqual(['warning torn state.bin']);
    execFileSync('tar', ['-t'], { input: await fixture.tar(result) });
  });

  test('and only appends to keeps what it held, with an info', async () => {
    fixture.write({ 'app.log': 'line\n'.repeat(BYTES / 5) });
    const before = statSync(join(fixture.tree, 'app.log')).size;
    const result = await fixture.capture(await heldOpen('app.log', () => inTree('echo more >> app.log')));
    expect(said).toContain('file changed as we read it');
    expect(result.torn).toEqual([]);
    expect(brief(result.findings)).toEqual(['info appended app.log']);
    const content = await extractedFile(await fixture.tar(result), 'app.log');
    expect(content.length).toBeGreaterThanOrEqual(before);
    expect(content.subarray(0, before).equals(readFileSync(join(fixture.tree, 'app.log')).subarray(0, before))).toBe(true);
  });

  test('and changes inside, without another length, is read again until it stays as it is', async () => {
    fixture.write({ 'table.ibd': 'a'.repeat(BYTES) });
    const change = `printf b | dd of=table.ibd bs=1 seek=${BYTES - 1} conv=notrunc status=none`;
    const result = await fixture.capture(
      await heldOpen('table.ibd', (attempt) => attempt <= 2 && inTree(change.replace('b', String(attempt)))),
    );
    expect(result).toMatchObject({ torn: [], findings: [] });
    expect((await extractedFile(await fixture.tar(result), 'table.ibd')).equals(readFileSync(join(fixture.tree, 'table.ibd')))).toBe(true);
  });

  test('and deletes leaves what tar had opened, or nothing, but no half file', async () => {
    fixture.write({ 'spool.bin': 'a'.repeat(BYTES), still: 's' });
    const result = await fixture.capture(await heldOpen('spool.bin', () => inTree('rm -f spool.bin')));
    expect(brief(result.findings)).toEqual(['info vanished spool.bin']);
    expect(await fixture.paths(result)).toEqual(['', 'still']);
  });
});
