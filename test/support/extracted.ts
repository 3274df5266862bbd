import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Manifest } from '../../src/domain/manifest.ts';
import { type AwkwardProject, DATABASES, psql, psqlIn, ROLES, type ServerName } from './awkward-project.ts';
import { fingerprintTree } from './awkward-tree.ts';
import { docker, testEngine, uniqueName } from './engine.ts';
import { runJson } from './run-cli.ts';

export async function readManifest(repository: string, snapshot: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(repository, 'snapshots', snapshot, 'manifest.json'), 'utf8')) as Manifest; // our own format
}

/** The error findings of a command's JSON. */
export function errorsOf(json: Record<string, unknown>): readonly unknown[] {
  return (json['findings'] as readonly { readonly severity: string }[]).filter(({ severity }) => severity === 'error'); // design §8
}

export interface MadeSnapshot {
  readonly name: string;
  readonly manifest: Manifest;
  readonly json: Record<string, unknown>;
}

/** Backs the project up; rejects with what the tool said unless it ends as expected. */
export async function backUp(project: AwkwardProject, repository: string, args: readonly string[] = [], exit = 0): Promise<MadeSnapshot> {
  const result = await runJson(['backup', '-r', repository, ...args], { cwd: project.directory, env: project.env });
  if (result.code !== exit) throw new Error(`backup ended with ${result.code}\n${result.stderr}\n${result.stdout}`);
  const { name } = result.json['snapshot'] as { readonly name: string }; // design §8
  return { name, manifest: await readManifest(repository, name), json: result.json };
}

/** Every mount that the engine knows of is a component, covered by a dump, or named with a reason. */
export async function expectEveryMountNamed(project: AwkwardProject, manifest: Manifest): Promise<void> {
  const { sealed } = manifest;
  const facts = Object.values(sealed.components).map((one) => one.facts);
  const volumes = new Set(facts.map((one) => (one['volume'] as { readonly name: string } | undefined)?.name));
  const binds = facts.flatMap((one) => (typeof one['hostPath'] === 'string' ? [one['hostPath']] : []));
  const reasons = sealed.uncovered.map(({ subject }) => subject);
  const configured = JSON.stringify(sealed.components['config']?.facts['files']);
  const ids = await list(['ps', '--all', '--quiet'], project.name);
  const inspected = JSON.parse((await docker(['inspect', ...ids])).stdout) as readonly {
    readonly Config: { readonly Labels: Record<string, string> };
    readonly HostConfig: { readonly Tmpfs?: Record<string, string> };
    readonly Mounts: readonly { readonly Type: string; readonly Name?: string; readonly Source: string; readonly Destination: string }[];
  }[]; // the engine's own JSON
  const missing: string[] = [];
  for (const { Config, HostConfig, Mounts } of inspected) {
    const service = Config.Labels['com.docker.compose.service'] ?? '';
    for (const mount of Mounts) {
      const where = `${service}:${mount.Destination}`;
      const dumped = mount.Destination === '/var/lib/postgresql/data' && `globals/${service}` in sealed.components;
      const inBind = binds.some((path) => mount.Source === path || mount.Source.startsWith(`${path}/`));
      const asConfig = configured.includes(mount.Source.split('/').at(-1) ?? mount.Source);
      const named = reasons.includes(where) || reasons.includes(`bind ${mount.Source}`);
      const covered = mount.Type === 'volume' ? volumes.has(mount.Name) || dumped : mount.Type === 'bind' && (inBind || asConfig);
      if (!covered && !named) missing.push(where);
    }
    for (const target of Object.keys(HostConfig.Tmpfs ?? {}))
      if (!reasons.includes(`${service}:${target}`)) missing.push(`${service}:${target}`);
  }
  for (const name of await list(['volume', 'ls', '--quiet'], project.name)) {
    const holdsCluster = inspected.some(({ Mounts }) =>
      Mounts.some((mount) => mount.Name === name && mount.Destination === '/var/lib/postgresql/data'),
    );
    if (!volumes.has(name) && !holdsCluster) missing.push(`volume ${name}`);
  }
  expect(missing).toEqual([]);
}

