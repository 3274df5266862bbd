import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../support/run-command.ts';
import { databaseSql } from './data.ts';
import { type BenchSetup, writeProject } from './setup.ts';
import { measure, median, type Measured } from './measure.ts';
import { BUILT } from './start.ts';
import { mib, ratio, seconds, table } from './table.ts';

interface DumpFacts {
  readonly bytes: number;
  readonly dumpSeconds: number;
  readonly checkSeconds: number;
}

/** A 2 GB database: our dump from first to last byte beside `docker exec … pg_dump -Fc -Z0` into nowhere, the read-back apart. */
export async function benchDatabase(setup: BenchSetup): Promise<void> {
  const name = `${setup.name}db`;
  const folder = await writeProject(
    setup,
    'database',
    `name: ${name}\nservices:\n  db:\n    image: ${setup.postgresImage}\n    environment: {POSTGRES_PASSWORD: bench}\n    volumes: [data:/var/lib/postgresql/data]\n    healthcheck: {test: [CMD, pg_isready, -h, 127.0.0.1], interval: 5s, retries: 60}\nvolumes:\n  data:\n`,
  );
  const compose = async (...args: string[]): Promise<string> =>
    (await runCommand('docker', ['compose', ...args], { cwd: folder, env: setup.env })).stdout.trim();
  try {
    await compose('up', '-d', '--wait');
    const script = join(folder, 'data.sql');
    await writeFile(script, databaseSql(setup.quick ? 50e6 : 2e9));
    await compose('cp', script, 'db:/tmp/data.sql');
    await compose('exec', '-T', 'db', 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-U', 'postgres', '-f', '/tmp/data.sql');
    const container = await compose('ps', '-q', 'db');
    const plain: Measured[] = [];
    const ours: Measured[] = [];
    const facts: DumpFacts[] = [];
    for (let round = 0; round < setup.rounds; round += 1) {
      const repository = join(setup.directory, `db-${round}`);
      plain.push(
        await measure('docker', ['exec', container, 'pg_dump', '-Fc', '-Z0', '-U', 'postgres', 'postgres'], {
          env: setup.env,
          discard: true,
        }),
      );
      const args = [
        '--project-directory',
        folder,
        '-f',
        join(folder, 'compose.yaml'),
        '-r',
        repository,
        '--log-dir',
        join(setup.directory, 'logs'),
        '--component',
        'database',
        '--json',
        'backup',
      ];
      const run = await measure(process.execPath, [BUILT, ...args], { env: setup.env });
      if (run.code !== 0) throw new Error(`backup ended with ${run.code}\n${run.stdout}\n${run.stderr}`);
      ours.push(run);
      facts.push(await dumpFacts(repository, setup));
      // What was written stays: ext4 searches long for inodes that were not just freed.
    }
    const bytes = facts[0]?.bytes ?? 0;
    const rate = (time: number): string => `${(bytes / 2 ** 20 / time).toFixed(0)} MiB/s`;
    const exec = median(plain.map((run) => run.seconds));
    const dump = median(facts.map((fact) => fact.dumpSeconds));
    const check = median(facts.map((fact) => fact.checkSeconds));
    setup.say(`\ndatabase, dump of ${mib(bytes)}; ${setup.rounds} rounds in turn, medians`);
    setup.say(
      table([
        ['', 'time', 'rate', 'ratio'],
        ['docker exec pg_dump > /dev/null', seconds(exec), rate(exec), ratio(1)],
        ['our dump, first to last byte', seconds(dump), rate(dump), `speed ${ratio(exec / dump)}`],
        ['our read-back in full', seconds(check), rate(check), `of the dump's time ${ratio(check / dump)}`],
        ['whole backup', seconds(median(ours.map((run) => run.seconds))), '', ''],
        ['peak memory of our processes', mib(Math.max(...ours.map((run) => run.peakBytes))), '', ''],
        ['peak memory of the helper', mib(Math.max(...ours.map((run) => run.helperBytes))), '', ''],
      ]),
    );
  } finally {
    await compose('down', '-v', '-t', '1');
  }
}

async function dumpFacts(repository: string, setup: BenchSetup): Promise<DumpFacts> {
  const { stdout } = await runCommand(process.execPath, [BUILT, '-r', repository, '--all-projects', '--json', 'list'], { env: setup.env });
  const { snapshots } = JSON.parse(stdout) as { snapshots: readonly { name: string }[] }; // the contract of list --json
  const shown = await runCommand(process.execPath, [BUILT, '-r', repository, '--json', 'show', snapshots[0]?.name ?? ''], {
    env: setup.env,
  });
  const manifest = JSON.parse(shown.stdout) as {
    components: readonly { id: string; bytes: number; facts: { dumpSeconds: number; checkSeconds: number } }[];
  };
  const dump = manifest.components.find((component) => component.id === 'database/db/postgres');
  if (dump === undefined) throw new Error(`no dump in ${shown.stdout}`);
  return { bytes: dump.bytes, dumpSeconds: dump.facts.dumpSeconds, checkSeconds: dump.facts.checkSeconds };
}
