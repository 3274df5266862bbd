import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ComponentDetails } from '../../src/domain/manifest.ts';
import { type AwkwardProject, startAwkwardProject } from '../support/awkward-project.ts';
import { contentOf, fingerprintTree } from '../support/awkward-tree.ts';
import { docker } from '../support/engine.ts';
import { backUp, expectTreesEqual, type MadeSnapshot } from '../support/extracted.ts';
import { MAIN, runCli, runJson } from '../support/run-cli.ts';
import { runCommand } from '../support/run-command.ts';

// The tests build upon one another: one project, its repository, and the snapshots in the order in which they are made.
let project: AwkwardProject;
let repository: string;
let outer: string;
const snapshots: MadeSnapshot[] = [];
const first = (): MadeSnapshot => at(0);
const latest = (): MadeSnapshot => at(snapshots.length - 1);
function at(index: number): MadeSnapshot {
  const snapshot = snapshots[index];
  if (snapshot === undefined) throw new Error('the snapshot of an earlier test is missing');
  return snapshot;
}

beforeAll(async () => {
  project = await startAwkwardProject({ databases: true });
  repository = join(project.outside, 'repository');
  outer = await project.mountpoint('outer');
  snapshots.push(await backUp(project, repository));
});
afterAll(async () => project[Symbol.asyncDispose]());

const tool = (args: readonly string[]) => runCli([...args, '-r', repository], { cwd: project.directory, env: project.env });
const json = (args: readonly string[]) => runJson([...args, '-r', repository], { cwd: project.directory, env: project.env });

const trees = (snapshot: MadeSnapshot): readonly [string, ComponentDetails][] =>
  Object.entries(snapshot.manifest.sealed.components).filter(([, { transport }]) => transport !== undefined);

test('the second backup of an unchanged project reads no segment and stores no chunk of a tree', async () => {
  snapshots.push(await backUp(project, repository));
  for (const [id, { outcome, facts, bytes, storedBytes }] of trees(latest())) {
    expect({ id, outcome, read: facts['segmentsRead'], storedBytes }).toEqual({ id, outcome: 'reused', read: 0, storedBytes: 0 });
    expect(bytes, id).toBe(first().manifest.sealed.components[id]?.bytes);
  }
  const artifacts = (snapshot: MadeSnapshot): unknown => snapshot.manifest.components.filter(({ id }) => /^(?:volume|bind)\//.test(id));
  expect(artifacts(latest())).toEqual(artifacts(first()));
  const components = latest().json['components'] as readonly { readonly id: string; readonly outcome: string }[]; // design §8
  expect(components.filter(({ outcome }) => outcome === 'reused').map(({ id }) => id)).toEqual(trees(latest()).map(([id]) => id));
});

test('a changed file costs its own segment, and no other tree is read', async () => {
  await writeFile(join(outer, 'file 50'), 'changed');
  snapshots.push(await backUp(project, repository));
  const changed = trees(latest()).filter(([, { outcome }]) => outcome === 'captured');
  expect(changed.map(([id]) => id)).toEqual(['volume/outer']);
  const facts = changed[0]?.[1].facts;
  expect(facts?.['segmentsRead']).toBe(1);
  expect(facts?.['segmentsReused']).toBeGreaterThan(2);
  expect(changed[0]?.[1].storedBytes).toBeLessThan(300_000);
});

test('--rescan reads every byte of an unchanged project and stores nothing new of its trees', async () => {
  snapshots.push(await backUp(project, repository, ['--rescan', '--component', 'volume/**', '--component', 'bind/**']));
  expect(latest().manifest.sealed.completeness).toBe('partial');
  for (const [id, { outcome, facts, storedBytes }] of trees(latest())) {
    expect({ id, outcome, reused: facts['segmentsReused'], storedBytes }).toEqual({ id, outcome: 'captured', reused: 0, storedBytes: 0 });
    expect(facts['segmentsRead'], id).toBeGreaterThan(0);
  }
});

test('a snapshot is named in full, by time, by prefix or as latest, which is the newest complete one', async () => {
  const complete = at(2).name;
  const time = complete.slice(-15);
  for (const word of [complete, time, 'latest']) {
    const { code, json: shown } = await json(['show', word]);
    expect([word, code, (shown['snapshot'] as { readonly name: string }).name]).toEqual([word, 0, complete]); // design §8
  }
  const { json: listed } = await json(['list']);
  const found = listed['snapshots'] as readonly { readonly name: string; readonly completeness: string }[]; // design §8
  expect(found.map(({ name }) => name)).toEqual(snapshots.map(({ name }) => name));
  expect(found.map(({ completeness }) => completeness)).toEqual(['complete', 'complete', 'complete', 'partial']);
  const { stdout } = await tool(['list']);
  for (const { name } of snapshots) expect(stdout).toContain(name);
  expect((await tool(['show', 'latest'])).stdout).toContain('app:/memory: tmpfs');
});

test('files lists every entry of a snapshot, one folder or one file, as lines or as JSON', async () => {
  const { stdout } = await tool(['files', 'latest', 'volume/outer', '--json']);
  const entries = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly path: string; readonly type: string; readonly bytes: number }); // design §8
  expect(entries).toHaveLength(102);
  expect(entries.find(({ path }) => path === 'file 50')).toMatchObject({ type: 'f', bytes: 7 });
  const inFolder = (await tool(['files', 'latest', 'bind/app/app:parts'])).stdout.trimEnd().split('\n');
  expect(inFolder.map((line) => line.replace(/.*:/, '')).toSorted()).toEqual([
    'parts',
    'parts/base.env',
    'parts/base.yaml',
    'parts/cache.yaml',
  ]);
  const all = (await tool(['files', 'latest'])).stdout;
  expect(all).toContain('database/db15/UPPER');
  expect(all).toContain('volume/awkward:null-device');
});

