import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { engineEnv } from '../support/engine.ts';
import { startCli } from '../support/paced-cli.ts';
import { runCommand } from '../support/run-command.ts';
import { leftOfDrills, openLab, type Lab } from '../engine/drill-lab.ts';
import { backUp, engineProxy, report } from '../engine/e2e-support.ts';

vi.setConfig({ testTimeout: 900_000, hookTimeout: 900_000 });

let lab: Lab;
let before: unknown;
const options = (): { readonly cwd: string; readonly env: Readonly<Record<string, string | undefined>> } => ({
  cwd: lab.folder.directory,
  env: engineEnv(),
});
beforeAll(async () => {
  lab = await openLab();
  before = await lab.fingerprint();
});
afterAll(async () => lab[Symbol.asyncDispose]());

test('a snapshot is proven to level 6, the evidence is kept and shown, the copy is gone, the live project is what it was', async () => {
  const run = await report(['drill', '--services', '--junit', 'proof/drill.xml', '--output', 'proof/drill.md'], options());
  expect(run.code, `${run.stderr}\n${run.stdout}`).toBe(0);
  const levels = run.json['levels'] as readonly { readonly outcome: string }[]; // as the contract has it
  expect(levels.map(({ outcome }) => outcome)).toEqual(['passed', 'passed', 'passed', 'passed', 'passed', 'n/a', 'passed']);
  expect(run.json).toMatchObject({ level: 6, rtoSeconds: expect.any(Number) as unknown, snapshot: lab.manifest.name });
  expect(run.json['changes']).toEqual([
    '/var/run/docker.sock of the host, mounted at /var/run/docker.sock of web, is left out',
    'published port 8000/tcp of web is dropped',
    'restart policy unless-stopped of web is dropped',
  ]);
  expect(await leftOfDrills(lab.folder.name)).toEqual([]);
  expect(await lab.fingerprint()).toEqual(before);

  const evidence = JSON.parse(await readFile(String(run.json['evidence']), 'utf8')) as Readonly<Record<string, unknown>>; // the tool's own file
  expect(evidence).toMatchObject({ format: 1, ok: true, level: 6, components: null, project: lab.folder.name });
  expect(JSON.stringify(evidence)).not.toContain('Xq7-not-a-word');
  const [listed] = (await report(['list'], options())).json['snapshots'] as readonly unknown[]; // as the contract has it
  expect(listed).toMatchObject({ name: lab.manifest.name, proof: { level: 6, ok: true } });
  expect(await readFile(join(lab.folder.directory, 'proof/drill.md'), 'utf8')).toMatch(/^# Restore drill of .*: proven, level 6\n/);
  expect(await readFile(join(lab.folder.directory, 'proof/drill.xml'), 'utf8')).toMatch(/<testsuites [^>]*failures="0"/);
});

test('an engine that vanishes in a drill is exit 20; the next command removes the copy', async () => {
  await using proxy = await engineProxy();
  const run = startCli(['drill', '--component', 'volume/media'], { ...options(), env: { ...engineEnv(), ...proxy.env } });
  await run.line(/^restore: /);
  await proxy.kill();
  const { code, stderr } = await run.end;
  expect(code, stderr).toBe(20);
  expect(await leftOfDrills(lab.folder.name)).not.toEqual([]);
  await report(['recover'], options());
  expect(await leftOfDrills(lab.folder.name)).toEqual([]);
  expect(await lab.fingerprint()).toEqual(before);
});

test('a drill that is killed leaves a copy, which recover removes; a copy that is kept stays until its time', async () => {
  const run = startCli(['drill', '--component', 'volume/media'], options());
  await run.line(/^restore: /);
  run.signal('SIGKILL');
  await run.end;
  expect(await leftOfDrills(lab.folder.name)).not.toEqual([]);
  const recovered = await report(['recover'], options());
  expect(recovered.json['undone']).toContainEqual(
    expect.stringMatching(/^removed what drill [0-9a-f]{12} of .* left: .*network .*volume /),
  );
  expect(await leftOfDrills(lab.folder.name)).toEqual([]);
  expect(await lab.fingerprint()).toEqual(before);

  const kept = await report(['drill', '--component', 'volume/media', '--level', '3', '--keep-for', '2h'], options());
  expect(kept.code, kept.stderr).toBe(0);
  const { project } = kept.json['copy'] as { readonly project: string }; // as the contract has it
  await report(['recover'], options());
  expect(await leftOfDrills(lab.folder.name)).toContain(`${project}_media`);
  await lab.engine.removeCopy(project.slice(-12), new AbortController().signal);
  expect(await leftOfDrills(lab.folder.name)).toEqual([]);
});

test('--oldest-proof takes what was never proven, then what was proven longest ago', async () => {
  const second = (await backUp(lab.folder)).snapshot?.name;
  const drilled = async (): Promise<unknown> => {
    const run = await report(['drill', '--oldest-proof', '--level', '0', '--max-duration', '10m'], options());
    expect(run.code, run.stderr).toBe(0);
    return run.json['snapshot'];
  };
  expect(await drilled()).toBe(second);
  expect(await drilled()).toBe(lab.manifest.name);
  expect(await drilled()).toBe(second);
});

test.runIf(process.getuid?.() === 0)('a repository that can only be read is drilled, the evidence goes to --output', async () => {
  const folder = lab.folder.directory;
  const readOnly = join(folder, 'read-only');
  await mkdir(readOnly);
  await runCommand('mount', ['--bind', join(folder, 'backups'), readOnly]);
  try {
    await runCommand('mount', ['-o', 'remount,bind,ro', readOnly]);
    const drills = join(folder, 'backups/snapshots', lab.manifest.name, 'drills');
    const kept = await readdir(drills);
    const args = ['drill', lab.manifest.name, '-r', readOnly, '--component', 'volume/media', '--level', '3'];
    const run = await report([...args, '--output', 'elsewhere.json'], options());
    expect(run.code, run.stderr).toBe(0);
    expect(run.json['evidence']).toBe(join(folder, 'elsewhere.json'));
    expect(JSON.parse(await readFile(join(folder, 'elsewhere.json'), 'utf8'))).toMatchObject({ ok: true, level: 3 });
    expect(await readdir(drills)).toEqual(kept);
  } finally {
    await runCommand('umount', [readOnly]);
  }
});
