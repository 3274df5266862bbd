import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { COMMIT_PLAN, FLUSH } from '../../src/stream/restore-commands.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mcads-sync-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** With a program named sync that says this where it is called with -f. */
function run(script: string, said: string): { readonly status: number | null; readonly stderr: string } {
  const text = `#!/bin/sh\n[ "$1" = -f ] || { : > '${folder}/all'; exit 0; }\n${said === '' ? '' : `echo "${said}" >&2; exit 1`}\n`;
  writeFileSync(join(folder, 'sync'), text);
  chmodSync(join(folder, 'sync'), 0o755);
  rmSync(join(folder, 'all'), { force: true });
  return spawnSync('sh', ['-c', script, 'sh', folder, '.'], {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${folder}:${process.env['PATH'] ?? ''}` },
  });
}

test.each([
  ['a good end', '', 0],
  ['a disk that did not take it', "sync: error syncing '.': Input/output error", 4],
  ['a full one', "sync: error syncing '.': No space left on device", 4],
  ['a program that is too old', "sync: invalid option -- 'f'", 0],
  ['a folder that cannot be opened', "sync: error opening '.': Permission denied", 0],
])('a flush with %s', (_, said, status) => {
  const ended = run(FLUSH, said);
  expect(ended.status).toBe(status);
  expect(ended.stderr.trim()).toBe(status === 0 ? '' : said);
});

test('nothing is committed where the disk did not take what was staged', () => {
  writeFileSync(join(folder, 'plan.part'), '{}');
  expect(run(COMMIT_PLAN, "sync: error syncing '.': Input/output error").status).toBe(4);
  expect(spawnSync('ls', [folder], { encoding: 'utf8' }).stdout).toContain('plan.part');
  expect(run(COMMIT_PLAN, '').status).toBe(0);
  expect(spawnSync('ls', [folder], { encoding: 'utf8' }).stdout).not.toContain('plan.part');
});
