import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createAwkwardTree } from './awkward-tree.ts';
import { createProject, docker, engineEnv, type TestProjectFolder, testEngine } from './engine.ts';

/** A running project with everything that a Compose project can hold against a backup. */
export interface AwkwardProject extends AsyncDisposable {
  readonly name: string;
  /** The project's folder; `outside` is the one above it, not bound as a whole. */
  readonly directory: string;
  readonly outside: string;
  /** For the tool and for Compose: the engine, the images, what the files take from the environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly folder: TestProjectFolder;
  /** Host path of a volume, by its key in the Compose file. */
  mountpoint(key: string): Promise<string>;
}

export interface AwkwardOptions {
  /** False: no servers, for tests that are not about them. */
  readonly databases: boolean;
}

/** Names that trip shells, URLs, SQL, file names and ids. */
export const DATABASES = {
  db15: ['app', `Quo"ted 'and' spaced`, 'UPPER', 'ünï-日本', '../%41\\b'],
  db17: ['app', `Quo"ted 'and' spaced`],
} as const;
export type ServerName = keyof typeof DATABASES;

const databaseServices = `
  db15:
    image: \${POSTGRES_IMAGE}
    init: true
    environment:
      POSTGRES_PASSWORD_FILE: /run/secrets/db15_password
      POSTGRES_USER: owner
      POSTGRES_DB: app
    secrets: [db15_password]
    volumes: [db15:/var/lib/postgresql/data]
    healthcheck: &ready {test: [CMD-SHELL, pg_isready -q -h 127.0.0.1], interval: 3s, retries: 40}
  # Its cluster lies in the anonymous volume that the image asks for.
  db17:
    image: \${POSTGRES17_IMAGE}
    init: true
    env_file: [env/db17.env]
    healthcheck: *ready
`;

const composeFile = (options: AwkwardOptions, subpath: boolean): string => `
include: [parts/cache.yaml]
x-mcads:
  files: [notes/*.md]
  volumes:
    filtered: {exclude: ['*.tmp']}
x-sleep: &sleep {image: "\${WEB_IMAGE}", init: true, command: [sleep, infinity]}
services:${options.databases ? databaseServices : ''}
  app:
    extends: {file: parts/base.yaml, service: base}
    env_file: [{path: env/app.env}, {path: env/missing.env, required: false}]
    configs: [{source: app_config, target: /etc/app.conf}]
    secrets: [app_secret]
    tmpfs: /run/scratch
    volumes:
      - .:/app
      - awkward:/data
      - nested:/data/inner
      - shared:/shared
      - filtered:/filtered
      - outer:/outer
      - bound:/bound
      - ../tree:/tree
      - ../read-only:/read-only:ro
      - ../single file.conf:/etc/single.conf:ro
      - ../control:/control.socket
      - {type: tmpfs, target: /memory}
${subpath ? '      - {type: volume, source: awkward, target: /sub, volume: {subpath: deep}}' : ''}
  worker:
    <<: *sleep
    deploy: {replicas: 2}
    command: [sh, -c, 'hostname > /scratch/own; exec sleep infinity']
    volumes: [/scratch, shared:/also-shared:ro]
  static-only:
    <<: *sleep
    image: \${NOSHELL_IMAGE}
    command: []
    volumes: [assets:/assets]
  tools:
    <<: *sleep
    profiles: [tools]
    build: {context: tools, dockerfile: Dockerfile.tools}
    volumes: [for-tools:/tools, ../tools-data:/tools-data]
volumes:
  db15:
  awkward:
  nested:
  shared: {name: "\${COMPOSE_PROJECT_NAME}-under-another-name"}
  filtered:
  assets:
  outer: {external: true, name: "\${COMPOSE_PROJECT_NAME}-external"}
  bound: {driver: local, driver_opts: {type: none, o: bind, device: "\${BOUND_DEVICE:?}"}}
  unused:
  for-tools:
configs:
  app_config: {file: ./config/app.conf}
secrets:
  db15_password: {file: ./secrets/db15_password}
  app_secret: {file: ../outside-secret}
`;

