import type { JsonObject } from '../domain/byte-stream.ts';
import type { CreatedContainer } from '../domain/restore-ports.ts';
import type { RecreatedContainer, RecreatedNetwork, RecreatedVolume } from '../domain/restore.ts';
import { McadsError, messageOf } from '../errors.ts';
import type { ContainerJson, ImageJson, NetworkJson } from './engine-api.ts';
import { compareVersions, type EngineClient } from './engine-client.ts';
import { statusOf } from './engine-errors.ts';
import { COMPOSE_IMAGE } from './labels.ts';
import type { ContainerBody } from './recreation-containers.ts';
import { labelsOf, objectAt, objectsAt, textAt, textsAt } from './recreation-json.ts';
import type { NetworkBody } from './recreation-networks.ts';

const CLEANUP_TIMEOUT_MS = 60_000;
/** From here on a MAC address belongs to an endpoint, not to the container. */
const API_WITH_ENDPOINT_MAC = '1.44';
const MISSING_SOURCE = /bind source path does not exist: (.+)$/m;

/** What `Engine.createNetwork` promises. Rejects `component-failed` where one of that name is there: it would not be ours to remove. */
export async function createNetwork(client: EngineClient, { name, body }: RecreatedNetwork, signal: AbortSignal): Promise<void> {
  const { create, addressesMayChange } = body as unknown as NetworkBody; // made by `recreation`
  if ((await existingNetworks(client, [name], signal)).has(name)) throw taken('network', name);
  const doing = `making network ${name}`;
  try {
    await client.send('POST', '/networks/create', { body: create }, doing, signal);
  } catch (error) {
    // Another network has these addresses by now.
    if (!addressesMayChange || statusOf(error) === null || !/overlap/i.test(messageOf(error))) throw error;
    const chosen = { ...create, IPAM: { ...objectAt(create, 'IPAM'), Config: [] } };
    await client.send('POST', '/networks/create', { body: chosen }, doing, signal);
  }
}

/** What `Engine.createVolume` promises. Rejects `component-failed` where one of that name is there: the engine would give us that one. */
export async function createVolume(client: EngineClient, { name, body }: RecreatedVolume, signal: AbortSignal): Promise<void> {
  if ((await client.find(`/volumes/${encodeURIComponent(name)}`, {}, `looking at volume ${name}`, signal)) !== null)
    throw taken('volume', name);
  await client.send('POST', '/volumes/create', { body }, `making volume ${name}`, signal);
}

/** What `Engine.createContainer` promises. Made whole or not at all. */
export async function createContainer(client: EngineClient, container: RecreatedContainer, signal: AbortSignal): Promise<CreatedContainer> {
  const { name } = container;
  const { create, endpoints } = container.body as unknown as ContainerBody; // made by `recreation`
  const [first, ...further] = endpoints;
  const hasEndpointMac = compareVersions(client.apiVersion, API_WITH_ENDPOINT_MAC) >= 0;
  const mac = first === undefined ? '' : textAt(first.settings, 'MacAddress');
  const body = {
    ...create,
    ...(await imageOf(client, container, create, signal)),
    ...(hasEndpointMac || mac === '' ? {} : { MacAddress: mac }),
    HostConfig: await withIds(client, objectAt(create, 'HostConfig'), signal),
    NetworkingConfig: { EndpointsConfig: first === undefined ? {} : { [first.network]: first.settings } },
  };
  const id = await createOrLater(client, name, body, signal);
  try {
    for (const { network, settings } of further) {
      const connect = { Container: id, EndpointConfig: settings };
      const path = `/networks/${encodeURIComponent(network)}/connect`;
      await client.send('POST', path, { body: connect }, `connecting ${name} to ${network}`, signal);
    }
    return { id, name };
  } catch (error) {
    await removeContainer(client, id, AbortSignal.timeout(CLEANUP_TIMEOUT_MS));
    throw error;
  }
}

/** With force; its own anonymous volumes go with it, none that has a name. */
export async function removeContainer(client: EngineClient, name: string, signal: AbortSignal): Promise<void> {
  const query = { force: true, v: true };
  await client.send('DELETE', `/containers/${encodeURIComponent(name)}`, { query }, `removing container ${name}`, signal, [404]);
}

/** Refused while a container uses it. */
export async function removeVolume(client: EngineClient, name: string, signal: AbortSignal): Promise<void> {
  await client.send('DELETE', `/volumes/${encodeURIComponent(name)}`, {}, `removing volume ${name}`, signal, [404]);
}

/** Refused while a running container is in it. */
export async function removeNetwork(client: EngineClient, name: string, signal: AbortSignal): Promise<void> {
  await client.send('DELETE', `/networks/${encodeURIComponent(name)}`, {}, `removing network ${name}`, signal, [404]);
}

