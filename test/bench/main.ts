import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureComposePlugin } from '../support/debian-packages.ts';
import { findEngine } from '../support/find-engine.ts';
import { ensureImages } from '../support/images.ts';
import { ensureDockerCli, joinPrivateEngine } from '../support/private-engine.ts';
import { runCommand } from '../support/run-command.ts';
import { benchDatabase } from './database.ts';
import type { BenchSetup } from './setup.ts';
import { benchStart } from './start.ts';
import { benchVolume } from './volume.ts';

/** `npm run bench [-- --quick] [-- --rounds N] [-- --only start,volume,database]`: builds its data, measures, checks what it measured, prints tables. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string' }, only: { type: 'string' } },
  });
  const only = values.only?.split(',') ?? ['start', 'volume', 'database'];
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  say(`machine: ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`);
  await runCommand(process.execPath, [join(import.meta.dirname, '../../node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
    cwd: join(import.meta.dirname, '../..'),
  });
  if (only.includes('start')) await benchStart(say, values.quick ? 5 : 21);
  if (!only.includes('volume') && !only.includes('database')) return;
  await ensureDockerCli();
  const found = await findEngine();
  const joined = found === undefined ? await joinPrivateEngine() : undefined;
  const dockerHost = found ?? joined?.dockerHost ?? '';
  const directory = await mkdtemp(join(tmpdir(), 'mcads-bench-'));
  try {
    const images = await ensureImages(dockerHost);
    const env = { DOCKER_HOST: dockerHost, ...(await ensureComposePlugin()) };
    const setup: BenchSetup = {
      quick: values.quick,
      rounds: Number(values.rounds ?? (values.quick ? 1 : 3)),
      env,
      directory,
      postgresImage: images.postgres17,
      baseImage: images.debian,
      name: `mcadsbench${process.pid}`,
      say,
    };
    if (only.includes('volume')) await benchVolume(setup);
    if (only.includes('database')) await benchDatabase(setup);
  } finally {
    await rm(directory, { recursive: true, force: true });
    await joined?.leave();
  }
}

await main();
