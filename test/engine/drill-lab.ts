import { isJsonObject, type Bytes, type JsonObject, type JsonValue } from '../../src/domain/byte-stream.ts';
import { databaseAdapters } from '../../src/databases/registry.ts';
import type { Manifest, ManifestArtifact } from '../../src/domain/manifest.ts';
import type { Engine, ExecHandle } from '../../src/domain/ports.ts';
import type { TreeTarget } from '../../src/domain/restore-ports.ts';
import { snapshotName } from '../../src/domain/snapshot-name.ts';
import { drill } from '../../src/pipeline/drill.ts';
import type { DrillPorts, DrillRequest, DrillResult } from '../../src/pipeline/drill-requests.ts';
import { McadsError } from '../../src/errors.ts';
import { openRepository } from '../../src/repository/open-repository.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { fingerprintTree } from '../support/awkward-tree.ts';
import { createProject, docker, type TestProjectFolder, testEngine } from '../support/engine.ts';
import { NO_SETTINGS } from '../support/project-builder.ts';
import { putArtifact } from '../support/repository-fixture.ts';
import { openTestEngine } from './docker-fixture.ts';
import { backUp, containerOf, PASSWORD, psql } from './e2e-support.ts';

const COMPOSE = (): string => `
services:
  db:
    image: ${testEngine().images.postgres15}
    environment: {POSTGRES_PASSWORD: "${PASSWORD}"}
    command: [-c, fsync=off]
    volumes: [db:/var/lib/postgresql/data]
    healthcheck: {test: [CMD-SHELL, pg_isready -q -h 127.0.0.1], interval: 3s, retries: 40}
  web:
    image: ${testEngine().images.debian}
    init: true
    command: [sleep, infinity]
    depends_on: {db: {condition: service_healthy}}
    volumes: [media:/media, ./one.conf:/etc/one.conf, /var/run/docker.sock:/var/run/docker.sock]
    ports: ["127.0.0.1::8000"]
    restart: unless-stopped
    healthcheck: {test: [CMD-SHELL, test -e /etc/one.conf], interval: 3s, retries: 3}
volumes: {db: {}, media: {}}
`;

const SCHEMA = `
create role app login password 'x';
create role reader;
create database shop owner app;
\\c shop
create table orders (what text not null);
insert into orders select 'order ' || i from generate_series(1, 200) i;
create index by_what on orders (what);
grant select on orders to reader;
`;

export const DATABASE = ['database/db/shop', 'globals/db'];
export const FILES = ['volume/media'];

export interface Lab extends AsyncDisposable {
  readonly folder: TestProjectFolder;
  readonly engine: Engine;
  readonly repository: Repository;
  readonly manifest: Manifest;
  /** Runs, files and rows of the live project. */
  fingerprint(): Promise<unknown>;
  drill(request: Partial<DrillRequest>, ports?: Partial<DrillPorts>): Promise<DrillResult>;
  /** A snapshot that is the good one but for what is given here; resolves with its name. */
  doctored(change: Doctoring): Promise<string>;
  bytesOf(component: string, artifact?: ManifestArtifact['name']): Promise<Buffer>;
}

export interface Doctoring {
  /** Component → new bytes of its data. */
  readonly data?: Readonly<Record<string, Buffer>>;
  /** Component → changed facts. */
  readonly facts?: Readonly<Record<string, (facts: Readonly<Record<string, JsonValue>>) => Readonly<Record<string, JsonValue>>>>;
}

const signal = new AbortController().signal;

