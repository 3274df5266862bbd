import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ArchiveManifest } from '../../src/domain/archive.ts';
import { HostApp, substituteSystemd } from '../support/host-app.ts';

let app: HostApp;
/** Somebody else's folder. */
let victim: string;
/** Where the forged archive is restored into. */
let target: string;
beforeEach(async () => {
  app = await HostApp.create();
  substituteSystemd(app, {});
  victim = join(app.base, 'victim');
  target = join(app.base, 'target');
  mkdirSync(victim);
  mkdirSync(target);
  writeFileSync(join(victim, 'precious'), 'precious');
});
afterEach(async () => app[Symbol.asyncDispose]());

type Forged = { -readonly [K in keyof ArchiveManifest]: ArchiveManifest[K] };

/** An archive of this application, changed by a script in its folder and in its manifest, with checksums that are right again. */
async function forged(script: string, edit: (manifest: Forged) => void = () => undefined): Promise<string> {
  const made = (await app.run(['backup', '--archive'])) as { readonly archive: { readonly path: string } };
  const work = join(app.base, 'forge');
  mkdirSync(work);
  execFileSync('tar', ['xzf', made.archive.path], { cwd: work });
  const [name = ''] = readdirSync(work);
  const folder = join(work, name);
  execFileSync('bash', ['-euc', script], { cwd: folder, env: { ...process.env, VICTIM: victim } });
  const path = join(folder, 'mcads_manifest.json');
  // Written by the tool a moment ago.
  const text = readFileSync(path, 'utf8').replaceAll(app.directory, target);
  const manifest = JSON.parse(text) as Forged;
  edit(manifest);
  manifest.files = manifest.files.map((one) => {
    const bytes = readFileSync(join(folder, one.file));
    return { ...one, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  });
  writeFileSync(path, JSON.stringify(manifest));
  const archive = join(app.base, 'forged.tar.gz');
  execFileSync('tar', ['czf', archive, name], { cwd: work });
  return archive;
}

const into = (): readonly string[] => ['--yes', '--project-directory', target, '--log-dir', join(app.base, 'own-logs')];

test('a place outside of the directory is refused, nothing is changed, and asking for the component by name brings it there', async () => {
  const archive = await forged('true', ({ snapshot }) => {
    const media = snapshot.sealed.components['files/media'];
    if (media !== undefined) Object.assign(media.facts, { path: victim });
  });
  const refused = await app.run(['restore', archive, ...into()], 2);
  expect(refused).toMatchObject({
    error: {
      message: expect.stringContaining(`files/media at ${victim}`) as string,
      hint: expect.stringContaining("--component 'files/media'") as string,
    },
  });
  expect(readdirSync(victim)).toEqual(['precious']);
  expect(readdirSync(target)).toEqual(['backups']);
  await app.run(['restore', archive, ...into(), '--component', 'files'], 2);
  expect(readdirSync(victim)).toEqual(['precious']);
  await app.run(['restore', archive, ...into(), '--component', '**', '--component', 'files/media']);
  expect(existsSync(join(victim, 'xrays/0001.png'))).toBe(true);
  expect(existsSync(join(target, 'manage.py'))).toBe(true);
});

test('dots and a symlink that is there lead nowhere either', async () => {
  const archive = await forged('true', ({ snapshot }) => {
    const media = snapshot.sealed.components['files/media'];
    if (media !== undefined) Object.assign(media.facts, { path: `${target}/../victim` });
  });
  expect(await app.run(['restore', archive, ...into()], 2)).toMatchObject({
    error: { message: expect.stringContaining(victim) as string },
  });
  symlinkSync(victim, join(target, 'static'));
  expect(await app.run(['restore', archive, ...into(), '--component', 'files/static*'], 2)).toMatchObject({
    error: { message: expect.stringContaining('files/static') as string },
  });
  expect(readdirSync(victim)).toEqual(['precious']);
});

test('configuration elsewhere is not written unless it is asked for by name', async () => {
  const archive = await forged(String.raw`
    mkdir config; tar xzf config.tar.gz -C config; mkdir -p "config/.mcads/host$VICTIM"; echo evil > "config/.mcads/host$VICTIM/cron"
    tar czf config.tar.gz -C config $(cd config; find . -type f | cut -c 3-); rm -r config`);
  const restored = await app.run(['restore', archive, ...into()]);
  expect(restored).toMatchObject({
    findings: expect.arrayContaining([
      expect.objectContaining({ code: 'config-outside', message: expect.stringContaining(join(victim, 'cron')) as string }),
    ]) as unknown,
  });
  expect(readdirSync(victim)).toEqual(['precious']);
  expect(existsSync(join(target, 'requirements.txt'))).toBe(true);
  await app.run(['restore', archive, ...into(), '--component', 'config']);
  expect(readFileSync(join(victim, 'cron'), 'utf8')).toBe('evil\n');
});

test('a symlink that the archive itself brings carries no configuration out', async () => {
  const archive = await forged(String.raw`
    mkdir code config; tar xzf app_code.tar.gz -C code; ln -s "$VICTIM" code/way; tar czf app_code.tar.gz -C code .
    tar xzf config.tar.gz -C config; mkdir config/way; echo evil > config/way/cron
    tar czf config.tar.gz -C config $(cd config; find . -type f | cut -c 3-); rm -r code config`);
  expect(await app.run(['restore', archive, ...into()], 30)).toMatchObject({
    error: { message: expect.stringContaining('way/cron') as string },
  });
  expect(readdirSync(victim)).toEqual(['precious']);
  expect(existsSync(join(target, 'manage.py'))).toBe(false);
});

test.each([
  ['GNU tar', null],
  ['Node alone', '/nonexistent'],
])('a symlink in one component takes no other one out: %s', async (_by, path) => {
  mkdirSync(join(app.directory, 'extra'));
  app.write('extra/file', 'extra');
  app.write('mcads.yaml', `host:\n  components:\n    extra: ${join(app.directory, 'extra')}\n`);
  const archive = await forged(String.raw`
    mkdir code; tar xzf app_code.tar.gz -C code; ln -s "$VICTIM" code/extra; tar czf app_code.tar.gz -C code .; rm -r code`);
  if (path !== null) app.env['PATH'] = path;
  await app.run(['restore', archive, ...into()]);
  expect(readdirSync(victim)).toEqual(['precious']);
  expect(lstatSync(join(target, 'extra')).isDirectory()).toBe(true);
  expect(readFileSync(join(target, 'extra/file'), 'utf8')).toBe('extra');
});

test('a part of an old archive whose name is no name is refused', async () => {
  const name = 'mcads_system_backup_20250801_142905';
  const script = `mkdir ${name} x; echo x > x/x; tar czf ${name}/...tar.gz x; tar czf ${name}.tar.gz ${name}`;
  execFileSync('bash', ['-euc', script], { cwd: app.base });
  await app.run(['restore', join(app.base, `${name}.tar.gz`), ...into()], 30);
  expect(readdirSync(victim)).toEqual(['precious']);
  expect(readdirSync(target)).toEqual(['backups']);
});
