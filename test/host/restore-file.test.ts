import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HostApp } from '../support/host-app.ts';

let app: HostApp;
beforeEach(async () => {
  app = await HostApp.createSmall();
}, 600_000);
afterEach(async () => app[Symbol.asyncDispose](), 120_000);

test('a dry run of an archive shows what its restore would do, and leaves no repository and nothing else', async () => {
  const made = (await app.run(['backup', '--archive'])) as { readonly archive: { readonly path: string } };
  const file = join(app.base, 'kept.tar.gz');
  renameSync(made.archive.path, file);
  rmSync(join(app.directory, 'backups'), { recursive: true });
  rmSync(join(app.directory, 'static'), { recursive: true });
  const temporary = join(app.base, 'temporary');
  mkdirSync(temporary);
  app.env['TMPDIR'] = temporary;
  const shown = await app.run(['restore', file, '--dry-run']);
  expect(shown).toMatchObject({
    plan: {
      components: expect.arrayContaining([
        expect.objectContaining({ id: 'files/static', action: 'create' }),
        expect.objectContaining({ id: 'sqlite/db.sqlite3', action: 'replace' }),
      ]) as unknown,
    },
  });
  expect(readdirSync(temporary)).toEqual([]);
  for (const name of ['backups', 'static']) expect(existsSync(join(app.directory, name)), name).toBe(false);
});
