import { mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HostApp, substituteSystemd } from '../support/host-app.ts';

let app: HostApp;
let systemd: ReturnType<typeof substituteSystemd>;
beforeEach(async () => {
  app = await HostApp.create();
  systemd = substituteSystemd(app, { 'mcads.service': 'active' });
  await app.run(['backup', '--no-prune']);
}, 120_000);
afterEach(async () => app[Symbol.asyncDispose]());

const read = (name: string): string => readFileSync(join(app.directory, name), 'utf8');
const messageOf = (json: Record<string, unknown>): string => JSON.stringify(json['error']);

test('a rollback of which one part is not there any more puts nothing back, and says which', async () => {
  app.write('xrays/models.py', 'changed = True\n');
  app.write('media/own.txt', 'of before');
  await app.run(['restore', 'latest', '--yes']);
  const restored = read('xrays/models.py');
  renameSync(join(app.directory, 'media'), join(app.directory, 'media.bak'));
  mkdirSync(join(app.directory, 'media'));
  const refused = await app.run(['rollback', '--yes'], 1);
  expect(messageOf(refused)).toMatch(/nothing was put back: what the restore replaced is not there any more of files\/media/);
  expect(read('xrays/models.py')).toBe(restored);
  expect(systemd.stateOf('mcads.service')).toBe('active');
  expect(systemd.calls().join(' ').match(/stop/g)?.length ?? 0, 'only the restore stopped it').toBe(1);

  rmSync(join(app.directory, 'media'), { recursive: true });
  renameSync(join(app.directory, 'media.bak'), join(app.directory, 'media'));
  await app.run(['rollback', '--yes']);
  expect(read('xrays/models.py')).toBe('changed = True\n');
  expect(read('media/own.txt')).toBe('of before');
});
