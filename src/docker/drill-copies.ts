import { DRILL_LABEL, type IsolatedCopy } from '../domain/drill-ports.ts';
import type { Bytes, JsonObject } from '../domain/byte-stream.ts';
import type { RestoreRun } from '../domain/restore.ts';
import { McadsError } from '../errors.ts';
import type { ContainerJson } from './engine-api.ts';
import { FrameParser } from './frame-parser.ts';
import { labelsOf } from './isolated-copy.ts';
import { record } from './json-values.ts';
import { COMPOSE_PROJECT, DRILL_UNTIL } from './labels.ts';
import { createMark } from './mark.ts';
import { ownerLabel } from './owner.ts';
import { sendTar } from './send-tar.ts';
import type { TreeContext } from './tree-context.ts';

/** What `DrillEngine.makeCopy` promises. A name that is taken is somebody else's: the engine refuses it. */
export async function makeCopy(context: TreeContext, copy: IsolatedCopy, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const { client } = context;
  const owned = (body: JsonObject): JsonObject => ({ ...body, Labels: { ...record(body['Labels']), ...ownerLabel(context.owner) } });
  const post = async (path: string, body: JsonObject, query: Readonly<Record<string, string>>, doing: string): Promise<string> =>
    (await client.json<{ readonly Id?: string }>('POST', path, { query, body: owned(body) }, doing, signal)).Id ?? '';
  await post('/networks/create', copy.network.body, {}, `making network ${copy.network.name}`);
  for (const { name, body } of copy.volumes) {
    // Asking for a volume that is there gives that one.
    const there = await client.find(`/volumes/${encodeURIComponent(name)}`, {}, `looking at volume ${name}`, signal);
    if (there !== null) throw new McadsError('engine-failed', `there is a volume ${name} already`);
    await post('/volumes/create', body, {}, `making volume ${name}`);
  }
  const ids = new Map<string, string>();
  for (const { name, body } of copy.containers) ids.set(name, await post('/containers/create', body, { name }, `making container ${name}`));
  return ids;
}

/** What `DrillEngine.putIntoCopy` promises. */
export async function putIntoCopy(
  context: TreeContext,
  drill: RestoreRun,
  container: string,
  tar: Bytes,
  signal: AbortSignal,
): Promise<void> {
  await assertOfDrill(context, drill, container, signal);
  const path = `/containers/${encodeURIComponent(container)}/archive`;
  await sendTar(context.client, 'PUT', path, { path: '/' }, tar, `putting files into ${container}`, signal);
}

/** What `DrillEngine.copyLogs` promises. */
export async function copyLogs(
  context: TreeContext,
  drill: RestoreRun,
  container: string,
  lines: number,
  signal: AbortSignal,
): Promise<string> {
  const json = await assertOfDrill(context, drill, container, signal);
  const query = { stdout: true, stderr: true, tail: String(lines) };
  const path = `/containers/${encodeURIComponent(container)}/logs`;
  const response = await context.client.request('GET', path, { query }, `reading the log of ${container}`, signal);
  const parts: Buffer[] = [];
  const parser = new FrameParser();
  for await (const chunk of response as AsyncIterable<Buffer>) {
    // a response without encoding yields buffers
    if (record(json.Config as unknown as JsonObject)['Tty'] === true) parts.push(chunk);
    else for (const { data } of parser.push(chunk)) parts.push(Buffer.from(data));
  }
  return Buffer.concat(parts).toString('utf8').trim();
}

/** What `DrillEngine.keepCopy` promises: labels cannot be changed, so a container that never runs carries the time. */
export async function keepCopy(context: TreeContext, copy: IsolatedCopy, until: Date, signal: AbortSignal): Promise<void> {
  const labels = { ...labelsOf(copy), ...ownerLabel(context.owner), [DRILL_UNTIL]: until.toISOString() };
  await createMark(context, `mcads-kept-${copy.drill}`, { ...labels, [COMPOSE_PROJECT]: '' }, signal);
}

/** Rejects `unexpected` for anything that is not of this drill: nothing may be done to it. */
async function assertOfDrill(context: TreeContext, drill: RestoreRun, container: string, signal: AbortSignal): Promise<ContainerJson> {
  const path = `/containers/${encodeURIComponent(container)}/json`;
  const json = await context.client.json<ContainerJson>('GET', path, {}, `looking at container ${container}`, signal);
  if (json.Config.Labels?.[DRILL_LABEL] === drill) return json;
  throw new McadsError('unexpected', `container ${container} does not belong to drill ${drill}`);
}
