import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../support/run-command.ts';
import { databaseSql, writeTree } from './data.ts';
import { checked, median, type Measured } from './measure.ts';
import { type BenchSetup, writeProject } from './setup.ts';
import { BUILT } from './start.ts';
import { mib, ratio, seconds, table } from './table.ts';

interface Restored {
  readonly services: readonly { readonly name: string; readonly downSeconds: number | null }[];
}

interface Drilled {
  readonly rtoSeconds: number;
}

/**
 * A running project's database and volume brought back in place, proven and swapped, with the time that each service is down; beside the two
 * commands that people use for it, with the services down all the while: `pg_restore --clean` and `docker cp`. Then a drill of the same.
 */
export async function benchRestore(setup: BenchSetup): Promise<void> {
  const name = `${setup.name}re`;
  const folder = await writeProject(
    setup,
    'restore',
    `name: ${name}
services:
  db:
    image: ${setup.postgresImage}
    environment: {POSTGRES_PASSWORD: bench}
    volumes: [data:/var/lib/postgresql/data]
    healthcheck: {test: [CMD, pg_isready, -h, 127.0.0.1], interval: 5s, retries: 60}
  web:
    image: ${setup.baseImage}
    init: true
    command: [sleep, infinity]
    depends_on: {db: {condition: service_healthy}}
    volumes: [media:/media]
volumes: {data: {}, media: {}}
`,
  );
  const compose = async (...args: string[]): Promise<string> =>
    (await runCommand('docker', ['compose', ...args], { cwd: folder, env: setup.env })).stdout.trim();
  const repository = join(setup.directory, 'restore-repository');
  const logs = join(setup.directory, 'logs');
  const common = [BUILT, '--project-directory', folder, '-f', join(folder, 'compose.yaml'), '-r', repository, '--log-dir', logs, '--json'];
  const tool = (...args: readonly string[]): readonly string[] => [...common, ...args];
  try {
    await compose('up', '-d', '--wait');
    await writeFile(join(folder, 'data.sql'), databaseSql(setup.of(500e6)));
    await compose('cp', join(folder, 'data.sql'), 'db:/tmp/data.sql');
    await compose('exec', '-T', 'db', 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-U', 'postgres', '-f', '/tmp/data.sql');
    const media = (
      await runCommand('docker', ['volume', 'inspect', '--format', '{{.Mountpoint}}', `${name}_media`], { env: setup.env })
    ).stdout.trim();
    const made = await writeTree(media, { files: setup.of(20_000), bytes: setup.of(1e9), seed: 7 });
    await checked(process.execPath, tool('backup'), setup);
    const dump = join(setup.directory, 'plain.dump');
    await runCommand('sh', ['-c', 'docker compose exec -T db pg_dump -U postgres -Fc -Z0 postgres > "$1"', 'sh', dump], {
      cwd: folder,
      env: setup.env,
    });
    await compose('cp', dump, 'db:/tmp/plain.dump');
    const copy = join(setup.directory, 'copy');
    await runCommand('cp', ['-a', media, copy]);
    const ours: Measured[] = [];
    const plain: Measured[] = [];
    const cp: Measured[] = [];
    const drills: Measured[] = [];
    const recovery: number[] = [];
    const down = new Map<string, number[]>();
    for (let round = 0; round < setup.rounds; round += 1) {
      const run = await checked(
        process.execPath,
        tool('restore', 'latest', '--yes', '--keep-old', '0', '--component', 'database', '--component', 'volume/media'),
        setup,
      );
      ours.push(run);
      const { services } = JSON.parse(run.stdout) as Restored; // the contract of restore --json
      for (const service of services) down.set(service.name, [...(down.get(service.name) ?? []), service.downSeconds ?? 0]);
      const database = [
        'compose',
        'exec',
        '-T',
        'db',
        'pg_restore',
        '-U',
        'postgres',
        '--clean',
        '--if-exists',
        '-d',
        'postgres',
        '/tmp/plain.dump',
      ];
      plain.push(
        await checked(
          'docker',
          ['--log-level', 'error', ...database.slice(0, 1), '--project-directory', folder, ...database.slice(1)],
          setup,
        ),
      );
      cp.push(await checked('docker', ['cp', '-a', `${copy}/.`, `${name}-web-1:/media`], setup));
      await runCommand('diff', ['-rq', '--no-dereference', copy, media]);
      const drill = await checked(
        process.execPath,
        tool('drill', '--component', 'database', '--component', 'globals', '--component', 'volume/media'),
        setup,
      );
      drills.push(drill);
      recovery.push((JSON.parse(drill.stdout) as Drilled).rtoSeconds); // the contract of drill --json
    }
    const time = (runs: readonly Measured[]): number => median(runs.map((run) => run.seconds));
    setup.say(
      `\nrestore in place: a database of ${mib(setup.of(500e6))} and a volume of ${made.files} files, ${mib(made.bytes)}; ${setup.rounds} rounds in turn, medians`,
    );
    setup.say(
      table([
        ['', 'time', 'ratio'],
        ['restore, compared with what was recorded and swapped', seconds(time(ours)), ratio(1)],
        [
          'pg_restore --clean, then docker cp -a (nothing compared)',
          seconds(time(plain) + time(cp)),
          ratio((time(plain) + time(cp)) / time(ours)),
        ],
        ['  of it pg_restore', seconds(time(plain)), ''],
        ['  of it docker cp', seconds(time(cp)), ''],
        ...[...down].map(([service, times]) => [`downtime of ${service}`, seconds(median(times)), '']),
        ['drill of the same, to level 5', seconds(time(drills)), ratio(time(drills) / time(ours))],
        ['  of it recovery (RTO)', seconds(median(recovery)), ratio(median(recovery) / time(ours))],
        ['peak memory of our processes', mib(Math.max(...[...ours, ...drills].map((run) => run.peakBytes))), ''],
      ]),
    );
  } finally {
    await compose('down', '-v', '-t', '1');
    await rm(repository, { recursive: true, force: true });
  }
}