/** Compares every extracted tree with its source; `keeps` says what of a line the transport must keep. */
export async function expectTreesEqual(
  manifest: Manifest,
  target: string,
  keeps: (line: string) => string = (line) => line,
): Promise<readonly string[]> {
  const compared: string[] = [];
  for (const [id, { facts }] of Object.entries(manifest.sealed.components)) {
    const source = await sourceOf(facts);
    if (source === null) continue;
    compared.push(id);
    const extracted = join(target, id);
    if (!(await lstat(source)).isDirectory()) {
      await expectSingleFile(source, extracted);
      continue;
    }
    const expected = fingerprintTree(source).filter((line) => !isLeftOut(id, line));
    expect(fingerprintTree(extracted).map(keeps), id).toEqual(expected.map(keeps));
  }
  return compared;
}

/** What is left out of the project's own folder and by the exclude pattern of one volume. */
export function isLeftOut(id: string, line: string): boolean {
  if (id === 'bind/app/app') return / \.\/(?:backups|logs|src\/__pycache__)(?:\/|$)/.test(line);
  return id === 'volume/filtered' && line.endsWith(' ./left.tmp');
}

/** Host path of a captured tree; null for what is none. */
export async function sourceOf(facts: Manifest['sealed']['components'][string]['facts']): Promise<string | null> {
  if (typeof facts['hostPath'] === 'string') return facts['hostPath'];
  const volume = facts['volume'] as { readonly name: string; readonly options: Readonly<Record<string, string>> } | undefined;
  if (volume === undefined) return null;
  return volume.options['device'] ?? (await docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', volume.name])).stdout.trim();
}

async function expectSingleFile(source: string, extracted: string): Promise<void> {
  const name = source.split('/').at(-1) ?? '';
  expect(await readdir(extracted)).toEqual([name]);
  expect(await readFile(join(extracted, name))).toEqual(await readFile(source));
  const [before, after] = await Promise.all([lstat(source), lstat(join(extracted, name))]);
  expect([after.mode, after.uid, after.gid, Math.floor(after.mtimeMs / 1000)]).toEqual([
    before.mode,
    before.uid,
    before.gid,
    Math.floor(before.mtimeMs / 1000),
  ]);
}

/** Every configuration file of the project, and no other, byte by byte; secrets from outside the folder too. */
export async function expectConfigEqual(project: AwkwardProject, target: string): Promise<void> {
  const inside = [
    '.env',
    'compose.override.yaml',
    'compose.yaml',
    'config/app.conf',
    'env/app.env',
    'env/db17.env',
    'notes/how to.md',
    'parts/base.env',
    'parts/base.yaml',
    'parts/cache.yaml',
    'secrets/db15_password',
    'tools/Dockerfile.tools',
  ];
  const wanted = new Map([
    ...inside.map((path) => [`project/${path}`, join(project.directory, path)] as const),
    [`host${join(project.outside, 'outside-secret')}`, join(project.outside, 'outside-secret')] as const,
  ]);
  const root = join(target, 'config');
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const found = entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name).slice(root.length + 1));
  expect(found.toSorted()).toEqual([...wanted.keys(), 'resolved.json'].toSorted());
  for (const [name, source] of wanted) expect(await readFile(join(root, name)), name).toEqual(await readFile(source));
  const resolved = JSON.parse(await readFile(join(root, 'resolved.json'), 'utf8')) as Record<string, unknown>; // our own format
  expect(resolved['environment']).toMatchObject({ BOUND_DEVICE: project.env['BOUND_DEVICE'] });
}

/** The state knows every container, volume, network and image that the engine has of the project. */
export async function expectStateComplete(project: AwkwardProject, target: string): Promise<void> {
  type Named = { readonly Id?: string; readonly Name?: string; readonly Image?: string };
  type State = Readonly<Record<'containers' | 'volumes' | 'networks' | 'images', readonly Named[]>>;
  const state = JSON.parse(await readFile(join(target, 'state.json'), 'utf8')) as State; // our own format
  const containers = await list(['ps', '--all', '--quiet', '--no-trunc'], project.name);
  const ids = (named: readonly Named[]): readonly string[] => named.map(({ Id }) => Id ?? '').toSorted();
  expect(ids(state.containers)).toEqual(containers.toSorted());
  expect(ids(state.networks)).toEqual((await list(['network', 'ls', '--quiet', '--no-trunc'], project.name)).toSorted());
  const used = (await docker(['inspect', '--format', '{{.Image}}', ...containers])).stdout.trim().split('\n');
  expect(ids(state.images)).toEqual([...new Set(used)].toSorted());
  const mounted = (await docker(['inspect', '--format', '{{range .Mounts}}{{if .Name}}{{println .Name}}{{end}}{{end}}', ...containers]))
    .stdout;
  const volumes = new Set([...mounted.split('\n'), ...(await list(['volume', 'ls', '--quiet'], project.name))].filter(Boolean));
  expect(state.volumes.map(({ Name }) => Name ?? '').toSorted()).toEqual([...volumes].toSorted());
}

