import type { JsonValue } from '../../domain/byte-stream.ts';
import type { TreeMount } from '../../domain/plan.ts';
import type { DatabaseAdapter, DatabaseIo, DatabaseTarget } from '../../domain/database-ports.ts';
import { failed, lastWords } from './failures.ts';
import { isMissing, readText } from './run-tool.ts';

type ColdState = Awaited<ReturnType<DatabaseAdapter['coldState']>>;

const MOUNTED_AT = '/mcads-cluster';
const CLEAN: readonly string[] = ['shut down', 'shut down in recovery'];

/** Asks `pg_controldata` of the container's own image about the mounted files. `dataPath` is relative to the mount. */
export async function coldState(
  target: Pick<DatabaseTarget, 'container' | 'settings'>,
  dataMount: TreeMount,
  dataPath: string,
  io: DatabaseIo,
): Promise<ColdState> {
  const { container } = target;
  const service = container.service ?? container.name;
  const directory = dataPath === '' ? MOUNTED_AT : `${MOUNTED_AT}/${dataPath}`;
  const handle = await io.engine.runThrowaway(
    {
      image: container.imageId,
      argv: ['pg_controldata', '-D', directory],
      environment: { LC_ALL: 'C', LANG: 'C' },
      user: '0:0',
      mounts: [{ mount: dataMount, target: MOUNTED_AT }],
      purpose: `looking at the stopped cluster of ${container.name}`,
    },
    io.signal,
  );
  const text = await readText(handle.stdout, 'pg_controldata');
  const exit = await handle.exit;
  if (isMissing(exit.code)) throw failed(service, 'its image has no pg_controldata', 'start the service, so that it can be dumped');
  if (exit.code !== 0) {
    if (/No such file or directory/.test(exit.stderr))
      return { clean: false, detail: `no cluster in ${dataPath === '' ? 'its volume' : dataPath}`, facts: {} };
    throw failed(service, `pg_controldata failed: ${lastWords(exit.stderr)}`);
  }
  return judgeControlData(text, exit.stderr);
}

/** Pure: what the lines of `pg_controldata` mean. */
export function judgeControlData(text: string, stderr: string): ColdState {
  const values = new Map(
    text.split('\n').flatMap((line): [string, string][] => {
      const colon = line.indexOf(':');
      return colon === -1 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()]];
    }),
  );
  const state = values.get('Database cluster state') ?? 'unknown';
  const broken = /WARNING: .*(CRC|byte order|WAL segment size)/i.test(text + stderr);
  const facts: Record<string, JsonValue> = { engine: 'postgres', clusterState: state };
  for (const [label, fact] of FACTS) {
    const value = values.get(label);
    if (value !== undefined) facts[fact] = value;
  }
  if (broken) return { clean: false, detail: 'pg_control is damaged', facts };
  return { clean: CLEAN.includes(state), detail: `pg_control says: ${state}`, facts };
}

const FACTS: readonly (readonly [string, string])[] = [
  ['pg_control version number', 'controlVersion'],
  ['Catalog version number', 'catalogVersion'],
  ['Database system identifier', 'systemIdentifier'],
  ["Latest checkpoint's REDO location", 'checkpointLsn'],
  ['Time of latest checkpoint', 'checkpointAt'],
  ['Data page checksum version', 'dataChecksums'],
];
