import { isJsonObject, type JsonObject } from '../domain/byte-stream.ts';
import type { EngineState } from '../domain/engine-model.ts';
import type { RecreatedContainer } from '../domain/restore.ts';
import { COMPOSE_DEPENDS_ON, COMPOSE_NUMBER, COMPOSE_PROJECT, COMPOSE_SERVICE, COMPOSE_VERSION } from './labels.ts';
import {
  publishedPorts,
  recreatedHostConfig,
  referencesOf,
  sharedNetworkOf,
  sharedWith,
  movedLink,
  type RecordedContainer,
} from './recreation-host-config.ts';
import { labelsOf, objectAt, objectsAt, textAt, textMapAt, textsAt, without } from './recreation-json.ts';
import { BUILT_IN_NETWORKS, recordedName, type RecreationNames } from './recreation-names.ts';
import { endpointsOf, hasAddress } from './recreation-networks.ts';
import { toDependsOn } from './to-engine-container.ts';

/** What `createContainer` reads of a body. References to other containers (`container:…`, `VolumesFrom`) are by name. */
export interface ContainerBody {
  readonly create: JsonObject;
  /** Its own networks, the first one that it is made in. */
  readonly endpoints: readonly { readonly network: string; readonly settings: JsonObject }[];
}

const DEFAULT_MAC_PREFIX = '02:42:';
/** From here on a MAC address that nobody chose is a random one. */
const RANDOM_MAC_SINCE = 28;

/** In the order to create them: each after those that it depends on. */
export function recreatedContainers(
  state: EngineState,
  containers: readonly JsonObject[],
  names: RecreationNames,
): readonly RecreatedContainer[] {
  return inOrder(containers, names).map((json) => {
    const labels = labelsOf(objectAt(json, 'Config'));
    const service = labels[COMPOSE_SERVICE] ?? recordedName(json);
    const lent = textsAt(objectAt(json, 'HostConfig'), 'VolumesFrom').map((entry) => entry.split(':')[0] ?? '');
    const lenders = containers.filter((other) => lent.some((reference) => isNamed(other, reference)));
    const recorded: RecordedContainer = { json, service, lenders };
    tellOfIds(json, service, names);
    const image = state.images.find((one) => textAt(one, 'Id') === textAt(json, 'Image')) ?? {};
    const status = objectAt(json, 'State');
    return {
      name: names.container(textAt(json, 'Id')) ?? recordedName(json),
      service,
      number: Number.parseInt(labels[COMPOSE_NUMBER] ?? '', 10) || 1,
      image: textAt(objectAt(json, 'Config'), 'Image'),
      imageId: textAt(json, 'Image'),
      imageDigests: textsAt(image, 'RepoDigests'),
      imageTags: textsAt(image, 'RepoTags'),
      wasRunning: status['Running'] === true || status['Paused'] === true || status['Restarting'] === true,
      dependsOn: Object.keys(toDependsOn(labels[COMPOSE_DEPENDS_ON] ?? '')),
      volumes: sources(json, 'volume', 'Name').map((name) => names.volume(name)),
      binds: sources(json, 'bind', 'Source').map((path) => names.path(path)),
      body: bodyOf(recorded, state, names),
    };
  });
}

/** Compose 2 puts the ids of other containers into what it compares; they are new, and nobody can choose them. */
function tellOfIds(json: JsonObject, service: string, names: RecreationNames): void {
  const host = objectAt(json, 'HostConfig');
  const isVersion1 = labelsOf(objectAt(json, 'Config'))[COMPOSE_VERSION]?.startsWith('1.') === true;
  if (isVersion1 || (sharedWith(host).length === 0 && textsAt(host, 'VolumesFrom').length === 0)) return;
  names.tell(
    `${service} builds on another container, which has a new id: the next \`docker compose up\` makes it again, with the same volumes`,
  );
}

function bodyOf(recorded: RecordedContainer, state: EngineState, names: RecreationNames): JsonObject {
  const { json, service } = recorded;
  const config = objectAt(json, 'Config');
  const host = objectAt(json, 'HostConfig');
  const { beside } = names.options;
  const id = textAt(json, 'Id');
  const hostname = textAt(config, 'Hostname');
  // Its own id is what a container is called that nobody gave a host name.
  const hasHostname = hostname !== '' && hostname !== id.slice(0, 12);
  const sharesNetwork = sharedNetworkOf(host) !== null;
  const isHostNamed = sharesNetwork || textAt(host, 'UTSMode') === 'host';
  const dropsHostname = !hasHostname || isHostNamed || (beside && textAt(host, 'NetworkMode') !== 'host');
  if (beside) {
    for (const port of publishedPorts(host)) names.tell(`published port ${port} of ${service} is dropped`);
    if (hasHostname && !isHostNamed && dropsHostname) names.tell(`host name ${hostname} of ${service} is dropped`);
  }
  const dropped = [
    'MacAddress', // said per network
    ...(dropsHostname ? ['Hostname', 'Domainname'] : []),
    ...(sharesNetwork ? ['ExposedPorts'] : []), // refused there
  ];
  const create = {
    ...without(config, ...dropped),
    Labels: names.labels(labelsOf(config)),
    HostConfig: recreatedHostConfig(recorded, names),
  };
  return { create, endpoints: sharesNetwork ? [] : ownEndpoints(recorded, state, names) };
}