async function list(command: readonly string[], project: string): Promise<readonly string[]> {
  const { stdout } = await docker([...command, '--filter', `label=com.docker.compose.project=${project}`]);
  return stdout.split('\n').filter((line) => line !== '');
}

export const CONTENT = String.raw`
SELECT n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner), obj_description(c.oid), (xpath('/row/h/text()', query_to_xml(
  format('SELECT count(*) || '':'' || coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), '''') AS h FROM %I.%I t', n.nspname, c.relname),
  false, true, '')))[1]
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'm', 'v') ORDER BY 1, 2;
SELECT * FROM pg_sequences ORDER BY 1, 2;
SELECT oid, md5(lo_get(oid)), pg_get_userbyid(lomowner) FROM pg_largeobject_metadata ORDER BY 1;
SELECT datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = current_database();
`;
export const SERVER = `
SELECT rolname, rolsuper, rolcanlogin, rolinherit, rolpassword FROM pg_authid WHERE rolname !~ '^pg_' AND rolname <> 'postgres' ORDER BY 1;
SELECT roleid::regrole, member::regrole FROM pg_auth_members WHERE roleid::regrole::text !~ '^pg_' ORDER BY 1, 2;
SELECT datname FROM pg_database WHERE datname <> 'postgres' ORDER BY 1;
`;

/** Restores the dumps and globals of a service into a server that was never used, and compares every row, owner, role and large object. */
export async function expectDatabasesRestorable(
  project: AwkwardProject,
  target: string,
  service: ServerName,
  manifest: Manifest,
): Promise<void> {
  const { images } = testEngine();
  const container = uniqueName('restored');
  const image = service === 'db15' ? images.postgres15 : images.postgres17;
  await docker(['run', '-d', '--init', '--network', 'none', '--name', container, '-e', 'POSTGRES_PASSWORD=fresh', image]);
  try {
    await docker(['exec', container, 'sh', '-c', 'until pg_isready -q -h 127.0.0.1; do sleep 0.05; done']);
    const globals = await readFile(join(target, 'globals', `${service}.sql`));
    const applied = await docker(['exec', '-i', container, 'psql', '-X', '-q', '-U', 'postgres'], { input: globals });
    const errors = applied.stderr.split('\n').filter((line) => line.includes('ERROR'));
    expect(errors.filter((line) => !line.includes('role "postgres" already exists'))).toEqual([]);
    const prefix = `database/${service}/`;
    const dumps = manifest.components.map(({ id }) => id as string).filter((id) => id.startsWith(prefix));
    expect(dumps.map((id) => decodeURIComponent(id.slice(prefix.length))).toSorted()).toEqual(
      ['postgres', ...DATABASES[service]].toSorted(),
    );
    for (const id of dumps) {
      const database = decodeURIComponent(id.slice(prefix.length));
      const create = database === 'postgres' ? [] : ['--create'];
      const restore = ['exec', '-i', container, 'pg_restore', '-U', 'postgres', '--exit-on-error', ...create, '-d', 'postgres'];
      await docker(restore, { input: await readFile(join(target, `${id}.dump`)) });
      if (database === 'postgres') continue;
      expect(await psqlIn(container, 'postgres', database, CONTENT), id).toBe(await psql(project, service, database, CONTENT));
    }
    expect(await psqlIn(container, 'postgres', 'postgres', SERVER)).toBe(await psql(project, service, 'postgres', SERVER));
    expect(await psqlIn(container, 'postgres', 'postgres', SERVER)).toContain(/"[^"]+"/.exec(ROLES)?.[0].slice(1, -1) ?? 'no role');
  } finally {
    await docker(['rm', '-f', '-v', container]);
  }
}

/** Without attributes other than capabilities, fractions of seconds and holes. */
export function withoutArchiveLimits(line: string): string {
  return line
    .replaceAll(/(?:user|trusted|system)\.[\w.-]+="?0x[0-9a-f]*"? /g, '')
    .replace(/^(\S+ \d+ \d+ -?\d+) \S+ \S+ \S+ /, '$1 ')
    .replace(' sparse ', ' ')
    .replace(/ {2,}(?=\.(?:\/|$))/, ' ');
}
