import { appendFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureComposePlugin } from '../support/debian-packages.ts';
import { findEngine } from '../support/find-engine.ts';
import { ensureImages } from '../support/images.ts';
import { ensureDockerCli, joinPrivateEngine } from '../support/private-engine.ts';
import { runCommand } from '../support/run-command.ts';
import { benchArchive } from './archive.ts';
import { benchDatabase } from './database.ts';
import { benchExampleKinds } from './example-kinds.ts';
import { benchNights } from './nights.ts';
import { benchNoise } from './noise.ts';
import { benchPrune } from './prune.ts';
import { benchRestore } from './restore.ts';
import { benchScan } from './scan.ts';
import type { BenchSetup } from './setup.ts';
import { benchStart } from './start.ts';
import { benchSetA, benchSetB } from './tree-sets.ts';
import { benchVolume } from './volume.ts';

/** What can be measured; all of it unless named. Set D is set A with changes, and runs with it. */
const SETS = ['start', 'prune', 'scan', 'a', 'b', 'c', 'mcads', 'noise', 'volume', 'database', 'restore', 'archive'] as const;

/**
 * `npm run bench [-- SET…] [--quick] [--scale 0.25] [--rounds N] [--tools restic,borg] [--output FILE] [--built]`: builds its data from seeds, runs this tool and its
 * peers on it in turn, checks what was restored, prints tables and writes them to the file. With `--built` dist/ is taken as it is.
 */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      scale: { type: 'string' },
      tools: { type: 'string' },
      output: { type: 'string' },
      built: { type: 'boolean', default: false },
    },
  });
  const only: readonly string[] = positionals.length > 0 ? positionals : SETS;
  const unknown = only.find((name) => !(SETS as readonly string[]).includes(name));
  if (unknown !== undefined) throw new Error(`no set ${unknown}; there are ${SETS.join(', ')}`);
  const scale = values.quick ? 0.002 : Number(values.scale ?? 1);
  const output = values.output ?? join(tmpdir(), 'mcads-bench.txt');
  await writeFile(output, '');
  const say = (line: string): void => {
    process.stdout.write(`${line}\n`);
    appendFileSync(output, `${line}\n`);
  };
  say(`machine: ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`);
  say(`command: npm run bench -- ${process.argv.slice(2).join(' ')}`);
  if (!values.built) await build();
  if (only.includes('start')) await benchStart(say, values.quick ? 5 : 21);
  if (only.includes('prune')) await benchPrune(say, scale);
  if (only.includes('scan')) await benchScan(say, scale);
  if (only.every((name) => ['start', 'prune', 'scan'].includes(name))) return;
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
      of: (full) => Math.max(1, Math.round(full * scale)),
      tools: values.tools?.split(',') ?? null,
      env,
      directory,
      postgresImage: images.postgres17,
      baseImage: images.debian,
      name: `mcadsbench${process.pid}`,
      say,
    };
    if (only.includes('a')) await benchSetA(setup);
    if (only.includes('b')) await benchSetB(setup);
    if (only.includes('c')) await benchNights(setup);
    if (only.includes('mcads')) await benchExampleKinds(setup);
    if (only.includes('noise')) await benchNoise(setup);
    if (only.includes('volume')) await benchVolume(setup);
    if (only.includes('database')) await benchDatabase(setup);
    if (only.includes('restore')) await benchRestore(setup);
    if (only.includes('archive')) await benchArchive(setup);
  } finally {
    await rm(directory, { recursive: true, force: true });
    await joined?.leave();
  }
  say(`written to ${output}`);
}

async function build(): Promise<void> {
  const root = join(import.meta.dirname, '../..');
  await runCommand(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], { cwd: root });
}

await main();