function ownEndpoints({ json, service }: RecordedContainer, state: EngineState, names: RecreationNames): readonly JsonObject[] {
  const mode = textAt(objectAt(json, 'HostConfig'), 'NetworkMode');
  const first = names.network(mode);
  const endpoints = Object.entries(endpointsOf(json)).flatMap(([recorded, endpoint]) => {
    if (BUILT_IN_NETWORKS.has(recorded) || !isJsonObject(endpoint)) return [];
    return [{ network: names.network(recorded), settings: endpointOf(json, service, recorded, endpoint, recorded === mode, state, names) }];
  });
  return endpoints.toSorted((a, b) => Number(b.network === first) - Number(a.network === first));
}

function endpointOf(
  json: JsonObject,
  service: string,
  network: string,
  endpoint: JsonObject,
  isFirst: boolean,
  state: EngineState,
  names: RecreationNames,
): JsonObject {
  const id = textAt(json, 'Id');
  const mine = recordedName(json);
  const aliases = textsAt(endpoint, 'Aliases')
    .filter((alias) => alias !== id.slice(0, 12)) // the engine's own
    .map((alias) => (alias === mine ? (names.container(id) ?? alias) : alias));
  const mac = macOf(json, endpoint, isFirst, state);
  const { beside } = names.options;
  if (beside && hasAddress(endpoint)) {
    const { IPv4Address: v4, IPv6Address: v6 } = textMapAt(endpoint, 'IPAMConfig');
    names.tell(`address ${[v4, v6].filter(Boolean).join(', ')} of ${service} in network ${network} is dropped`);
  }
  if (beside && mac?.isChosen === true) names.tell(`MAC address ${mac.address} of ${service} is dropped`);
  return {
    Aliases: aliases,
    Links: textsAt(endpoint, 'Links').map((link) => movedLink(link, names)),
    DriverOpts: endpoint['DriverOpts'] ?? null,
    ...(endpoint['GwPriority'] === undefined ? {} : { GwPriority: endpoint['GwPriority'] }),
    ...(beside ? {} : { IPAMConfig: objectAt(endpoint, 'IPAMConfig') }),
    ...(beside || mac === null ? {} : { MacAddress: mac.address }),
  };
}

/**
 * A MAC address that must come back. One that the engine derived from an address must not: another container may get that address. Newer engines
 * do not tell which were chosen (API 1.44); their random ones are kept as well and do no harm.
 */
function macOf(
  json: JsonObject,
  endpoint: JsonObject,
  isFirst: boolean,
  state: EngineState,
): { readonly address: string; readonly isChosen: boolean } | null {
  const configured = textAt(objectAt(json, 'Config'), 'MacAddress');
  const used = textAt(endpoint, 'MacAddress');
  if (configured !== '' && isFirst) return { address: configured, isChosen: !isDerived(configured, endpoint) };
  const version = objectAt(state.engine, 'version');
  const hasPerNetwork = Number(textAt(version, 'ApiVersion').split('.')[1] ?? 0) >= 44;
  if (used === '' || !hasPerNetwork || isDerived(used, endpoint)) return null;
  return { address: used, isChosen: Number.parseInt(textAt(version, 'Version'), 10) < RANDOM_MAC_SINCE };
}

function isDerived(mac: string, endpoint: JsonObject): boolean {
  const bytes = textAt(endpoint, 'IPAddress')
    .split('.')
    .map((byte) => Number(byte).toString(16).padStart(2, '0'));
  return mac.toLowerCase() === `${DEFAULT_MAC_PREFIX}${bytes.join(':')}`;
}

function sources(json: JsonObject, type: string, key: string): readonly string[] {
  return objectsAt(json, 'Mounts')
    .filter((mount) => textAt(mount, 'Type') === type)
    .map((mount) => textAt(mount, key));
}

/** By what they refer to and depend on; else as they were made. */
function inOrder(containers: readonly JsonObject[], names: RecreationNames): readonly JsonObject[] {
  const sorted = containers.toSorted((a, b) => (textAt(a, 'Created') < textAt(b, 'Created') ? -1 : 1));
  const done = new Set<JsonObject>();
  const visit = (container: JsonObject, above: ReadonlySet<JsonObject>): void => {
    if (done.has(container) || above.has(container)) return;
    const labels = labelsOf(objectAt(container, 'Config'));
    const services = Object.keys(toDependsOn(labels[COMPOSE_DEPENDS_ON] ?? ''));
    const references = referencesOf(container);
    for (const other of sorted) {
      const otherLabels = labelsOf(objectAt(other, 'Config'));
      const isService =
        otherLabels[COMPOSE_PROJECT] === names.options.project.from && services.includes(otherLabels[COMPOSE_SERVICE] ?? '');
      if (isService || references.some((reference) => isNamed(other, reference))) visit(other, new Set([...above, container]));
    }
    done.add(container);
  };
  for (const container of sorted) visit(container, new Set());
  return [...done];
}

function isNamed(container: JsonObject, reference: string): boolean {
  const plain = reference.replace(/^\//, '');
  const id = textAt(container, 'Id');
  return plain !== '' && (plain === recordedName(container) || plain === id || (/^[0-9a-f]{12,}$/.test(plain) && id.startsWith(plain)));
}
