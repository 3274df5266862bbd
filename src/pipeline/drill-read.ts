import { kindOf } from '../domain/component.ts';
import type { Bytes, JsonValue } from '../domain/byte-stream.ts';
import type { Engine, SnapshotRepository } from '../domain/ports.ts';
import { settingsForAccess } from '../domain/plan.ts';
import { McadsError, messageOf } from '../errors.ts';
import { remembering, type RememberedBytes } from '../stream/remembering.ts';
import { TarFormatError } from '../stream/tar-header.ts';
import { scanTar } from '../stream/tar-scanner.ts';
import type { DrillLog } from './drill-log.ts';
import type { DrilledDatabase, DrilledServer, DrillPlan } from './drill-plan.ts';
import type { DrilledComponent } from './drilled-component.ts';
import { listArchive } from './list-archive.ts';
import { artifactsOf } from './select-components.ts';

export interface ReadTools {
  readonly engine: Engine;
  readonly repository: SnapshotRepository;
  readonly run: string;
  readonly log: DrillLog;
  readonly events: (id: string, bytes: number) => void;
}

/** What reading a dump in full gave, by component id: the fixpoint is compared with it. */
export type ReadDumps = ReadonlyMap<string, Readonly<Record<string, JsonValue>>>;

/**
 * Levels 0 and 1 in one reading: every stored byte against its checksum on its way through the reader that can tell whether it is whole.
 * A dump whose image is nowhere is only read.
 */
export async function readStored(
  plan: DrillPlan,
  tools: ReadTools,
  hasImage: (id: string) => boolean,
  signal: AbortSignal,
): Promise<ReadDumps> {
  const dumps = new Map<string, Readonly<Record<string, JsonValue>>>();
  for (const component of plan.selected) {
    signal.throwIfAborted();
    const { id } = component;
    const server = plan.servers.find(({ databases }) => databases.some((one) => one.id === id));
    const database = server?.databases.find((one) => one.id === id);
    const counter = { bytes: 0 };
    const read = (artifact: DrilledComponent['data']): RememberedBytes =>
      remembering(counting(tools.repository.read(artifact, signal), counter, (bytes) => tools.events(id, bytes)));
    const stored = read(component.data);
    let isReadable = true;
    if (server !== undefined && database !== undefined) {
      if (hasImage(server.container.imageId)) {
        isReadable = await tools.log.attempt(1, 'dump', id, async () => {
          const facts = await readDump(server, database, stored, tools, signal);
          dumps.set(id, facts);
          return `${Object.keys(asRecord(facts['archive'])).length} tables read in full, as recorded`;
        });
      } else isReadable = false;
    } else if (component.catalogue !== null) {
      const catalogue = read(component.catalogue);
      isReadable = await tools.log.attempt(1, 'archive', id, async () => {
        try {
          const { members, bytes } = await listArchive(stored, catalogue);
          return `${members} members with ${bytes} bytes, as the catalogue lists them`;
        } catch (error) {
          throw stored.failure ?? catalogue.failure ?? error;
        }
      });
    } else if (component.data.format === 'tar') {
      isReadable = await tools.log.attempt(1, 'archive', id, async () => `${await countMembers(stored)} members`);
    }
    // Whatever stopped the reader, level 0 asks for every byte.
    if (!isReadable || isPlain(component))
      for await (const bytes of remainingOf(component, tools, signal, counter)) tools.events(id, bytes);
    if (!tools.log.checks.some(({ subject, level, ok }) => subject === id && level === 0 && !ok))
      tools.log.add({
        level: 0,
        name: 'bytes',
        subject: id,
        ok: true,
        detail: `${counter.bytes} bytes read, every chunk with its checksum`,
      });
  }
  return dumps;
}

function isPlain({ id, catalogue, data }: DrilledComponent): boolean {
  return catalogue === null && data.format !== 'tar' && kindOf(id) !== 'database';
}

/** Reads the artifacts alone; damage becomes a failed check of level 0. */
async function* remainingOf(
  component: DrilledComponent,
  { repository, log }: ReadTools,
  signal: AbortSignal,
  counter: { bytes: number },
): AsyncGenerator<number> {
  if (log.checks.some(({ subject, level, ok }) => subject === component.id && level === 0 && !ok)) return;
  counter.bytes = 0;
  try {
    for (const artifact of [component.data, ...(component.catalogue === null ? [] : [component.catalogue])]) {
      for await (const bytes of repository.read(artifact, signal)) {
        counter.bytes += bytes.length;
        yield counter.bytes;
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof McadsError) || error.code !== 'damaged') throw error;
    log.add({ level: 0, name: 'bytes', subject: component.id, ok: false, detail: error.message });
  }
}

