import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HostApp } from '../support/host-app.ts';
import { MAIN } from '../support/run-cli.ts';
import { runCommand } from '../support/run-command.ts';

const README = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');

let app: HostApp;
beforeEach(async () => {
  app = await HostApp.createSmall();
  app.program('mcads-orchestrate', `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
}, 600_000);
afterEach(async () => app[Symbol.asyncDispose](), 120_000);

function studiesIn(file: string): number {
  return Number(execFileSync('sqlite3', [join(app.directory, file), 'SELECT count(*) FROM xrays_study'], { encoding: 'utf8' }));
}

test('the lines for one database of a host bring it back, go back again, and get a copy of it', async () => {
  const [, chapter = ''] = README.split('### One database\n');
  const lines = (/```bash\n([^`]*)```/.exec(chapter)?.[1] ?? '').split('\n').filter((line) => line !== '');
  expect(lines).toHaveLength(3);
  const made = (await app.run(['backup', '--no-prune'])) as { readonly snapshot: { readonly name: string } };
  const time = /\d{8}_\d{6}$/.exec(made.snapshot.name)?.[0] ?? '';
  const before = studiesIn('db.sqlite3');
  execFileSync('sqlite3', [join(app.directory, 'db.sqlite3'), 'DELETE FROM xrays_study WHERE id > 1']);
  const [restore = '', rollback = '', extract = ''] = lines.map((line) => line.replace('20250801_142905', time));
  const sh = (line: string) => runCommand('bash', ['-euc', line], { cwd: app.directory, env: app.env });
  await sh(`${restore} --yes`);
  expect(studiesIn('db.sqlite3')).toBe(before);
  await sh(`${rollback} --yes`);
  expect(studiesIn('db.sqlite3')).toBe(1);
  await sh(extract);
  expect(studiesIn('then.sqlite3')).toBe(before);
});
