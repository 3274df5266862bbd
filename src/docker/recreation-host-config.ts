import { posix } from 'node:path';
import { isJsonObject, type JsonObject, type JsonValue } from '../domain/byte-stream.ts';
import { COMPOSE_PROJECT } from './labels.ts';
import { listAt, objectAt, objectsAt, textAt, textMapAt, textsAt, without } from './recreation-json.ts';
import type { RecreationNames } from './recreation-names.ts';

/** What others are named by in a host configuration: `container:<id>`. */
const SHARED_NAMESPACES = ['NetworkMode', 'IpcMode', 'PidMode'] as const;
const OF_CONTAINER = 'container:';

/** A recorded container on its way to being made again. */
export interface RecordedContainer {
  readonly json: JsonObject;
  readonly service: string;
  /** Those of its `volumes_from`. */
  readonly lenders: readonly JsonObject[];
}

/** The recorded host configuration with names, folders and references of now. */
export function recreatedHostConfig(recorded: RecordedContainer, names: RecreationNames): JsonObject {
  const host = objectAt(recorded.json, 'HostConfig');
  const { beside } = names.options;
  const mounts = [...objectsAt(host, 'Mounts').map((mount) => movedMount(mount, recorded, names)), ...anonymousMounts(recorded, names)];
  return {
    ...without(host, 'ContainerIDFile', ...(textAt(host, 'Runtime') === 'runc' ? ['Runtime'] : [])),
    ...namespaces(recorded, names),
    Binds: textsAt(host, 'Binds').map((bind) => movedBind(bind, recorded, names)),
    Mounts: mounts,
    VolumesFrom: lendersOf(recorded, names),
    Links: textsAt(host, 'Links').map((link) => movedLink(link, names)),
    ...(beside ? { PortBindings: {}, PublishAllPorts: false } : {}),
  };
}

/** The container whose network it shares; null for one with a network of its own. */
export function sharedNetworkOf(host: JsonObject): string | null {
  const mode = textAt(host, 'NetworkMode');
  return mode.startsWith(OF_CONTAINER) ? mode.slice(OF_CONTAINER.length) : null;
}

/** Containers whose network, processes or memory it shares: by name or id, as recorded. */
export function sharedWith(host: JsonObject): readonly string[] {
  const modes = SHARED_NAMESPACES.map((key) => textAt(host, key));
  return modes.filter((mode) => mode.startsWith(OF_CONTAINER)).map((mode) => mode.slice(OF_CONTAINER.length));
}

/** Containers that must be there before: by name or id, as recorded. */
export function referencesOf(json: JsonObject): readonly string[] {
  const host = objectAt(json, 'HostConfig');
  const linked = Object.values(objectAt(objectAt(json, 'NetworkSettings'), 'Networks')).flatMap((endpoint) =>
    isJsonObject(endpoint) ? textsAt(endpoint, 'Links') : [],
  );
  return [
    ...sharedWith(host),
    ...textsAt(host, 'VolumesFrom').map((entry) => entry.split(':')[0] ?? ''),
    ...[...textsAt(host, 'Links'), ...linked].map((link) => link.split(':')[0] ?? ''),
  ];
}

/** `db-container:alias`, or `/db-container:/web-container/alias` as the engine tells the old kind. */
export function movedLink(link: string, names: RecreationNames): string {
  const [target = '', alias = ''] = link.split(':');
  return `${names.container(target) ?? target.replace(/^\//, '')}:${alias.slice(alias.lastIndexOf('/') + 1)}`;
}

function namespaces({ json, service }: RecordedContainer, names: RecreationNames): JsonObject {
  const host = objectAt(json, 'HostConfig');
  const found: Record<string, JsonValue> = {};
  for (const key of SHARED_NAMESPACES) {
    const mode = textAt(host, key);
    if (!mode.startsWith(OF_CONTAINER)) {
      if (key === 'NetworkMode') found[key] = names.network(mode);
      continue;
    }
    const reference = mode.slice(OF_CONTAINER.length);
    const known = names.container(reference);
    if (known === null && names.options.beside) {
      names.tell(`${service} no longer shares its ${key === 'NetworkMode' ? 'network' : key.slice(0, 3).toUpperCase()} with ${reference}`);
      found[key] = key === 'NetworkMode' ? 'none' : key === 'IpcMode' ? 'private' : '';
    } else found[key] = `${OF_CONTAINER}${known ?? reference}`;
  }
  return found;
}