const files: Readonly<Record<string, string>> = {
  '.env': 'GREETING="hello $WORLD"\nWORLD=world # from .env\n',
  'parts/base.yaml':
    'services:\n  base:\n    image: ${WEB_IMAGE}\n    init: true\n    command: [sleep, infinity]\n    env_file: [base.env]\n    environment: [GREETING]\n',
  'parts/base.env': 'FROM_BASE=1\n',
  'parts/cache.yaml':
    'services:\n  cache:\n    image: ${WEB_IMAGE}\n    init: true\n    command: [sleep, infinity]\n    volumes: [cache:/cache]\nvolumes:\n  cache:\n',
  'compose.override.yaml': 'services:\n  app:\n    environment: {OVERRIDDEN: "yes"}\n',
  'env/app.env': "# comment\nAPP_KEY='$not interpolated'\n",
  'env/db17.env': 'POSTGRES_PASSWORD=from an env file\n',
  'config/app.conf': 'a = 1\r\nb = \u00e9\n',
  'secrets/db15_password': 'p@ss "word" $1\n',
  'notes/how to.md': '# notes\n',
  'notes/not-wanted.txt': 'no\n',
  'tools/Dockerfile.tools': 'FROM scratch\n',
  'src/main.py': 'print("app")\n',
  'src/__pycache__/main.cpython-311.pyc': 'compiled',
  // The run's own folder would else appear in the project between two backups.
  'logs/.keep': '',
};

