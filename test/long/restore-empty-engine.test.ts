import { existsSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AwkwardProject, DATABASES, psql, type ServerName, startAwkwardProject } from '../support/awkward-project.ts';
import { fingerprintTree } from '../support/awkward-tree.ts';
import { docker } from '../support/engine.ts';
import { backUp, CONTENT, isLeftOut, type MadeSnapshot, SERVER, sourceOf, withoutArchiveLimits } from '../support/extracted.ts';
import { runJson } from '../support/run-cli.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const KEPT = ['control', 'repository'];

let project: AwkwardProject;
let repository: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  project = await startAwkwardProject({ databases: true });
  repository = await temporaryFolder('mcads-repository-');
});
afterAll(async () => {
  await project[Symbol.asyncDispose]();
  await repository[Symbol.asyncDispose]();
});

type Fingerprint = Readonly<Record<string, readonly string[] | string>>;

/** Every captured tree to the last bit, every database and the roles, every configuration file. */
async function fingerprint({ manifest }: MadeSnapshot): Promise<Fingerprint> {
  const found: Record<string, readonly string[] | string> = {};
  for (const [id, { facts }] of Object.entries(manifest.sealed.components)) {
    const source = id.startsWith('volume/worker/') ? await scratchOf(id) : await sourceOf(facts);
    if (source === null) continue;
    if ((await lstat(source)).isDirectory()) found[id] = fingerprintTree(source).filter((line) => !isLeftOut(id, line) && !isOwn(id, line));
    else found[id] = `${(await lstat(source)).mode} ${(await lstat(source)).mtimeMs} ${await readFile(source, 'base64')}`;
  }
  for (const service of Object.keys(DATABASES) as ServerName[]) {
    found[`server ${service}`] = await psql(project, service, 'postgres', SERVER);
    for (const database of DATABASES[service]) found[`${service} ${database}`] = await psql(project, service, database, CONTENT);
  }
  for (const file of ['.env', 'compose.yaml', 'parts/base.yaml', 'secrets/db15_password', '../outside-secret', 'tools/Dockerfile.tools'])
    found[`file ${file}`] = await readFile(join(project.directory, file), 'utf8');
  return found;
}

/** Each replica writes its own name into it when it starts. */
function isOwn(id: string, line: string): boolean {
  return id.startsWith('volume/worker/') && line.endsWith(' ./own');
}

/** An anonymous volume is whatever the replica mounts now. */
async function scratchOf(id: string): Promise<string> {
  const number = /#(\d+)$/.exec(id)?.[1] ?? '1';
  const filters = ['--filter', `label=com.docker.compose.project=${project.name}`, '--filter', 'label=com.docker.compose.service=worker'];
  const container = (
    await docker(['ps', '-aq', ...filters, '--filter', `label=com.docker.compose.container-number=${number}`])
  ).stdout.trim();
  return (
    await docker(['inspect', '--format', '{{range .Mounts}}{{if eq .Destination "/scratch"}}{{.Source}}{{end}}{{end}}', container])
  ).stdout.trim();
}

/** Containers, volumes, external and anonymous ones, networks, the folder, everything beside it: only the repository is left. */
async function destroyEverything(): Promise<void> {
  const { folder, env, outside, name } = project;
  const ids = (await containers()).map((line) => line.split(' ')[0] ?? '');
  const mounted = await docker(['inspect', '--format', '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}', ...ids]);
  await folder.compose(['--profile', '*', 'down', '--volumes', '--remove-orphans', '-t', '1'], { env });
  const labelled = (await docker(['volume', 'ls', '-q', '--filter', `label=com.docker.compose.project=${name}`])).stdout.split('\n');
  // An engine counts volumes as anonymous only where it named them itself: those of a container that was made again stay.
  const volumes = new Set([...labelled, ...mounted.stdout.split(/\s/), `${name}-external`].filter(Boolean));
  await docker(['volume', 'rm', '-f', ...volumes]);
  for (const entry of await readdir(outside)) if (!KEPT.includes(entry)) await rm(join(outside, entry), { recursive: true, force: true });
  expect((await docker(['ps', '-aq', '--filter', `label=com.docker.compose.project=${name}`])).stdout).toBe('');
  expect(existsSync(project.directory)).toBe(false);
}

async function containers(): Promise<readonly string[]> {
  const listed = await docker([
    'ps',
    '-a',
    '--no-trunc',
    '--filter',
    `label=com.docker.compose.project=${project.name}`,
    '--format',
    '{{.ID}} {{.Names}} {{.State}}',
  ]);
  return listed.stdout.trim().split('\n').toSorted();
}

/** Backs up, destroys, restores and compares; `keeps` says what of a line the transport must keep. */
async function roundTrip(transport: string, keeps: (line: string) => string): Promise<void> {
  const snapshot = await backUp(project, repository.path);
  const before = kept(await fingerprint(snapshot), keeps);
  const services = (await containers()).map((line) => line.replace(/^\S+ /, '')).toSorted();
  await destroyEverything();
  await mkdir(project.directory);
  const run = await runJson(['restore', snapshot.name, '--yes', '-r', repository.path, '--transport', transport], {
    cwd: project.directory,
    env: project.env,
  });
  expect(run.code, `${run.stderr}\n${run.stdout}`).toBe(0);
  expect(kept(await fingerprint(snapshot), keeps)).toEqual(before);
  const restored = await containers();
  expect(restored.map((line) => line.replace(/^\S+ /, '')).toSorted()).toEqual(services);
  const up = await project.folder.compose(['up', '-d', '--wait'], { env: project.env });
  expect(up.stderr).not.toMatch(/Recreate|Created|not created by/);
  expect(await containers()).toEqual(restored);
  expect(kept(await fingerprint(snapshot), keeps)).toEqual(before);
}

function kept(found: Fingerprint, keeps: (line: string) => string): Fingerprint {
  return Object.fromEntries(Object.entries(found).map(([id, what]) => [id, typeof what === 'string' ? keeps(what) : what.map(keeps)]));
}

describe.each([['pipe'], ['attach']])('restored through %s onto an engine and into a directory that have nothing of it', (transport) => {
  test('everything is as it was to the last bit, and docker compose up -d makes nothing anew', async () => {
    await roundTrip(transport, (line) => line);
  });
});

/** The engine itself moves times before 1970 to 1970 when it unpacks. */
test('restored through the archive call, everything is as it was but what that cannot keep', async () => {
  // Its holes would be written in full: 9 GiB.
  for (const tree of [join(project.outside, 'tree'), await project.mountpoint('awkward')]) await rm(join(tree, 'huge-sparse'));
  await roundTrip('archive', (line) => withoutArchiveLimits(line).replace(/^(\S+ \d+ \d+ )-\d+ /, '$10 '));
});