export async function openLab(): Promise<Lab> {
  const folder = await createProject({ 'compose.yaml': COMPOSE(), 'one.conf': 'a = 1\n' });
  await folder.compose(['up', '-d', '--wait']);
  const db = await containerOf(folder, 'db');
  const web = await containerOf(folder, 'web');
  await psql(db, SCHEMA);
  const fill =
    'cd /media; echo picture > one.png; mkdir deep; echo two > deep/two; truncate -s 1M hole; echo end >> hole; ln one.png again';
  await docker(['exec', web, 'sh', '-c', fill]);
  const made = await backUp(folder);
  if (made.snapshot === null || made.snapshot.completeness !== 'complete') throw new Error(`${made.stdout}\n${made.stderr}`);
  const engine = await openTestEngine();
  const open = (mode: 'read' | 'write'): Promise<Repository> =>
    openRepository({ path: `${folder.directory}/backups`, mode, create: false });
  const repository = await open('write');
  const manifest = await repository.manifest(made.snapshot.name);
  const mountpoint = (await docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', `${folder.name}_media`])).stdout.trim();
  let doctored = 0;
  const bytesOf = async (component: string, name: ManifestArtifact['name'] = 'data'): Promise<Buffer> => {
    const artifact = manifest.components.find(({ id }) => id === component)?.artifacts.find((one) => one.name === name);
    if (artifact === undefined) throw new TypeError(component);
    return Buffer.concat(await collect(repository.read(artifact, signal)));
  };
  return {
    folder,
    engine,
    repository,
    manifest,
    bytesOf,
    async fingerprint() {
      const { stdout } = await docker(['inspect', '--format', '{{.Id}} {{.State.StartedAt}} {{.State.Status}} {{.RestartCount}}', db, web]);
      const sql = `\\c shop\nselect count(*), md5(string_agg(what, ',' order by what)) from orders; select count(*) from pg_roles; select datname from pg_database order by 1`;
      return { stdout, rows: await psql(db, sql), files: fingerprintTree(mountpoint) };
    },
    async drill(request, ports = {}) {
      const asked: DrillRequest = {
        snapshot: manifest.name,
        components: [],
        level: 5,
        services: false,
        keepForMs: 0,
        maxDurationMs: 900_000,
        healthTimeoutMs: 120_000,
        serverTimeoutMs: 600_000,
        jobs: 1,
        transport: 'auto',
        helperImage: null,
        memoryBytes: 512 * 1024 * 1024,
        ...request,
      };
      return drill(
        asked,
        {
          engine,
          adapters: databaseAdapters,
          assertions: [],
          openRepository: () => open('read'),
          loadCompose: async () => Promise.reject(new McadsError('nothing-found', 'no files')),
          settingsFor: () => ({ forService: () => SETTINGS, forVolume: () => SETTINGS }),
          tool: { name: 'test', version: '0' },
          by: { user: 'tester', host: 'here' },
          now: () => new Date(),
          run: crypto.randomUUID().replaceAll('-', '').slice(0, 12),
          events: () => undefined,
          ...ports,
        },
        signal,
      );
    },
    async doctored({ data = {}, facts = {} }) {
      doctored += 1;
      const { project } = manifest.sealed;
      const name = snapshotName(project, 'docker', new Date(Date.parse(manifest.sealed.startedAt) + doctored * 60_000)).full;
      await using writer = await repository.begin(name, project, signal);
      const components = [];
      for (const component of manifest.components) {
        const bytes = data[component.id];
        const artifacts = [];
        for (const artifact of component.artifacts)
          artifacts.push(bytes !== undefined && artifact.name === 'data' ? await putArtifact(writer, bytes, artifact.format) : artifact);
        components.push({ ...component, artifacts });
      }
      const details = Object.fromEntries(
        Object.entries(manifest.sealed.components).map(([id, one]) => [id, { ...one, facts: facts[id]?.(one.facts) ?? one.facts }]),
      );
      await writer.commit({ ...manifest, name, components, sealed: { ...manifest.sealed, components: details } }, '');
      return name;
    },
    async [Symbol.asyncDispose]() {
      await repository[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const SETTINGS = { settings: NO_SETTINGS, failure: null };

async function collect(bytes: Bytes): Promise<readonly Uint8Array[]> {
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part);
  return parts;
}

/** The real engine, with somebody who spoils what was restored: after a program has ended well in a container, or after a tree is in place. */
export function spoiled(
  engine: Engine,
  spoil: {
    readonly after?: readonly [program: string, work: (container: string, signal: AbortSignal) => Promise<void>];
    readonly volume?: (name: string) => Promise<void>;
  },
): Engine {
  return {
    ...engine,
    async exec(container, argv, options, own): Promise<ExecHandle> {
      const handle = await engine.exec(container, argv, options, own);
      // Asked for its version only, it has done nothing yet.
      if (spoil.after === undefined || argv[0] !== spoil.after[0] || !argv.includes('-d')) return handle;
      const [, work] = spoil.after;
      const exit = handle.exit.then(async (ended) => {
        await work(container, own);
        return ended;
      });
      exit.catch(() => undefined); // awaited by whoever asked
      return { stdout: handle.stdout, exit };
    },
    async openTarget(place, options, own): Promise<TreeTarget> {
      const target = await engine.openTarget(place, options, own);
      const { volume } = spoil;
      if (volume === undefined || place.mount.type !== 'volume') return target;
      const { name } = place.mount;
      return {
        place: target.place,
        transport: target.transport,
        swaps: target.swaps,
        stage: (run, tar, inner) => target.stage(run, tar, inner),
        scanStaged: (run, inner) => target.scanStaged(run, inner),
        scanLive: (inner) => target.scanLive(inner),
        swap: (run, kept, inner) => target.swap(run, kept, inner),
        hash: (paths, inner) => target.hash(paths, inner),
        revert: (run, inner, since) => target.revert(run, inner, since),
        assertRevertible: (run, rootInode, inner) => target.assertRevertible(run, rootInode, inner),
        holdsReplaced: (run, inner) => target.holdsReplaced(run, inner),
        discard: async (run, inner) => {
          await target.discard(run, inner);
          await volume(name);
        },
        [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
      };
    },
  };
}

/** A statement in a database of a container, as its superuser. */
export async function sqlIn(container: string, database: string, sql: string): Promise<void> {
  await docker([
    'exec',
    '-e',
    `PGPASSWORD=${PASSWORD}`,
    container,
    'psql',
    '-U',
    'postgres',
    '-X',
    '-q',
    '-v',
    'ON_ERROR_STOP=1',
    '-d',
    database,
    '-c',
    sql,
  ]);
}

/** The database that is being built in a container. */
export async function temporaryDatabase(container: string): Promise<string> {
  const sql = "select datname from pg_database where datname like '%mcads%'";
  const { stdout } = await docker([
    'exec',
    '-e',
    `PGPASSWORD=${PASSWORD}`,
    container,
    'psql',
    '-U',
    'postgres',
    '-X',
    '-A',
    '-t',
    '-c',
    sql,
  ]);
  return stdout.trim();
}

export async function leftOfDrills(project: string): Promise<readonly string[]> {
  const filter = ['--filter', `label=mcads.drill.project=${project}`];
  const lists = [
    await docker(['ps', '--all', ...filter, '--format', '{{.Names}}']),
    await docker(['network', 'ls', ...filter, '--format', '{{.Name}}']),
    await docker(['volume', 'ls', ...filter, '--format', '{{.Name}}']),
  ];
  return lists.flatMap(({ stdout }) => stdout.split('\n').filter((line) => line !== ''));
}

/** `L3 database: …` of every check that did not hold. */
export function failures({ evidence }: DrillResult): readonly string[] {
  return evidence.checks.filter(({ ok }) => !ok).map(({ level, name, detail }) => `L${level} ${name}: ${detail}`);
}

/** The recorded state with something else in the containers of a service. */
export function withContainer(state: Buffer, service: string, change: (json: JsonObject) => JsonObject): Buffer {
  const parsed = JSON.parse(state.toString()) as { readonly containers: readonly JsonObject[] }; // as captureState wrote it
  const containers = parsed.containers.map((json) => {
    const labels = isJsonObject(json['Config']) && isJsonObject(json['Config']['Labels']) ? json['Config']['Labels'] : {};
    return labels['com.docker.compose.service'] === service ? change(json) : json;
  });
  return Buffer.from(JSON.stringify({ ...parsed, containers }));
}

export { docker };