/** What `Engine.existingNetworks` promises. */
export async function existingNetworks(
  client: EngineClient,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const networks = await client.json<readonly NetworkJson[]>('GET', '/networks', {}, 'listing networks', signal);
  return new Map(networks.filter(({ Name }) => names.includes(Name)).map(({ Name, Id }) => [Name, Id]));
}

/**
 * The Mounts API refuses folders that are not there. Those of a project are restored after its containers are made, so such a mount is written
 * in the old way, which looks only at the start.
 */
async function createOrLater(client: EngineClient, name: string, body: JsonObject, signal: AbortSignal): Promise<string> {
  const request = { query: { name }, body };
  try {
    const { Id: id } = await client.json<{ readonly Id: string }>(
      'POST',
      '/containers/create',
      request,
      `making container ${name}`,
      signal,
    );
    return id;
  } catch (error) {
    if (statusOf(error) === 409) throw taken('container', name);
    const missing = MISSING_SOURCE.exec(messageOf(error))?.[1]?.trim();
    const host = objectAt(body, 'HostConfig');
    const mounts = objectsAt(host, 'Mounts');
    const late = mounts.filter((mount) => textAt(mount, 'Type') === 'bind' && textAt(mount, 'Source') === missing);
    if (missing === undefined || late.length === 0) throw error;
    const HostConfig = {
      ...host,
      Mounts: mounts.filter((mount) => !late.includes(mount)),
      Binds: [...textsAt(host, 'Binds'), ...late.map(asBind)],
    };
    return createOrLater(client, name, { ...body, HostConfig }, signal);
  }
}

function asBind(mount: JsonObject): string {
  const propagation = textAt(objectAt(mount, 'BindOptions'), 'Propagation');
  const options = [mount['ReadOnly'] === true ? 'ro' : 'rw', ...(propagation === '' ? [] : [propagation])];
  return [textAt(mount, 'Source'), textAt(mount, 'Target'), options.join(',')].join(':');
}

/**
 * The recorded image by the name that it was asked for, where that name still means it; else by its id. Where it was built or pulled anew, the
 * new one: Compose compares the label with the image of the name, and would make the container again.
 */
async function imageOf(client: EngineClient, container: RecreatedContainer, create: JsonObject, signal: AbortSignal): Promise<JsonObject> {
  const find = async (reference: string): Promise<ImageJson | null> =>
    reference === '' ? null : client.find<ImageJson>(`/images/${encodeURIComponent(reference)}/json`, {}, 'looking at an image', signal);
  const recorded = await find(container.imageId);
  const named = await find(container.image);
  const labels = labelsOf(create);
  if (named !== null && (recorded === null || named.Id === recorded.Id))
    return { Image: container.image, Labels: COMPOSE_IMAGE in labels ? { ...labels, [COMPOSE_IMAGE]: named.Id } : labels };
  if (recorded !== null) return { Image: container.imageId, Labels: labels };
  for (const tag of container.imageTags) {
    const tagged = await find(tag);
    if (tagged !== null) return { Image: tag, Labels: COMPOSE_IMAGE in labels ? { ...labels, [COMPOSE_IMAGE]: tagged.Id } : labels };
  }
  throw new McadsError('component-failed', `image ${container.image} of ${container.name} is not on the engine`);
}

/** By id, as Compose writes them: a name may go to another container. */
async function withIds(client: EngineClient, host: JsonObject, signal: AbortSignal): Promise<JsonObject> {
  const idOf = async (name: string): Promise<string> => {
    const found = await client.find<ContainerJson>(
      `/containers/${encodeURIComponent(name)}/json`,
      {},
      `looking at container ${name}`,
      signal,
    );
    if (found === null) throw new McadsError('component-failed', `container ${name}, which another one builds on, is not there`);
    return found.Id;
  };
  const changed: Record<string, string> = {};
  for (const key of ['NetworkMode', 'IpcMode', 'PidMode']) {
    const [kind, name] = textAt(host, key).split(/:(.*)/s);
    if (kind === 'container' && name !== undefined) changed[key] = `container:${await idOf(name)}`;
  }
  const lenders: string[] = [];
  for (const entry of textsAt(host, 'VolumesFrom')) {
    const [name = '', ...mode] = entry.split(':');
    lenders.push([await idOf(name), ...mode].join(':'));
  }
  return { ...host, ...changed, VolumesFrom: lenders };
}

function taken(what: string, name: string): McadsError {
  return new McadsError('component-failed', `there is a ${what} ${name} already, which is not ours`, {
    context: { taken: name },
    hint: 'It came after the plan was made, or belongs to another project; plan again.',
  });
}
