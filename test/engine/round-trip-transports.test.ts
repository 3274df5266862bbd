import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AwkwardProject, startAwkwardProject } from '../support/awkward-project.ts';
import {
  backUp,
  expectConfigEqual,
  expectDatabasesRestorable,
  expectEveryMountNamed,
  expectStateComplete,
  expectTreesEqual,
  type MadeSnapshot,
  withoutArchiveLimits,
} from '../support/extracted.ts';
import { runCli } from '../support/run-cli.ts';

let project: AwkwardProject;
let repository: string;
beforeAll(async () => {
  project = await startAwkwardProject({ databases: true });
  repository = join(project.directory, 'backups');
});
afterAll(async () => project[Symbol.asyncDispose]());

/** Everything of the snapshot in a new folder, without any engine. */
async function extractAll(snapshot: MadeSnapshot, target: string): Promise<void> {
  const result = await runCli(['extract', snapshot.name, '-r', repository, '--target', target], {
    cwd: project.outside,
    env: { DOCKER_HOST: 'unix:///nowhere.sock' },
  });
  if (result.code !== 0) throw new Error(`extract ended with ${result.code}\n${result.stderr}`);
}

const transportsOf = (snapshot: MadeSnapshot): unknown => [
  ...new Set(Object.values(snapshot.manifest.sealed.components).flatMap(({ transport }) => transport ?? [])),
];

const TREES = 16;
const ONLY_TREES = ['--component', 'volume/**', '--component', 'bind/**'];

test('through the pipe, into the project that is itself bound, everything comes back to the last bit and every dump restores', async () => {
  const snapshot = await backUp(project, repository, ['--transport', 'pipe']);
  expect(snapshot.manifest.sealed.completeness).toBe('complete');
  expect(transportsOf(snapshot)).toEqual(['pipe']);
  await expectEveryMountNamed(project, snapshot.manifest);
  const target = join(project.outside, 'out-pipe');
  await extractAll(snapshot, target);
  expect(await expectTreesEqual(snapshot.manifest, target)).toHaveLength(TREES);
  await expectConfigEqual(project, target);
  await expectStateComplete(project, target);
  await expectDatabasesRestorable(project, target, 'db15', snapshot.manifest);
  await expectDatabasesRestorable(project, target, 'db17', snapshot.manifest);
  await rm(target, { recursive: true });
});

test('through the attach stream everything comes back to the last bit too', async () => {
  const snapshot = await backUp(project, repository, ['--transport', 'attach', ...ONLY_TREES]);
  expect(transportsOf(snapshot)).toEqual(['attach']);
  const target = join(project.outside, 'out-attach');
  await extractAll(snapshot, target);
  expect(await expectTreesEqual(snapshot.manifest, target)).toHaveLength(TREES);
  await rm(target, { recursive: true });
});

test('through the archive call everything comes back but what its finding names', async () => {
  // Its holes would be read, stored and written in full: 9 GiB.
  for (const tree of [join(project.outside, 'tree'), await project.mountpoint('awkward')]) await rm(join(tree, 'huge-sparse'));
  const snapshot = await backUp(project, repository, ['--transport', 'archive', ...ONLY_TREES]);
  expect(transportsOf(snapshot)).toEqual(['archive']);
  for (const [id, { findings }] of Object.entries(snapshot.manifest.sealed.components)) {
    const limits = findings.find(({ code }) => code === 'archive-transport');
    expect(limits?.message, id).toMatch(/extended attributes.*ACLs.*sockets.*fractions of seconds.*holes/);
  }
  const target = join(project.outside, 'out-archive');
  await extractAll(snapshot, target);
  expect(await expectTreesEqual(snapshot.manifest, target, withoutArchiveLimits)).toHaveLength(TREES);
  await rm(target, { recursive: true });
});