/** Through the technology's own tool; rows and hashes must be those of the day. Rejects `component-failed`. */
async function readDump(
  server: DrilledServer,
  { id, database, details }: DrilledDatabase,
  stored: RememberedBytes,
  tools: ReadTools,
  signal: AbortSignal,
): Promise<Readonly<Record<string, JsonValue>>> {
  const target = { service: server.service, container: server.container, settings: settingsForAccess(server.access) };
  const io = { engine: tools.engine, runId: tools.run, signal, warn: tools.log.warn.bind(tools.log) };
  try {
    const { facts, findings } = await server.adapter.check(target, details.facts, stored, io);
    for (const finding of findings) tools.log.warn(finding);
    const difference = differenceOf(asRecord(details.facts['archive']), asRecord(facts['archive']));
    if (difference !== null)
      throw new McadsError('component-failed', `${id} is not the dump of ${database} that was recorded: ${difference}`);
    return facts;
  } catch (error) {
    throw stored.failure ?? error;
  }
}

/** The first table that is not the same on both sides; null where all are. */
export function differenceOf(wanted: Readonly<Record<string, JsonValue>>, got: Readonly<Record<string, JsonValue>>): string | null {
  for (const [table, was] of Object.entries(wanted)) {
    const is = got[table];
    if (is === undefined) return `table ${table} is missing`;
    const [before, now] = [asRecord(was), asRecord(is)];
    if (before['rows'] !== now['rows']) return `table ${table} holds ${said(now['rows'])} rows instead of ${said(before['rows'])}`;
    if (before['sha256'] !== now['sha256']) return `the rows of table ${table} are others, though as many (${said(now['rows'])})`;
  }
  const more = Object.keys(got).find((table) => wanted[table] === undefined);
  return more === undefined || Object.keys(wanted).length === 0 ? null : `table ${more} was not there`;
}

/** A number of the facts for people; what is not there is none. */
export function said(value: JsonValue | undefined): string {
  return JSON.stringify(value ?? 0);
}

export function asRecord(value: JsonValue | undefined): Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, JsonValue>>) : {}; // narrowed above
}

async function countMembers(stored: RememberedBytes): Promise<number> {
  let members = 0;
  try {
    for await (const { kind } of scanTar(stored)) members += kind === 'member' ? 1 : 0;
  } catch (error) {
    if (stored.failure === undefined && error instanceof TarFormatError)
      throw new McadsError('component-failed', `the archive is not whole: ${messageOf(error)}`, { cause: error });
    throw stored.failure ?? error;
  }
  return members;
}

async function* counting(source: Bytes, counter: { bytes: number }, tell: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    counter.bytes += bytes.length;
    tell(counter.bytes);
    yield bytes;
  }
}

const FEWEST_BYTES = 1024 * 1024;
const COMPARED_SNAPSHOTS = 5;

/** A component that shrank or grew beyond belief since the last five snapshots is suspected, if it is large enough for that to mean something. */
export async function checkSizes(plan: DrillPlan, repository: SnapshotRepository, log: DrillLog): Promise<void> {
  const { name, sealed } = plan.manifest;
  const summaries = (await repository.snapshots())
    .filter(
      (one) => one.project === sealed.project && one.name !== name && one.startedAt < sealed.startedAt && one.completeness === 'complete',
    )
    .toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1))
    .slice(0, COMPARED_SNAPSHOTS);
  const earlier = await Promise.all(summaries.map((one) => repository.manifest(one.name)));
  for (const { id, data } of plan.selected) {
    const sizes = earlier.flatMap(({ components }) => components.filter((one) => one.id === id).map((one) => artifactsOf(one).data.bytes));
    const usual = medianOf(sizes);
    if (usual === null || Math.max(usual, data.bytes) < FEWEST_BYTES) continue;
    const percent = Math.round((100 * data.bytes) / usual);
    const ok = data.bytes >= usual / 2 && data.bytes <= usual * 3;
    const detail = `${data.bytes} bytes are ${percent} % of the median of the last ${sizes.length}`;
    log.add({ level: 0, name: 'size', subject: id, ok, detail: ok ? detail : `${detail}; 50 to 300 % would be usual` });
  }
}

export function medianOf(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [upper, lower] = [sorted[middle], sorted[middle - 1]];
  if (upper === undefined) return null;
  return sorted.length % 2 === 1 || lower === undefined ? upper : (upper + lower) / 2;
}
