import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HostApp } from '../support/host-app.ts';
import { runCli } from '../support/run-cli.ts';

let app: HostApp;
beforeEach(async () => {
  app = await HostApp.createSmall();
}, 600_000);
afterEach(async () => app[Symbol.asyncDispose](), 120_000);

/** Two directories, a database and a file of the configuration are lost, and a directory outside of the application's. */
async function lostAndRestored(): Promise<string> {
  const outside = join(app.base, 'outside');
  mkdirSync(join(outside, 'deep/certificates'), { recursive: true });
  writeFileSync(join(outside, 'deep/certificates/key'), 'secret');
  app.write('mcads.yaml', `host:\n  components: {certificates: ${join(outside, 'deep/certificates')}}\n`);
  await app.run(['backup', '--no-prune']);
  rmSync(outside, { recursive: true });
  for (const part of ['static', 'locale', 'nginx', 'db.sqlite3', '.env']) rmSync(join(app.directory, part), { recursive: true });
  app.write('xrays/models.py', 'changed = True\n');
  await app.run(['restore', 'latest', '--yes']);
  for (const part of ['static', 'locale', 'nginx', 'db.sqlite3', '.env']) expect(existsSync(join(app.directory, part)), part).toBe(true);
  expect(existsSync(join(outside, 'deep/certificates/key'))).toBe(true);
  return outside;
}

test('a rollback takes away again what the restore made where nothing had been', async () => {
  const outside = await lostAndRestored();
  const shown = await app.run(['rollback', '--dry-run']);
  expect(shown).toMatchObject({ plan: { removes: expect.arrayContaining(['files/static', join(app.directory, '.env')]) as unknown } });
  const done = await app.run(['rollback', '--yes']);
  expect(done).toMatchObject({ stays: [], findings: [] });
  for (const part of ['static', 'locale', 'nginx', 'db.sqlite3', '.env']) expect(existsSync(join(app.directory, part)), part).toBe(false);
  expect(existsSync(outside)).toBe(false);
  expect(readFileSync(join(app.directory, 'xrays/models.py'), 'utf8')).toBe('changed = True\n');
  expect(readdirSync(app.directory).filter((name) => name.startsWith('.mcads-restore-'))).toEqual([]);
});

test('where nothing is kept it says so, whatever the project is called and however it is started', async () => {
  for (const args of [[], ['-p', 'mcads'], ['--dry-run']]) {
    const error = (await app.run(['rollback', '--yes', ...args], 2))['error'];
    expect(error).toMatchObject({
      code: 'nothing-found',
      message: `there is nothing to go back to: no restore is kept in ${app.directory}`,
    });
  }
});

test('where something was put there or changed since, it stays and is named', async () => {
  const outside = await lostAndRestored();
  app.write('nginx/proxy_params', '# changed\n');
  app.write('static/new.css', 'body {}');
  app.write('.env', 'CHANGED=1\n');
  execFileSync('sqlite3', [
    join(app.directory, 'db.sqlite3'),
    'PRAGMA journal_mode = WAL; CREATE TABLE since (id); INSERT INTO since VALUES (7)',
  ]);
  const { code, stderr } = await runCli(['rollback', '--yes'], { cwd: app.directory, env: { ...app.env, NO_COLOR: '1' } });
  expect(code).toBe(0);
  expect(stderr).not.toContain('is what it was');
  expect(stderr.replaceAll(/\s+/g, ' ')).toContain('4 things that it did not have stay');
  expect(stderr.replaceAll(/\s+/g, ' ')).toContain('files/static was not there before and has been changed since');
  expect(readFileSync(join(app.directory, 'static/new.css'), 'utf8')).toBe('body {}');
  expect(readFileSync(join(app.directory, '.env'), 'utf8')).toBe('CHANGED=1\n');
  expect(readFileSync(join(app.directory, 'nginx/proxy_params'), 'utf8')).toBe('# changed\n');
  expect(execFileSync('sqlite3', [join(app.directory, 'db.sqlite3'), 'SELECT id FROM since'], { encoding: 'utf8' })).toBe('7\n');
  expect(existsSync(join(app.directory, 'locale'))).toBe(false);
  expect(existsSync(outside)).toBe(false);
});