test('diff names what was added, removed and changed between two snapshots, and nothing else', async () => {
  const { json: same } = await json(['diff', first().name, at(1).name, '--component', 'volume/**', '--component', 'bind/**']);
  expect(same['counts']).toEqual({ added: 0, removed: 0, changed: 0 });
  const { json: changed } = await json(['diff', at(1).name, at(2).name, '--component', 'volume/**', '--component', 'bind/**']);
  expect(changed['changes']).toMatchObject([{ component: 'volume/outer', path: 'file 50', change: 'changed' }]);
});

test('one file goes to stdout as its bytes, a folder as tar, a dump as pg_restore takes it, the configuration as it was', async () => {
  const output = (selection: string): Buffer =>
    execFileSync(process.execPath, [MAIN, 'extract', 'latest', selection, '-r', repository, '--target', '-'], {
      cwd: project.directory,
      env: { ...process.env, ...project.env },
      maxBuffer: 1e8,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  expect(output('volume/outer:file 51')).toEqual(await readFile(join(outer, 'file 51')));
  expect(output('config:project/.env')).toEqual(await readFile(join(project.directory, '.env')));
  const tar = await runCommand('tar', ['-t', '--quoting-style=literal'], { input: output('bind/app/app:parts') });
  expect(tar.stdout.trimEnd().split('\n')).toEqual(['./parts/', './parts/base.env', './parts/base.yaml', './parts/cache.yaml']);
  const server = (await project.folder.compose(['ps', '-q', 'db15'], { env: project.env })).stdout.trim();
  const listed = await docker(['exec', '-i', server, 'pg_restore', '--list'], { input: output('database/db15/UPPER') });
  expect(listed.stdout).toContain('TABLE DATA public Mixed Case owner');
});

test('a folder, and a hard link whose first name is elsewhere, come out alone', async () => {
  const target = join(project.outside, 'partial');
  const done = await tool(['extract', 'latest', 'volume/awkward:deep', 'volume/awkward:owned-dir', '--target', target]);
  expect(done.code, done.stderr).toBe(0);
  const extracted = join(target, 'volume/awkward');
  expect((await readdir(extracted)).toSorted()).toEqual(['deep', 'owned-dir']);
  expect(contentOf(join(extracted, 'deep/er/linked-second'))).toBe('hard linked');
  const source = fingerprintTree(join(await project.mountpoint('awkward'), 'owned-dir'));
  expect(fingerprintTree(join(extracted, 'owned-dir'))).toEqual(source);
  await rm(target, { recursive: true });
});

test('the commands of RECOVERY.md bring every component back without the tool', async () => {
  const text = await readFile(join(repository, 'RECOVERY.md'), 'utf8');
  const blocks = [...text.matchAll(/^```bash\n(.*?)^```$/gms)].map(([, block]) => block ?? '');
  const recovered = join(project.outside, 'recovered');
  // The server's own pg_restore: this machine may have none, or an older one.
  const programs = join(project.outside, 'programs');
  await mkdir(programs);
  const server = (await project.folder.compose(['ps', '-q', 'db17'], { env: project.env })).stdout.trim();
  const program = `#!/bin/sh\nexec docker exec -i ${server} pg_restore "$1" < "$2"\n`;
  await writeFile(join(programs, 'pg_restore'), program, { mode: 0o755 });
  const env = {
    ...project.env,
    PATH: `${programs}:${process.env['PATH']}`,
    REPOSITORY: repository,
    TARGET: recovered,
    SNAPSHOT: at(2).name,
  };
  const { stderr } = await runCommand('bash', ['-c', `set -e\n${blocks.join('\n')}`], { env });
  expect(stderr.split('\n').filter((line) => !/time ?stamp/.test(line))).toEqual(['']); // tar wonders about years
  const target = join(project.outside, 'extracted');
  expect((await tool(['extract', 'latest', '--target', target])).code).toBe(0);
  for (const { id, artifacts } of at(2).manifest.components) {
    const format = artifacts.find(({ name }) => name === 'data')?.format ?? '';
    const name = join(recovered, id.replaceAll('/', ','));
    if (format === 'tar') {
      // These two hold files without the folders around them.
      const isWhole = id !== 'config' && id !== 'bind/app/etc/single.conf';
      const entries = (root: string): readonly string[] => fingerprintTree(root).filter((line) => isWhole || !line.startsWith('4'));
      expect(entries(name), id).toEqual(entries(join(target, id)));
    } else {
      const extension = format === 'pgdump' ? 'dump' : format;
      expect((await readFile(`${name}.${format}`)).equals(await readFile(join(target, `${id}.${extension}`))), id).toBe(true);
    }
  }
  await expectTreesEqual(at(2).manifest, target);
  for (const folder of [recovered, target]) await rm(folder, { recursive: true });
});

test('verify finds the repository whole: its structure, a sample, every byte', async () => {
  const { json: structure } = await json(['verify']);
  const { json: sample } = await json(['verify', '--sample', '5%']);
  const { json: everything } = await json(['verify', '--read-data']);
  const bytes = [structure, sample, everything].map((one) => {
    expect(one).toMatchObject({ ok: true, damaged: [] });
    return (one['checked'] as { readonly bytes: number }).bytes; // design §8
  });
  expect(bytes[1]).toBeLessThan(bytes[2] ?? 0);
  expect((await tool(['verify', '--read-data'])).stdout).toContain('nothing missing or damaged');
});

test('prune says what it would do and why, does that, frees what nothing needs, and the rest is whole', async () => {
  const { json: before } = await json(['stats']);
  const { json: planned } = await json(['prune', '--keep-last', '1', '--dry-run']);
  const decisions = planned['snapshots'] as readonly { readonly name: string; readonly kept: boolean; readonly reason: string }[]; // design §8
  expect(Object.fromEntries(decisions.map(({ name, kept }) => [name, kept]))).toEqual({
    [first().name]: false,
    [at(1).name]: false,
    [at(2).name]: true,
    [at(3).name]: expect.any(Boolean) as boolean, // a partial one is not counted
  });
  for (const { reason } of decisions) expect(reason).not.toBe('');
  expect((await readdir(join(repository, 'snapshots'))).length).toBe(4);
  const { json: pruned, code } = await json(['prune', '--keep-last', '1', '--yes']);
  expect(code).toBe(0);
  expect(pruned['snapshots']).toEqual(planned['snapshots']);
  const { json: after } = await json(['stats']);
  const stored = (one: Record<string, unknown>): number => (one['stats'] as { readonly storedBytes: number }).storedBytes; // our own report
  expect(stored(before) - stored(after)).toBe(pruned['freedBytes']);
  expect((await json(['verify', '--read-data'])).json).toMatchObject({ ok: true, damaged: [] });
  const left = (await json(['list'])).json['snapshots'] as readonly { readonly name: string }[]; // design §8
  expect(left.map(({ name }) => name)).toEqual(decisions.filter(({ kept }) => kept).map(({ name }) => name));
});
