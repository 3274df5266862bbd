import { posix } from 'node:path';
import { isJsonObject } from '../domain/byte-stream.ts';
import type { EngineContainer, EngineMount } from '../domain/engine-model.ts';
import type { SnapshotRepository } from '../domain/ports.ts';
import type { Recreation, TreePlace } from '../domain/restore.ts';
import { McadsError } from '../errors.ts';
import { parseCatalogue } from '../stream/catalogue.ts';
import { artifactsOf, rawPathOf } from './select-components.ts';
import { targetsOf, type SelectedForRestore } from './restore-selection.ts';
import type { RestoreSituation } from './restore-situation.ts';
import { toText } from '../stream/raw-path.ts';

/** Where a volume or bind of the snapshot goes. */
export interface RestorePlace {
  readonly place: TreePlace;
  /** For people. */
  readonly name: string;
}

const ANONYMOUS = /^[0-9a-f]{64}$/;
const BINDS_BESIDE = 'binds';

/** A captured volume: as the project has it now, else as it is made again. */
export function volumePlace(one: SelectedForRestore, situation: RestoreSituation, full: Recreation | null): RestorePlace {
  const recorded = recordedVolume(one);
  const name = volumeName(one, recorded, situation, full);
  const mount = { type: 'volume', name, driver: recorded.driver, subpath: null } as const;
  return { place: { mount, singleFile: null }, name: `volume ${name}` };
}

interface RecordedVolume {
  readonly name: string;
  readonly driver: string;
  readonly composeKey: string | null;
}

function recordedVolume({ id, details }: SelectedForRestore): RecordedVolume {
  const volume = details.facts['volume'];
  if (!isJsonObject(volume) || typeof volume['name'] !== 'string')
    throw new McadsError('damaged', `the snapshot does not say which volume ${id} was`);
  const labels = isJsonObject(volume['labels']) ? volume['labels'] : {};
  const key = labels['com.docker.compose.volume'];
  return {
    name: volume['name'],
    driver: typeof volume['driver'] === 'string' ? volume['driver'] : 'local',
    composeKey: typeof key === 'string' && key !== '' ? key : null,
  };
}

function volumeName(one: SelectedForRestore, recorded: RecordedVolume, situation: RestoreSituation, full: Recreation | null): string {
  const { beside, view, model } = situation;
  const made = full?.volumes.find(({ recordedName }) => recordedName === recorded.name)?.name;
  if (beside) {
    if (made === undefined) throw new McadsError('component-failed', `the snapshot does not say how ${one.id} is made again`);
    return made;
  }
  if (recorded.composeKey !== null) {
    const live = view.volumes.find(({ composeKey }) => composeKey === recorded.composeKey)?.name;
    return live ?? made ?? model?.volumes[recorded.composeKey]?.name ?? recorded.name;
  }
  if (ANONYMOUS.test(recorded.name)) {
    // Compose gives every new container new ones: it is the one at this container's path now.
    const live = mountOfTargets(one, situation, replicaOf(one.id), (mount) => mount.type === 'volume');
    if (live?.name !== null && live?.name !== undefined) return live.name;
  }
  return made ?? recorded.name;
}

function replicaOf(id: string): number {
  return Number(/#(\d+)$/.exec(id)?.[1] ?? 1);
}

function mountOfTargets(
  one: SelectedForRestore,
  { view }: RestoreSituation,
  number: number,
  isKind: (mount: EngineMount) => boolean,
): EngineMount | undefined {
  for (const { service, target } of targetsOf(one.details)) {
    const containers = view.containers.filter((container) => isOf(container, service) && (number === 1 || container.number === number));
    for (const container of containers) {
      const found = container.mounts.find((mount) => mount.target === target && isKind(mount));
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function isOf({ service, oneOff }: EngineContainer, name: string): boolean {
  return service === name && !oneOff;
}

/** Host path of a captured bind when it was captured. */
export function recordedHostPath({ id, details }: SelectedForRestore): string {
  const path = details.facts['hostPath'];
  if (typeof path !== 'string' || !path.startsWith('/')) throw new McadsError('damaged', `the snapshot does not say where ${id} was`);
  return posix.normalize(path).replace(/(?<=.)\/+$/, '');
}

/** Host path that a captured bind goes to: where the project mounts it now, else moved with the project directory. */
export function bindPath(one: SelectedForRestore, situation: RestoreSituation): string {
  const { beside, hostDirectory, recordedDirectory } = situation;
  const recorded = recordedHostPath(one);
  const live = beside ? undefined : mountOfTargets(one, situation, 1, ({ type }) => type === 'bind')?.source;
  if (live !== undefined) return posix.normalize(live).replace(/(?<=.)\/+$/, '');
  if (recordedDirectory !== null && (recorded === recordedDirectory || recorded.startsWith(`${recordedDirectory}/`)))
    return posix.join(hostDirectory, recorded.slice(recordedDirectory.length));
  // What lies elsewhere is the original's: a project beside gets its own in its own folder.
  return beside ? posix.join(hostDirectory, BINDS_BESIDE, recorded) : recorded;
}

/** Looks into the catalogue for whether the bind is a single file. Rejects `component-failed` where that file is called otherwise by now. */
export async function bindPlace(
  one: SelectedForRestore,
  situation: RestoreSituation,
  repository: SnapshotRepository,
  signal: AbortSignal,
): Promise<RestorePlace> {
  const hostPath = bindPath(one, situation);
  const singleFile = await singleFileOf(one, repository, signal);
  if (singleFile !== null && posix.basename(hostPath) !== singleFile) {
    throw new McadsError(
      'component-failed',
      `${one.id} was the file ${posix.basename(recordedHostPath(one))} and is mounted from ${hostPath} now`,
      {
        hint: 'extract it to where it belongs',
      },
    );
  }
  return { place: { mount: { type: 'bind', hostPath }, singleFile }, name: hostPath };
}

/** A directory's catalogue begins with the directory itself, a single file's with that file. */
async function singleFileOf(
  { component }: SelectedForRestore,
  repository: SnapshotRepository,
  signal: AbortSignal,
): Promise<string | null> {
  const { catalogue } = artifactsOf(component);
  if (catalogue === null) return null;
  for await (const entry of parseCatalogue(repository.read(catalogue, signal)))
    return rawPathOf(entry) === '' ? null : toText(rawPathOf(entry));
  return null;
}