function lendersOf({ json, service }: RecordedContainer, names: RecreationNames): readonly string[] {
  return textsAt(objectAt(json, 'HostConfig'), 'VolumesFrom').flatMap((entry) => {
    const [reference = '', ...mode] = entry.split(':');
    const known = names.container(reference);
    if (known === null && names.options.beside) {
      names.tell(`${service} no longer has the volumes of ${reference}, which is none of the project's`);
      return [];
    }
    return [[known ?? reference, ...mode].join(':')];
  });
}

/** `source:target[:options]`; a source without a slash is a volume. */
function movedBind(bind: string, recorded: RecordedContainer, names: RecreationNames): string {
  const [source = '', ...rest] = bind.split(':');
  const isReadOnly = (rest[1] ?? '').split(',').includes('ro');
  const moved = posix.isAbsolute(source) ? movedPath(source, isReadOnly, recorded, names) : names.volume(source);
  return [moved, ...rest].join(':');
}

function movedMount(mount: JsonObject, recorded: RecordedContainer, names: RecreationNames): JsonObject {
  const source = textAt(mount, 'Source');
  switch (textAt(mount, 'Type')) {
    case 'bind':
      return { ...mount, Source: movedPath(source, mount['ReadOnly'] === true, recorded, names) };
    case 'volume': {
      const name = source === '' ? mountedAt(recorded.json, textAt(mount, 'Target')) : source;
      const options = objectAt(mount, 'VolumeOptions');
      const labels = textMapAt(options, 'Labels');
      const moved = COMPOSE_PROJECT in labels ? { VolumeOptions: { ...options, Labels: names.labels(labels) } } : {};
      return { ...mount, ...moved, ...(name === null ? {} : { Source: names.volume(name) }) };
    }
    default:
      return mount;
  }
}

function movedPath(path: string, isReadOnly: boolean, { service }: RecordedContainer, names: RecreationNames): string {
  const { beside, project } = names.options;
  if (beside && !isReadOnly && !names.isOwnPath(path)) names.tell(`${service} shares ${path} with ${project.from}`);
  return names.path(path);
}

/** Volumes that nothing names but the container's own list of targets: without a name it would get new, empty ones. */
function anonymousMounts({ json, lenders }: RecordedContainer, names: RecreationNames): readonly JsonObject[] {
  const host = objectAt(json, 'HostConfig');
  const named = new Set([
    ...textsAt(host, 'Binds').map((bind) => targetOf(bind.split(':')[1] ?? '')),
    ...objectsAt(host, 'Mounts').map((mount) => targetOf(textAt(mount, 'Target'))),
    ...Object.keys(textMapAt(host, 'Tmpfs')).map(targetOf),
  ]);
  return objectsAt(json, 'Mounts').flatMap((mount) => {
    const target = targetOf(textAt(mount, 'Destination'));
    const name = textAt(mount, 'Name');
    const isLent = lenders.some((lender) => objectsAt(lender, 'Mounts').some((lent) => textAt(lent, 'Name') === name));
    if (textAt(mount, 'Type') !== 'volume' || name === '' || named.has(target) || isLent) return [];
    return [{ Type: 'volume', Source: names.volume(name), Target: target, ReadOnly: mount['RW'] === false }];
  });
}

function mountedAt(json: JsonObject, target: string): string | null {
  const found = objectsAt(json, 'Mounts').find((mount) => targetOf(textAt(mount, 'Destination')) === targetOf(target));
  return found === undefined ? null : textAt(found, 'Name') || null;
}

function targetOf(path: string): string {
  return posix.resolve('/', path);
}

/** Ports of the machine that it takes, for people. */
export function publishedPorts(host: JsonObject): readonly string[] {
  const bound = objectAt(host, 'PortBindings');
  const told = Object.keys(bound).flatMap((port) =>
    listAt(bound, port)
      .filter(isJsonObject)
      .map((binding) => textAt(binding, 'HostPort') || port),
  );
  return host['PublishAllPorts'] === true ? [...told, 'of every kind'] : told;
}
