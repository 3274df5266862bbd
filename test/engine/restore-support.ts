import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fingerprintLive } from '../support/awkward-tree.ts';
import { createProject, docker, engineEnv, type TestProjectFolder, testEngine } from '../support/engine.ts';
import type { CommandOptions } from '../support/run-command.ts';
import { backUp, containerOf, PASSWORD, psql, report, type Report } from './e2e-support.ts';

/** A shop: a database, a web service that depends on it, a worker that does not run, data in volumes and binds. */
const COMPOSE = `
x-mcads: {files: [notes.txt]}
services:
  db:
    image: \${POSTGRES_IMAGE}
    init: true
    environment: {POSTGRES_PASSWORD: "${PASSWORD}"}
    volumes: [db:/var/lib/postgresql/data]
    healthcheck: {test: [CMD-SHELL, pg_isready -q -h 127.0.0.1], interval: 3s, retries: 40}
  web:
    image: \${WEB_IMAGE}
    init: true
    command: [sh, -c, 'test ! -e /media/broken || exit 1; exec sleep infinity']
    depends_on: {db: {condition: service_healthy}}
    healthcheck: {test: [CMD-SHELL, 'test ! -e /media/sick'], interval: 3s, timeout: 5s, retries: 2}
    volumes:
      - media:/media
      - ./uploads:/uploads
      - "./règle один.conf:/etc/one.conf"
      - /scratch
    ports: ["127.0.0.1::8000"]
    networks: {default: {aliases: [shop]}, inner: {}}
  worker:
    image: \${WEB_IMAGE}
    init: true
    command: [sleep, infinity]
    volumes: [media:/media:ro]
  other:
    image: \${WEB_IMAGE}
    init: true
    command: [sleep, infinity]
    volumes: [untouched:/data]
volumes: {db: {}, media: {labels: {purpose: pictures}}, untouched: {}}
networks: {inner: {internal: true}}
`;

export const SCHEMA = `
create role app login password 'x';
create database shop owner app;
\\c shop
create table orders (id bigserial primary key, what text not null);
insert into orders (what) select 'order ' || i from generate_series(1, 2000) i;
create index on orders (what);
grant select on orders to app;
comment on table orders is 'what people bought';
`;

