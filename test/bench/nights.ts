import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureRestic } from '../support/debian-packages.ts';
import { runCommand } from '../support/run-command.ts';
import { databaseSql } from './data.ts';
import { checked } from './measure.ts';
import { type BenchSetup, writeProject } from './setup.ts';
import { BUILT } from './start.ts';
import { mib, ratio, table } from './table.ts';

const NIGHTS = 10;

/** About 1 % of the rows: 0.7 % appended, 0.25 % updated among the newest twentieth, 0.05 % anywhere. */
function changeSql(night: number): string {
  return `
select setseed(${night / 100});
insert into studies select top + i, 'patient-' || (i * 7919 % 1000003), timestamptz '2025-06-01' + ${night} * interval '1 day' + i * interval '3 seconds',
  'night ${night} study ' || i || ' ' || repeat(md5((i * 17 + ${night})::text) || ' ', 10), (i % 100000) / 100000.0
from (select max(id) as top, (count(*) * 0.007)::bigint as more from studies) s, generate_series(1::bigint, s.more) i;
update studies set score = random(), report = report || ' reviewed' where id > (select max(id) * 0.95 from studies) and random() < 0.05;
update studies set score = random() where random() < 0.0005;
`;
}

/** Set C: one database in ten nightly states; what ten backups store beside restic fed with the same raw dumps and beside ten compressed dumps. */
export async function benchNights(setup: BenchSetup): Promise<void> {
  const name = `${setup.name}c`;
  const folder = await writeProject(
    setup,
    'nights',
    `name: ${name}\nservices:\n  db:\n    image: ${setup.postgresImage}\n    environment: {POSTGRES_PASSWORD: bench}\n    volumes: [data:/var/lib/postgresql/data]\n    healthcheck: {test: [CMD, pg_isready, -h, 127.0.0.1], interval: 5s, retries: 60}\nvolumes:\n  data:\n`,
  );
  const compose = async (args: readonly string[], input?: string): Promise<string> =>
    (
      await runCommand('docker', ['compose', ...args], { cwd: folder, env: setup.env, ...(input === undefined ? {} : { input }) })
    ).stdout.trim();
  const psql = ['exec', '-T', 'db', 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-U', 'postgres'];
  const place = join(setup.directory, 'nights-repositories');
  await mkdir(place);
  const restic = await ensureRestic();
  const env = { ...setup.env, RESTIC_PASSWORD: 'bench', RESTIC_REPOSITORY: join(place, 'restic'), RESTIC_CACHE_DIR: join(place, 'cache') };
  await runCommand(restic, ['init'], { env });
  let rawBytes = 0;
  let compressedBytes = 0;
  try {
    await compose(['up', '-d', '--wait']);
    await compose(psql, databaseSql(setup.of(2e9)));
    const container = await compose(['ps', '-q', 'db']);
    for (let night = 0; night < NIGHTS; night += 1) {
      if (night > 0) await compose(psql, changeSql(night));
      const where = [
        '--project-directory',
        folder,
        '-f',
        join(folder, 'compose.yaml'),
        '-r',
        join(place, 'ours'),
        '--log-dir',
        join(place, 'logs'),
      ];
      await checked(process.execPath, [BUILT, ...where, '--component', 'database', '--json', 'backup', '--no-prune'], setup);
      const dump = 'docker exec "$1" pg_dump -Fc -Z"$2" -U postgres postgres';
      const size = async (level: string): Promise<number> =>
        Number((await runCommand('sh', ['-c', `${dump} | wc -c`, 'sh', container, level], { env })).stdout);
      rawBytes += await size('0');
      compressedBytes += await size('6');
      await runCommand('sh', ['-c', `${dump} | "$3" backup --quiet --stdin --stdin-filename db.dump`, 'sh', container, '0', restic], {
        env,
      });
    }
  } finally {
    await compose(['down', '-v', '-t', '1']);
  }
  const [ours, theirs] = await Promise.all([diskUsage(join(place, 'ours')), diskUsage(join(place, 'restic'))]);
  setup.say(`\nset C: ${NIGHTS} nightly dumps, together ${mib(rawBytes)}`);
  setup.say(
    table([
      ['', 'stored', 'ratio'],
      ['mcads-orchestrate', mib(ours), ratio(1)],
      ['restic, fed with pg_dump -Fc -Z0', mib(theirs), ratio(theirs / ours)],
      ['ten files of pg_dump -Fc -Z6', mib(compressedBytes), ratio(compressedBytes / ours)],
    ]),
  );
}

async function diskUsage(path: string): Promise<number> {
  return Number((await runCommand('du', ['-sb', path])).stdout.split('\t')[0]);
}
