import { createHash } from 'node:crypto';
import type { JsonObject, JsonValue } from '../domain/byte-stream.ts';
import { DRILL_LABEL, type CopiedContainer, type CopiedVolume, type CopyOptions, type IsolatedCopy } from '../domain/drill-ports.ts';
import type { EngineContainer, EngineState } from '../domain/engine-model.ts';
import type { ContainerJson, ImageJson } from './engine-api.ts';
import { hardenedHost } from './isolated-host.ts';
import { copiedMounts } from './isolated-mounts.ts';
import { flag, record, text, texts } from './json-values.ts';
import {
  COMPOSE_DEPENDS_ON,
  COMPOSE_NETWORK,
  COMPOSE_NUMBER,
  COMPOSE_ONEOFF,
  COMPOSE_PROJECT,
  COMPOSE_SERVICE,
  COMPOSE_VOLUME,
  DRILL_PROJECT,
} from './labels.ts';
import { toDependsOn, toEngineContainer } from './to-engine-container.ts';

/** What of a container's configuration is its own business; everything else is left behind. */
const KEPT_CONFIG = [
  'User',
  'Env',
  'Cmd',
  'Entrypoint',
  'Healthcheck',
  'WorkingDir',
  'StopSignal',
  'StopTimeout',
  'Shell',
  'Tty',
  'OpenStdin',
  'ExposedPorts',
];

interface Recorded {
  readonly json: JsonObject;
  readonly config: JsonObject;
  readonly host: JsonObject;
  readonly name: string;
  readonly service: string;
  readonly number: number;
  readonly dependsOn: readonly string[];
}

/**
 * A copy of a recorded project that can reach nothing outside of itself: one internal network, private volumes, no ports, devices, host
 * namespaces or further rights, limits, no restarts.
 *
 * Decision: what is taken over is listed and the rest is left out, so that a setting nobody thought of cannot lead out of the copy.
 */
export function isolatedCopy(state: EngineState, options: CopyOptions): IsolatedCopy {
  const changes: string[] = [];
  const images = new Map(state.images.map((image) => [text(image['Id']), image]));
  const recorded = inStartOrder(state.containers.flatMap((json) => recordedOf(json, options)));
  const network = `${options.copy}_isolated`;
  const volumes = new Volumes(state, options);
  const names = new Map(recorded.map(({ json, service, number }) => [text(json['Id']), `${options.copy}-${service}-${number}`]));
  const containers = recorded.map((one): CopiedContainer => {
    const name = names.get(text(one.json['Id'])) ?? '';
    const { mounts, files } = copiedMounts(one.json, one.service, options, (recordedName) => volumes.nameOf(recordedName), changes);
    const mode = networkMode(one, network, names, changes);
    const image = images.get(text(one.json['Image']));
    const { HostConfig: host, ...config } = bodyOf(one, options, changes, files.length > 0);
    const isShared = mode.startsWith('container:');
    const body: JsonObject = {
      ...(isShared ? without(config, NETWORK_CONFIG) : config),
      HostConfig: { ...(isShared ? without(host, NETWORK_HOST) : host), NetworkMode: mode, Mounts: mounts },
      ...(mode === network ? { NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: aliasesOf(one) } } } } : {}),
    };
    return {
      name,
      service: one.service,
      number: one.number,
      image: text(one.config['Image']),
      imageId: text(one.json['Image']),
      imageDigests: texts(image?.['RepoDigests']),
      imageTags: texts(image?.['RepoTags']),
      wasRunning: flag(record(one.json['State'])['Running']),
      dependsOn: one.dependsOn,
      files,
      body,
    };
  });
  return {
    drill: options.drill,
    project: options.project,
    copy: options.copy,
    network: { name: network, body: networkBody(network, options) },
    volumes: volumes.all,
    containers,
    changes: [...new Set(changes)],
  };
}

/** What `DrillEngine.recordedContainers` promises. */
export function recordedContainers(state: EngineState): readonly EngineContainer[] {
  const images = new Map(state.images.map((image) => [text(image['Id']), image]));
  return state.containers.map((json) => {
    const image = images.get(text(json['Image'])) ?? null;
    return toEngineContainer(json as unknown as ContainerJson, image as unknown as ImageJson | null); // recorded inspect JSON
  });
}

function recordedOf(json: JsonObject, options: CopyOptions): readonly Recorded[] {
  const config = record(json['Config']);
  const labels = record(config['Labels']);
  const service = text(labels[COMPOSE_SERVICE]);
  const isOneOff = text(labels[COMPOSE_ONEOFF]).toLowerCase() === 'true';
  if (service === '' || isOneOff || (options.services !== null && !options.services.has(service))) return [];
  return [
    {
      json,
      config,
      host: record(json['HostConfig']),
      name: text(json['Name']).replace(/^\//, ''),
      service,
      number: Number.parseInt(text(labels[COMPOSE_NUMBER]), 10) || 1,
      dependsOn: Object.keys(toDependsOn(text(labels[COMPOSE_DEPENDS_ON]))),
    },
  ];
}

/** Whoever others depend on, or whose network they share, comes first. */
function inStartOrder(recorded: readonly Recorded[]): readonly Recorded[] {
  const ordered: Recorded[] = [];
  const seen = new Set<Recorded>();
  const place = (one: Recorded): void => {
    if (seen.has(one)) return;
    seen.add(one);
    const shared = sharedNetworkOf(one);
    for (const other of recorded)
      if (one.dependsOn.includes(other.service) || shared === text(other.json['Id']) || shared === other.name) place(other);
    ordered.push(one);
  };
  for (const one of recorded.toSorted((a, b) => (a.service < b.service ? -1 : a.service > b.service ? 1 : a.number - b.number))) place(one);
  return ordered;
}

/** What belongs to a network of one's own; an engine refuses it beside another container's, whose host name is recorded of both. */
const NETWORK_CONFIG = ['Hostname', 'Domainname', 'ExposedPorts', 'MacAddress'];
const NETWORK_HOST = ['Dns', 'DnsOptions', 'DnsSearch', 'ExtraHosts', 'Links'];

function without(values: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name)));
}

