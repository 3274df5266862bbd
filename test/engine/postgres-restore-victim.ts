/** Restores a database as the test told it, says where it is, and waits to be killed. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createPostgresAdapter } from '../../src/databases/postgres.ts';
import { openEngine } from '../../src/docker/open-engine.ts';
import type { DatabaseSource, DatabaseSwap } from '../../src/domain/database-ports.ts';
import { settingsForAccess } from '../../src/domain/plan.ts';

const folder = process.argv[2] ?? '';
const { source, name, swap } = JSON.parse(await readFile(join(folder, 'facts.json'), 'utf8')) as {
  readonly source: DatabaseSource;
  readonly name: string;
  readonly swap: DatabaseSwap;
}; // the test wrote it
const dump = await readFile(join(folder, 'dump'));
const { signal } = new AbortController();
const engine = await openEngine({ environment: process.env, home: homedir(), context: null, ownVersion: '0.0.0' }, signal);
const { restorer } = createPostgresAdapter();
const io = { engine, runId: '0123456789ab', signal, warn: (): void => undefined };
const target = {
  service: 'db',
  container: await engine.inspectContainer(name, signal),
  settings: settingsForAccess({ user: null, passwordFile: null, port: null, databases: null }),
};

/** The second half comes when the first has been told of. */
async function* halves(): AsyncGenerator<Uint8Array> {
  yield dump.subarray(0, dump.length >> 1);
  await new Promise((resolve) => process.stdout.write('progress\n', resolve));
  yield dump.subarray(dump.length >> 1);
}

await restorer.build(target, source, swap.temporary, halves(), { jobs: 1, onProgress: () => undefined }, io);
process.stdout.write('built\nswapping\n');
await restorer.swap(target, [swap], io);
process.stdout.write('swapped\n');
setInterval(() => undefined, 1_000_000);
