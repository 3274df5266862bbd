import { isJsonObject, type ByteStream, type JsonObject, type JsonValue } from '../domain/byte-stream.ts';
import type { EngineProject, EngineState } from '../domain/engine-model.ts';
import { McadsError } from '../errors.ts';
import type { ContainerJson, VolumeJson } from './engine-api.ts';
import { compareVersions, type EngineClient } from './engine-client.ts';
import { toEngineError } from './engine-errors.ts';
import { mapConcurrently } from './map-concurrently.ts';

const INSPECTS_AT_ONCE = 8;
const SIZES_TIMEOUT_MS = 10_000;
const TRAILER_BYTES = 1024;

/** The engine's own inspect JSON of everything that belongs to the project; what was removed meanwhile is left out. */
export async function readState(client: EngineClient, project: EngineProject, signal: AbortSignal): Promise<EngineState> {
  const inspectEach = async (kind: string, ids: readonly string[], suffix: string): Promise<readonly JsonObject[]> => {
    const found = await mapConcurrently([...new Set(ids)].sort(), INSPECTS_AT_ONCE, async (id) =>
      client.find<JsonObject>(`/${kind}/${encodeURIComponent(id)}${suffix}`, {}, `looking at one of the ${kind}`, signal),
    );
    return found.filter((json) => json !== null);
  };
  const [version, containers, volumes, images] = await Promise.all([
    client.json<JsonObject>('GET', '/version', {}, 'asking for the version', signal),
    inspectEach(
      'containers',
      project.containers.map(({ id }) => id),
      '/json',
    ),
    inspectEach(
      'volumes',
      project.volumes.map(({ name }) => name),
      '',
    ),
    inspectEach(
      'images',
      project.containers.map(({ imageId }) => imageId),
      '/json',
    ),
  ]);
  const attached = containers.flatMap((json) => Object.keys((json as unknown as ContainerJson).NetworkSettings?.Networks ?? {})); // inspect JSON of a container
  const networks = await inspectEach('networks', [...project.networks.map(({ name }) => name), ...attached], '');
  return { engine: { version }, containers: containers.map(settled), volumes, networks, images };
}

/**
 * An unchanged project has an unchanged state: without the last health checks' outputs and running exec ids, which nothing needs,
 * and with the mounts in a fixed order, which the engine does not keep.
 */
function settled(container: JsonObject): JsonObject {
  const { ExecIDs: _execs, ...kept } = container;
  const mounts = kept['Mounts'];
  const ordered = Array.isArray(mounts) ? { ...kept, Mounts: mounts.toSorted(byDestination) } : kept;
  const state = kept['State'];
  if (!isJsonObject(state) || !isJsonObject(state['Health'])) return ordered;
  const { Log: _log, ...health } = state['Health'];
  return { ...ordered, State: { ...state, Health: health } };
}

function byDestination(a: JsonValue, b: JsonValue): number {
  const [left, right] = [a, b].map((mount) =>
    isJsonObject(mount) && typeof mount['Destination'] === 'string' ? mount['Destination'] : '',
  );
  return (left ?? '') < (right ?? '') ? -1 : 1;
}

/** Sizes of local volumes; empty where the engine does not tell within ten seconds or may not be asked. */
export async function volumeSizes(client: EngineClient, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
  const limit = AbortSignal.timeout(SIZES_TIMEOUT_MS);
  const query: Record<string, string | boolean> = compareVersions(client.apiVersion, '1.42') < 0 ? {} : { type: 'volume' };
  if (compareVersions(client.apiVersion, '1.52') >= 0) query['verbose'] = true;
  try {
    const usage = await client.json<{
      readonly Volumes?: readonly VolumeJson[] | null;
      readonly VolumesUsage?: { readonly Items?: readonly VolumeJson[] | null } | null;
    }>('GET', '/system/df', { query }, 'asking for the sizes of volumes', AbortSignal.any([signal, limit]));
    const sizes = new Map<string, number>();
    for (const { Name: name, UsageData: data } of usage.VolumesUsage?.Items ?? usage.Volumes ?? []) {
      if (data?.Size !== undefined && data.Size >= 0) sizes.set(name, data.Size);
    }
    return sizes;
  } catch (error) {
    const unanswered = limit.aborted && !signal.aborted;
    if (unanswered || (error instanceof McadsError && (error.code === 'forbidden' || error.code === 'engine-failed'))) return new Map();
    throw error;
  }
}

/** `docker save`. Well only when the tar's trailer came: the engine cuts a failing one off without a word. */
export function saveImage(client: EngineClient, image: string, signal: AbortSignal): ByteStream {
  const { promise: done, resolve, reject } = Promise.withResolvers<Record<string, never>>();
  done.catch(() => undefined); // handed out for later
  const doing = `saving image ${image}`;
  async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
    let complete = false;
    let tail = Buffer.alloc(0);
    try {
      const response = await client.request('GET', `/images/${encodeURIComponent(image)}/get`, {}, doing, signal);
      for await (const chunk of response as AsyncIterable<Buffer>) {
        // a response without encoding yields buffers
        tail = Buffer.from(
          chunk.length >= TRAILER_BYTES ? chunk.subarray(-TRAILER_BYTES) : Buffer.concat([tail, chunk]).subarray(-TRAILER_BYTES),
        );
        yield chunk;
      }
      if (tail.length < TRAILER_BYTES || tail.some((byte) => byte !== 0))
        throw new McadsError('component-failed', `${doing}: the archive ended too early`);
      complete = true;
      resolve({});
    } catch (error) {
      const told = toEngineError(error, doing, client.endpoint, signal);
      reject(told);
      complete = true;
      throw told;
    } finally {
      if (!complete) reject(new McadsError('engine-failed', `${doing}: abandoned`));
    }
  }
  return { body: body(), done };
}
