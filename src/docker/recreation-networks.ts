import type { JsonObject, JsonValue } from '../domain/byte-stream.ts';
import type { EngineState } from '../domain/engine-model.ts';
import type { RecreatedNetwork } from '../domain/restore.ts';
import { COMPOSE_CONFIG_HASH, COMPOSE_PROJECT } from './labels.ts';
import { labelsOf, objectAt, objectsAt, textAt, textMapAt, without } from './recreation-json.ts';
import { BUILT_IN_NETWORKS, isOwned, type RecreationNames } from './recreation-names.ts';

/** Of these only one may be on a machine's interface. */
const ON_AN_INTERFACE = new Set(['macvlan', 'ipvlan']);

/** What `createNetwork` reads of a body. */
export interface NetworkBody {
  readonly create: JsonObject;
  /** Nobody needs these addresses: where another network has them by now, the engine may choose. */
  readonly addressesMayChange: boolean;
}

export function recreatedNetworks(
  state: EngineState,
  containers: readonly JsonObject[],
  names: RecreationNames,
): readonly RecreatedNetwork[] {
  const { project } = names.options;
  const used = new Set(containers.flatMap((container) => Object.keys(endpointsOf(container))));
  return state.networks
    .filter((network) => !BUILT_IN_NETWORKS.has(textAt(network, 'Name')) && network['Ingress'] !== true)
    .filter((network) => isOwned(network, project.from) || used.has(textAt(network, 'Name')))
    .map((network) => {
      const recorded = textAt(network, 'Name');
      const hasFixed = containers.some((container) => hasAddress(objectAt(endpointsOf(container), recorded)));
      const name = names.network(recorded);
      const body = { create: { Name: name, CheckDuplicate: true, ...settingsOf(network, names) }, addressesMayChange: !hasFixed };
      return { name, body };
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

export function endpointsOf(container: JsonObject): JsonObject {
  return objectAt(objectAt(container, 'NetworkSettings'), 'Networks');
}

/** Somebody chose it. */
export function hasAddress(endpoint: JsonObject): boolean {
  const wanted = objectAt(endpoint, 'IPAMConfig');
  return textAt(wanted, 'IPv4Address') !== '' || textAt(wanted, 'IPv6Address') !== '';
}

function settingsOf(network: JsonObject, names: RecreationNames): JsonObject {
  const { beside, project } = names.options;
  const recorded = textAt(network, 'Name');
  const labels = names.labels(labelsOf(network));
  const flags = copied(network, 'Internal', 'Attachable', 'EnableIPv4', 'EnableIPv6', 'ConfigOnly', 'ConfigFrom');
  const ipam = objectAt(network, 'IPAM');
  const plan = { Driver: textAt(ipam, 'Driver') || 'default', Options: textMapAt(ipam, 'Options') };
  if (!beside) {
    const scope = textAt(network, 'Scope') === 'swarm' ? { Scope: 'swarm' } : {};
    return {
      ...flags,
      ...scope,
      Driver: textAt(network, 'Driver') || 'bridge',
      Options: textMapAt(network, 'Options'),
      IPAM: { ...plan, Config: objectsAt(ipam, 'Config') },
      Labels: labels,
    };
  }
  const isOurs = labels[COMPOSE_PROJECT] === project.to;
  const ownLabels = Object.fromEntries(
    Object.entries(labels).filter(([key]) => key !== COMPOSE_CONFIG_HASH && (isOurs || !key.startsWith('com.docker.compose.'))),
  );
  const options = textMapAt(network, 'Options');
  // Before Engine 27 IPv6 needs addresses of its own, and these belong to the original.
  if (network['EnableIPv6'] === true) names.tell(`network ${recorded} is made without IPv6`);
  const common = {
    ...without(flags, 'ConfigOnly', 'ConfigFrom', 'EnableIPv6'),
    IPAM: { Driver: 'default', Config: [] },
    Labels: ownLabels,
  };
  if (textAt(network, 'Driver') !== 'bridge') {
    const why = ON_AN_INTERFACE.has(textAt(network, 'Driver')) ? `on ${options['parent'] ?? 'an interface'}` : textAt(network, 'Driver');
    names.tell(`network ${recorded} (${why}) becomes a bridge of this engine`);
    return { ...common, Driver: 'bridge', Options: {} };
  }
  const fixed = options['com.docker.network.bridge.name'];
  if (fixed !== undefined) names.tell(`bridge name ${fixed} of network ${recorded} is dropped`);
  return { ...common, Driver: 'bridge', Options: without(options, 'com.docker.network.bridge.name') };
}

function copied(json: JsonObject, ...keys: readonly string[]): JsonObject {
  const entries = keys.flatMap((key): readonly (readonly [string, JsonValue])[] => {
    const value = json[key];
    return value === undefined ? [] : [[key, value]];
  });
  return Object.fromEntries(entries);
}
