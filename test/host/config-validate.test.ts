import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HostApp, substituteSystemd } from '../support/host-app.ts';

let app: HostApp;
beforeEach(async () => {
  app = await HostApp.create();
  substituteSystemd(app, {});
}, 600_000);
afterEach(async () => app[Symbol.asyncDispose](), 120_000);

test('the file that config init writes on a host is valid without a Compose file', async () => {
  expect(await app.run(['config', 'validate'])).toMatchObject({ project: 'mcads', profile: 'django', databases: 1, findings: [] });
  await app.run(['config', 'init']);
  expect(await app.run(['config', 'validate'])).toMatchObject({ project: 'mcads', findings: [] });
});

test('what the host settings name and is not there is told, a wrong setting with its place', async () => {
  mkdirSync(join(app.base, 'there'));
  app.write('mcads.yaml', `host:\n  databases: [/nope.sqlite3]\n  components: {one: ${join(app.base, 'there')}, two: /nowhere}\n`);
  const wrong = await app.run(['config', 'validate'], 2);
  expect(wrong['findings']).toEqual([
    expect.objectContaining({ severity: 'error', message: expect.stringContaining('/nope.sqlite3') as unknown }),
    expect.objectContaining({ severity: 'error', message: expect.stringContaining('/nowhere (component two)') as unknown }),
  ]);
  app.write('mcads.yaml', 'host:\n  databses: []\n');
  const unknown = await app.run(['config', 'validate'], 2);
  expect(unknown).toMatchObject({ error: { code: 'config', message: expect.stringContaining('databses') as unknown } });
});
