import { execFileSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openRepository } from '../../src/repository/open-repository.ts';
import { createAwkwardTree, fingerprintTree } from '../support/awkward-tree.ts';
import { createProject, testEngine } from '../support/engine.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { backUp, report } from './e2e-support.ts';

const signal = new AbortController().signal;

function service(volumes: readonly string[], more = ''): string {
  return `{ image: ${testEngine().images.debian}, command: [sleep, infinity], init: true, volumes: ${JSON.stringify(volumes)} ${more} }`;
}

/** Bytes of each component of a snapshot, and its tree artifacts, straight from the repository. */
async function readSnapshot(repository: string, name: string) {
  await using opened = await openRepository({ path: repository, mode: 'read', create: false, lockTimeoutMs: 10_000 });
  const manifest = await opened.manifest(name);
  const tars = new Map<string, Buffer>();
  for (const { id, artifacts } of manifest.components) {
    const data = artifacts.find(({ name: artifact, format }) => artifact === 'data' && format === 'tar');
    if (data !== undefined) tars.set(id, Buffer.concat(await Array.fromAsync(opened.read(data, signal))));
  }
  return tars;
}

test('with the project itself bound, backups through the archive call stay flat: the repository and the logs are not in them', async () => {
  await using project = await createProject({ 'compose.yaml': `services:\n  app: ${service(['.:/app'])}\n`, 'src/main.py': 'print(1)\n' });
  await project.compose(['up', '-d']);
  // Of no pattern, and hard to compress: what slips into a backup makes the next one larger by as much.
  await project.write('media.bin', Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * at * 31 + (at >> 3)) & 255)));
  const sizes: number[] = [];
  for (let round = 0; round < 4; round += 1) {
    const run = await backUp(project, ['--transport', 'archive']);
    expect(run.code, run.stderr).toBe(0);
    expect(run.says).toContain('archive-transport');
    const tars = await readSnapshot(join(project.directory, 'backups'), run.snapshot?.name ?? '');
    const tar = tars.get('bind/app/%2Fapp') ?? [...tars].find(([id]) => id.startsWith('bind/'))?.[1];
    const names = execFileSync('tar', ['-t'], { input: tar ?? '', encoding: 'utf8' })
      .trim()
      .split('\n');
    expect(names).toEqual(['./', './compose.yaml', './media.bin', './src/', './src/main.py']);
    sizes.push(tar?.length ?? 0);
  }
  expect(new Set(sizes).size).toBe(1);
});

test('what comes through the archive call extracts with plain tar into the current directory and is the source but for the named limits', async () => {
  await using outside = await temporaryFolder();
  const tree = join(outside.path, 'tree');
  await mkdir(tree);
  createAwkwardTree(tree);
  await rm(join(tree, 'huge-sparse'));
  const single = join(outside.path, 'only this.conf');
  await writeFile(single, 'a = 1\n', { mode: 0o640 });
  await using project = await createProject({
    'compose.yaml': `services:\n  app: ${service([`${tree}:/data`, `${single}:/etc/only.conf`])}\n`,
  });
  await project.compose(['up', '-d']);
  const repository = join(outside.path, 'repository');
  const run = await backUp(project, ['--transport', 'archive', '-r', repository]);
  expect(run.code, run.stderr).toBe(0);
  const tars = [...(await readSnapshot(repository, run.snapshot?.name ?? ''))].filter(([id]) => id.startsWith('bind/'));
  expect(tars).toHaveLength(2);
  for (const [id, tar] of tars) {
    for (const line of execFileSync('tar', ['-tv', '--quoting-style=escape'], { input: tar, encoding: 'utf8', maxBuffer: 1e9 })
      .trim()
      .split('\n'))
      expect(line, id).toMatch(/ \.\/(?!.* link to (?!\.\/))/);
    const here = join(outside.path, `plain-${tars.findIndex(([other]) => other === id)}`);
    await mkdir(here);
    execFileSync('tar', ['-x', '-p', '--numeric-owner', '--xattrs', '--xattrs-include=*', '--acls', '--delay-directory-restore'], {
      cwd: here,
      input: tar,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    if (id.includes('only')) expect(fingerprintTree(here).map(withoutLimits).at(-1)).toContain('only this.conf');
    else expect(fingerprintTree(here).map(withoutLimits)).toEqual(fingerprintTree(tree).map(withoutLimits));
  }
});

/** Without attributes other than capabilities, fractions of seconds and holes. */
function withoutLimits(line: string): string {
  return line
    .replaceAll(/(?:user|trusted|system)\.[\w.-]+="?0x[0-9a-f]*"? /g, '')
    .replace(/^(\S+ \d+ \d+ -?\d+) \S+ \S+ \S+ /, '$1 ')
    .replace(' sparse ', ' ')
    .replaceAll(/  +/g, ' ');
}

test.each(['archive', 'pipe'])(
  'a cluster in the volume of a service that is not known for a database is seen through the %s',
  async (transport) => {
    await using project = await createProject({
      'compose.yaml': `services:\n  app: ${service(['state:/state'])}\nvolumes: { state: }\n`,
    });
    await project.compose(['up', '-d']);
    const make = 'mkdir -p /state/main/global; echo 17 > /state/main/PG_VERSION; echo c > /state/main/global/pg_control';
    await project.compose(['exec', '-T', 'app', 'sh', '-c', make]);
    const first = await backUp(project, ['--transport', transport]);
    expect(first.code, first.stderr).toBe(3);
    expect(first.says).toMatch(/engine-read-live .*main is a postgres database/);
    const listing = await report(['list'], { cwd: project.directory });
    expect(listing.code).toBe(0);
    // Also where nothing of it is read again.
    const second = await backUp(project, ['--transport', transport]);
    expect(second.code).toBe(3);
  },
);
