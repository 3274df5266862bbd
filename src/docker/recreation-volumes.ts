import { posix } from 'node:path';
import type { JsonObject } from '../domain/byte-stream.ts';
import type { EngineState } from '../domain/engine-model.ts';
import type { RecreatedVolume } from '../domain/restore.ts';
import { COMPOSE_CONFIG_HASH, COMPOSE_PROJECT, COMPOSE_VOLUME } from './labels.ts';
import { labelsOf, objectsAt, textAt, textMapAt, without } from './recreation-json.ts';
import { isOwned, type RecreationNames } from './recreation-names.ts';

/**
 * Driver, options and labels as recorded, but without `config-hash`: Compose leaves a volume without one alone, and asks whether to delete the
 * data of one whose hash differs.
 */
export function recreatedVolumes(
  state: EngineState,
  containers: readonly JsonObject[],
  names: RecreationNames,
): readonly RecreatedVolume[] {
  const mounted = new Set(containers.flatMap((container) => objectsAt(container, 'Mounts').map((mount) => textAt(mount, 'Name'))));
  const { project } = names.options;
  return state.volumes
    .filter((volume) => isOwned(volume, project.from) || mounted.has(textAt(volume, 'Name')))
    .map((volume) => {
      const recordedName = textAt(volume, 'Name');
      const labels = names.labels(without(labelsOf(volume), COMPOSE_CONFIG_HASH) as Readonly<Record<string, string>>); // still only texts
      const name = names.volume(recordedName);
      // A private copy of another project's volume is nobody's but ours.
      const ownLabels = labels[COMPOSE_PROJECT] === project.to ? labels : names.options.beside ? withoutCompose(labels) : labels;
      const { folder, ...driver } = driverOf(volume, names);
      return {
        name,
        composeKey: isOwned(volume, project.from) ? (labels[COMPOSE_VOLUME] ?? null) : null,
        recordedName,
        folder,
        body: { Name: name, ...driver, Labels: ownLabels },
      };
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

interface VolumeDriver {
  readonly Driver: string;
  readonly DriverOpts: JsonObject;
  readonly folder: string | null;
}

function driverOf(volume: JsonObject, names: RecreationNames): VolumeDriver {
  const driver = textAt(volume, 'Driver') || 'local';
  const options = textMapAt(volume, 'Options');
  const name = textAt(volume, 'Name');
  const device = options['device'];
  const isFolder = driver === 'local' && device !== undefined && posix.isAbsolute(device) && /(^|,)r?bind(,|$)/.test(options['o'] ?? '');
  const isOwnFolder = isFolder && names.isOwnPath(device);
  const isPrivate = driver === 'local' && (device === undefined || options['type'] === 'tmpfs' || isOwnFolder);
  if (names.options.beside && !isPrivate) {
    names.tell(`volume ${name} is made as a plain one: its driver's place (${device ?? driver}) belongs to ${names.options.project.from}`);
    return { Driver: 'local', DriverOpts: {}, folder: null };
  }
  const folder = isFolder ? names.path(device) : null;
  return { Driver: driver, DriverOpts: folder === null ? options : { ...options, device: folder }, folder };
}

function withoutCompose(labels: Readonly<Record<string, string>>): JsonObject {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !key.startsWith('com.docker.compose.')));
}