function sharedNetworkOf({ host }: Recorded): string | null {
  return /^container:(.+)$/.exec(text(host['NetworkMode']))?.[1] ?? null;
}

function networkMode(one: Recorded, network: string, names: ReadonlyMap<string, string>, changes: string[]): string {
  const mode = text(one.host['NetworkMode']);
  if (mode === 'none') return 'none';
  if (mode === 'host') changes.push(`${one.service} is not in the host's network`);
  const shared = sharedNetworkOf(one);
  if (shared === null) return network;
  const name = names.get(shared);
  if (name !== undefined) return `container:${name}`;
  changes.push(`${one.service} does not share the network of ${shared.slice(0, 12)}`);
  return network;
}

/** Every name that somebody may know it by; they live in the copy's network only. */
function aliasesOf({ json, name, service }: Recorded): readonly string[] {
  const id = text(json['Id']);
  const networks = Object.values(record(record(json['NetworkSettings'])['Networks']));
  const known = networks.flatMap((network) => texts(record(network)['Aliases'])).filter((alias) => !id.startsWith(alias));
  return [...new Set([service, name, ...known])];
}

function bodyOf(
  { json, config, host, service, number }: Recorded,
  options: CopyOptions,
  changes: string[],
  needsWritableRoot: boolean,
): JsonObject & { readonly HostConfig: JsonObject } {
  const kept = Object.fromEntries(
    KEPT_CONFIG.flatMap((key) => (config[key] === undefined || config[key] === null ? [] : [[key, config[key]]])),
  );
  const hostname = text(config['Hostname']);
  const isOwnHostname = hostname !== '' && !text(json['Id']).startsWith(hostname);
  for (const port of Object.keys(record(host['PortBindings']))) changes.push(`published port ${port} of ${service} is dropped`);
  const labels = Object.entries(record(config['Labels'])).filter(([label]) => label.startsWith('mcads.') && label !== DRILL_LABEL);
  return {
    ...kept,
    Image: text(json['Image']),
    ...(isOwnHostname ? { Hostname: hostname } : {}),
    Labels: {
      ...Object.fromEntries(labels),
      ...labelsOf(options),
      [COMPOSE_SERVICE]: service,
      [COMPOSE_NUMBER]: String(number),
      [COMPOSE_ONEOFF]: 'False',
      [COMPOSE_DEPENDS_ON]: text(record(config['Labels'])[COMPOSE_DEPENDS_ON]),
    },
    HostConfig: hardenedHost(host, service, options, changes, needsWritableRoot),
  };
}

export function labelsOf({ drill, project, copy }: Pick<CopyOptions, 'drill' | 'project' | 'copy'>): Readonly<Record<string, string>> {
  return { [DRILL_LABEL]: drill, [DRILL_PROJECT]: project, [COMPOSE_PROJECT]: copy };
}

/** Without an address of its own the bridge is no way to services of the host either. */
function networkBody(name: string, options: CopyOptions): JsonObject {
  return {
    Name: name,
    Driver: 'bridge',
    Internal: true,
    CheckDuplicate: true,
    Options: { 'com.docker.network.bridge.inhibit_ipv4': 'true' },
    Labels: { ...labelsOf(options), [COMPOSE_NETWORK]: 'isolated' },
  };
}

/** The private volumes, each for one recorded volume or host folder. */
class Volumes {
  readonly #options: CopyOptions;
  readonly #keys: ReadonlyMap<string, string>;
  readonly #made = new Map<string, CopiedVolume>();

  constructor(state: EngineState, options: CopyOptions) {
    this.#options = options;
    this.#keys = new Map(state.volumes.map((volume) => [text(volume['Name']), text(record(volume['Labels'])[COMPOSE_VOLUME])]));
    for (const name of [...options.filledVolumes, ...options.filledFolders]) this.nameOf(name);
  }

  get all(): readonly CopiedVolume[] {
    return [...this.#made.values()];
  }

  nameOf(recorded: string): string {
    const known = this.#made.get(recorded);
    if (known !== undefined) return known.name;
    const key = this.#keys.get(recorded) ?? '';
    const suffix = key === '' ? createHash('sha256').update(recorded).digest('hex').slice(0, 12) : key;
    const name = `${this.#options.copy}_${suffix}`;
    const labels: JsonValue = { ...labelsOf(this.#options), ...(key === '' ? {} : { [COMPOSE_VOLUME]: key }) };
    this.#made.set(recorded, { name, recorded, body: { Name: name, Driver: 'local', Labels: labels } });
    return name;
  }
}