export interface Shop extends AsyncDisposable {
  readonly folder: TestProjectFolder;
  readonly name: string;
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Starts it, filled; the worker stays stopped. */
export async function startShop(): Promise<Shop> {
  const folder = await createProject({
    'compose.yaml': COMPOSE,
    '.env': 'GREETING=hello\n',
    'notes.txt': 'first\n',
    'règle один.conf': 'a = 1\n',
    'uploads/a/first.txt': 'first upload\n',
    'uploads/shared.txt': 'as it was\n',
  });
  const env = engineEnv();
  await folder.compose(['up', '-d', '--wait'], { env });
  await folder.compose(['stop', 'worker'], { env });
  const shop: Shop = {
    folder,
    name: folder.name,
    directory: folder.directory,
    env,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
  await psql(await containerOf(folder, 'db'), SCHEMA);
  await inWeb(
    shop,
    `mkdir -p /media/deep; echo picture > /media/deep/one.png; head -c 300000 /dev/zero > /media/large; chmod 2755 /media; echo own > /scratch/own`,
  );
  await docker(['exec', await containerOf(folder, 'other'), 'sh', '-c', 'echo untouched > /data/file']);
  return shop;
}

export async function inWeb(shop: Shop, script: string): Promise<string> {
  return (await docker(['exec', await containerOf(shop.folder, 'web'), 'sh', '-c', script])).stdout;
}

/** What the application would do after a backup: rows, files and settings that the snapshot does not have. */
export async function goOn(shop: Shop): Promise<void> {
  await psql(
    await containerOf(shop.folder, 'db'),
    `\\c shop\ninsert into orders (what) values ('later'); delete from orders where id < 10; create table if not exists later (x int);`,
  );
  await inWeb(
    shop,
    'echo later > /media/later.png; rm -f /media/deep/one.png; echo changed > /uploads/shared.txt; rm -rf /uploads/a; echo a=2 > /etc/one.conf; echo gone > /scratch/own',
  );
  await shop.folder.write('notes.txt', 'second\n');
}

export interface State {
  readonly trees: Readonly<Record<string, readonly string[]>>;
  readonly database: string;
  readonly roles: string;
  readonly running: Readonly<Record<string, string>>;
  readonly config: Readonly<Record<string, string>>;
}

const CONTENT = `
select datname, pg_get_userbyid(datdba), datconnlimit, datallowconn from pg_database where not datistemplate order by 1;
\\c shop
select relname, relkind, pg_get_userbyid(relowner), relacl::text, obj_description(oid) from pg_class where relnamespace = 'public'::regnamespace order by 1;
select md5(string_agg(o::text, '|' order by id)), count(*) from orders o;
`;

/** Everything that a restore could change: files to the last bit, rows, roles, what runs, configuration. Times of the roots included. */
export async function stateOfShop(shop: Shop): Promise<State> {
  const db = await containerOf(shop.folder, 'db');
  const volumes = { media: `${shop.name}_media`, untouched: `${shop.name}_untouched` };
  const trees: Record<string, readonly string[]> = { uploads: fingerprintLive(join(shop.directory, 'uploads')) };
  for (const [key, volume] of Object.entries(volumes)) trees[key] = fingerprintLive(await mountpoint(volume));
  const scratch = await docker([
    'inspect',
    '--format',
    '{{range .Mounts}}{{if eq .Destination "/scratch"}}{{.Source}}{{end}}{{end}}',
    await containerOf(shop.folder, 'web'),
  ]);
  trees['scratch'] = fingerprintLive(scratch.stdout.trim());
  const running: Record<string, string> = {};
  for (const service of ['db', 'web', 'worker', 'other']) {
    const id = await containerOf(shop.folder, service);
    running[service] = (await docker(['inspect', '--format', '{{.Id}} {{.State.Status}}', id])).stdout.trim();
  }
  const config: Record<string, string> = {};
  for (const name of ['compose.yaml', '.env', 'notes.txt', 'règle один.conf'])
    config[name] = await readFile(join(shop.directory, name), 'utf8');
  config['folder'] = (await readdir(shop.directory))
    .filter((name) => !['backups', 'logs'].includes(name) && !name.startsWith('.mcads-restore-'))
    .toSorted()
    .join(' ');
  return {
    trees,
    // What is kept for a rollback is told by leftOf.
    database: (await psql(db, CONTENT))
      .split('\n')
      .filter((line) => !line.includes('__mcads_'))
      .join('\n'),
    roles: createHash('sha256')
      .update(await psql(db, 'select rolname, rolsuper, rolcanlogin, rolpassword from pg_authid order by 1'))
      .digest('hex'),
    running,
    config,
  };
}

export async function mountpoint(volume: string): Promise<string> {
  return (await docker(['volume', 'inspect', '--format', '{{.Mountpoint}}', volume])).stdout.trim();
}

/** A complete snapshot's name. */
export async function snapshotOf(shop: Shop): Promise<string> {
  const made = await backUp(shop.folder);
  if (made.code !== 0 || made.snapshot === null) throw new Error(`backup ended with ${made.code}\n${made.stderr}\n${made.stdout}`);
  return made.snapshot.name;
}

export async function restoreShop(shop: Shop, args: readonly string[] = [], options: CommandOptions = {}): Promise<Report> {
  return report(['restore', 'latest', '--yes', ...args], { cwd: shop.directory, ...options });
}

/** Helpers, claims, journals of restores and databases that a restore made and did not clear away. */
export async function leftOf(shop: Shop): Promise<readonly string[]> {
  const marks = await docker([
    'ps',
    '-a',
    '--filter',
    'label=mcads.helper',
    '--filter',
    `label=mcads.project=${shop.name}`,
    '--format',
    '{{.Names}} {{.Labels}}',
  ]);
  const databases = await psql(await containerOf(shop.folder, 'db'), "select datname from pg_database where datname like '%mcads%'");
  const folders: string[] = [];
  for (const folder of [shop.directory, join(shop.directory, 'uploads'), await mountpoint(`${shop.name}_media`)])
    folders.push(...(await readdir(folder)).filter((name) => name.startsWith('.mcads-restore-')));
  return [...marks.stdout.split('\n'), ...databases.split('\n'), ...folders].filter((line) => line !== '');
}

/** The file of the largest chunk in the project's repository. */
export async function largestChunk(shop: Shop): Promise<string> {
  const chunks = join(shop.directory, 'backups', 'chunks');
  const files = (await readdir(chunks, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const sized = await Promise.all(
    files.map(async (file) => ({ path: join(file.parentPath, file.name), size: (await stat(join(file.parentPath, file.name))).size })),
  );
  return sized.toSorted((a, b) => b.size - a.size)[0]?.path ?? '';
}

/** When each container was started: another time is a restart. */
export async function startTimes(shop: Shop): Promise<string> {
  const ids = (await docker(['ps', '-aq', '--filter', `label=com.docker.compose.project=${shop.name}`])).stdout.trim().split('\n');
  return (await docker(['inspect', '--format', '{{.Name}} {{.State.StartedAt}}', ...ids])).stdout;
}

export { containerOf, docker, psql, report, testEngine };