/** Starts it and resolves once it is healthy, filled, and every time in it is old enough to be trusted. */
export async function startAwkwardProject(options: AwkwardOptions): Promise<AwkwardProject> {
  await using undo = new AsyncDisposableStack();
  const folder = undo.use(await createProject(files));
  const outside = join(folder.directory, '..');
  const { images } = testEngine();
  const env = {
    ...engineEnv(),
    POSTGRES17_IMAGE: images.postgres17,
    NOSHELL_IMAGE: images.noshell,
    COMPOSE_PROJECT_NAME: folder.name,
    BOUND_DEVICE: join(outside, 'bound'),
  };
  const [major = '1', minor = '0'] = (await docker(['version', '--format', '{{.Server.APIVersion}}'])).stdout.trim().split('.');
  const subpath = Number(major) === 1 && Number(minor) >= 45;
  await folder.write('compose.yaml', composeFile(options, subpath));
  for (const name of ['tree', 'bound', 'read-only', 'tools-data']) await mkdir(join(outside, name));
  await writeFile(join(outside, 'single file.conf'), 'single\n', { mode: 0o640 });
  await writeFile(join(outside, 'outside-secret'), 'hush\n', { mode: 0o600 });
  await writeFile(join(outside, 'read-only', 'fixed'), 'fixed\n');
  await writeFile(join(outside, 'bound', 'behind a volume'), 'bound\n');
  await writeFile(join(outside, 'tools-data', 'tool'), 'tool\n');
  createAwkwardTree(join(outside, 'tree'));
  const listener = createServer().listen(join(outside, 'control'));
  undo.adopt(listener, (server) => void server.close());
  await once(listener, 'listening');

  await docker(['volume', 'create', `${folder.name}-external`]);
  const labels = [`com.docker.compose.project=${folder.name}`, 'com.docker.compose.volume=unused'].flatMap((label) => ['--label', label]);
  await docker(['volume', 'create', ...labels, `${folder.name}_unused`]);
  await folder.compose(['create'], { env });
  const project: AwkwardProject = {
    name: folder.name,
    directory: folder.directory,
    outside,
    env,
    folder,
    mountpoint: async (key) => {
      const names: Readonly<Record<string, string>> = { shared: `${folder.name}-under-another-name`, outer: `${folder.name}-external` };
      const name = names[key] ?? `${folder.name}_${key}`;
      return (await docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', name])).stdout.trim();
    },
    [Symbol.asyncDispose]: async () => kept.disposeAsync(),
  };
  await fill(project);
  await folder.compose(['up', '-d', '--wait'], { env });
  const upAt = Date.now();
  if (options.databases) for (const service of ['db15', 'db17'] as const) await fillServer(project, service);
  // A backup does not trust times of the last two seconds: another change could still get the same. Starting servers takes longer.
  await delay(Math.max(0, upAt + 2100 - Date.now()));
  const kept = undo.move();
  return project;
}

async function fill(project: AwkwardProject): Promise<void> {
  const awkward = await project.mountpoint('awkward');
  await mkdir(join(awkward, 'inner')); // where `nested` is mounted
  createAwkwardTree(awkward);
  const small = ['nested', 'shared', 'outer', 'unused', 'assets', 'cache'];
  for (const key of small) await writeFile(join(await project.mountpoint(key), `of ${key}`), `${key}\n`);
  // More than one segment, so that a change shows which of them is read again.
  const outer = await project.mountpoint('outer');
  for (let i = 0; i < 100; i += 1) await writeFile(join(outer, `file ${i}`), randomBytes(10_000));
  const filtered = await project.mountpoint('filtered');
  await writeFile(join(filtered, 'kept'), 'kept');
  await writeFile(join(filtered, 'left.tmp'), 'left out');
  await mkdir(join(await project.mountpoint('shared'), 'cache'));
  await utimes(join(await project.mountpoint('shared'), 'cache'), 1_000_000_000.25, 1_000_000_000.25);
}

const SCHEMA = `
CREATE TABLE "Mixed Case" (id bigserial PRIMARY KEY, "wei""rd col" text, at timestamptz DEFAULT '2024-02-29 12:00Z', raw bytea, doc jsonb);
INSERT INTO "Mixed Case" ("wei""rd col", raw, doc)
  SELECT CASE WHEN i % 7 = 0 THEN NULL ELSE E'tab\\t newline\\n \\\\ backslash \\\\. ' || i END, sha256(i::text::bytea), jsonb_build_object('n', i)
  FROM generate_series(1, 5000) i;
CREATE TABLE measure (day date NOT NULL, value numeric, double_value numeric GENERATED ALWAYS AS (value * 2) STORED) PARTITION BY RANGE (day);
CREATE TABLE measure_2023 PARTITION OF measure FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE measure_rest PARTITION OF measure DEFAULT;
INSERT INTO measure SELECT date '2023-06-01' + i, i / 3.0 FROM generate_series(1, 900) i;
CREATE TABLE empty_table (nothing int);
CREATE VIEW seen AS SELECT count(*) FROM measure;
CREATE MATERIALIZED VIEW summary AS SELECT date_trunc('month', day) AS month, sum(value) AS total FROM measure GROUP BY 1;
CREATE UNLOGGED TABLE fleeting AS SELECT 1 AS one;
CREATE SCHEMA "Other schema" CREATE TABLE "t.a.b" (x int);
INSERT INTO "Other schema"."t.a.b" VALUES (1), (2);
CREATE FUNCTION twice(i int) RETURNS int LANGUAGE sql IMMUTABLE AS $f$ SELECT i * 2 $f$;
SELECT lo_from_bytea(424242, decode(repeat('00ff10', 50000), 'hex'));
COMMENT ON TABLE empty_table IS 'a comment; with ''quotes''';
`;

export const ROLES = `CREATE ROLE "o'brien reader" LOGIN PASSWORD 'x''y'; CREATE ROLE groupie; GRANT groupie TO "o'brien reader";`;

async function fillServer(project: AwkwardProject, service: ServerName): Promise<void> {
  await psql(project, service, 'postgres', ROLES);
  for (const database of DATABASES[service]) {
    if (database !== 'app' || service !== 'db15')
      await psql(project, service, 'postgres', `CREATE DATABASE "${database.replaceAll('"', '""')}" OWNER groupie`);
    await psql(project, service, database, SCHEMA);
  }
}

/** Runs SQL in a database of a service; rows unaligned. */
export async function psql(project: AwkwardProject, service: ServerName, database: string, sql: string): Promise<string> {
  const user = service === 'db15' ? 'owner' : 'postgres';
  const container = (await project.folder.compose(['ps', '-q', service], { env: project.env })).stdout.trim();
  return psqlIn(container, user, database, sql);
}

export async function psqlIn(container: string, user: string, database: string, sql: string): Promise<string> {
  const name = `dbname='${database.replaceAll(/[\\']/g, (char) => `\\${char}`)}'`;
  const args = ['exec', '-i', container, 'psql', '-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1', '-U', user, '-d', name];
  return (await docker(args, { input: sql })).stdout.trimEnd();
}
