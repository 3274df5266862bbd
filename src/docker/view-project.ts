import { posix } from 'node:path';
import type { BindUser, EngineContainer, EngineProject, EngineProjectSummary, EngineVolume, VolumeUser } from '../domain/engine-model.ts';
import type { EngineImage } from '../domain/ports.ts';
import type { ContainerJson, ContainerSummaryJson, ImageJson, NetworkJson, VolumeJson } from './engine-api.ts';
import type { EngineClient } from './engine-client.ts';
import { mapConcurrently } from './map-concurrently.ts';
import {
  COMPOSE_CONFIG_FILES,
  COMPOSE_CONFIG_HASH,
  COMPOSE_ENVIRONMENT_FILE,
  COMPOSE_NETWORK,
  COMPOSE_ONEOFF,
  COMPOSE_PROJECT,
  COMPOSE_WORKING_DIR,
  HELPER,
} from './labels.ts';
import { toEngineContainer, toEngineVolume, toEnvironment } from './to-engine-container.ts';

const INSPECTS_AT_ONCE = 8;

export async function listProjects(client: EngineClient, signal: AbortSignal): Promise<readonly EngineProjectSummary[]> {
  const filters = labelFilter(COMPOSE_PROJECT);
  const [containers, volumes] = await Promise.all([
    client.json<readonly ContainerSummaryJson[]>(
      'GET',
      '/containers/json',
      { query: { all: true, filters } },
      'listing containers',
      signal,
    ),
    client.json<{ readonly Volumes?: readonly VolumeJson[] | null }>('GET', '/volumes', { query: { filters } }, 'listing volumes', signal),
  ]);
  const projects = new Map<string, { workingDirectory: string | null; running: number; containers: number }>();
  const entry = (project: string) => {
    const known = projects.get(project) ?? { workingDirectory: null, running: 0, containers: 0 };
    projects.set(project, known);
    return known;
  };
  for (const { Labels: labels, State: state } of containers) {
    const project = labels?.[COMPOSE_PROJECT];
    if (!project || HELPER in labels) continue;
    const known = entry(project);
    known.workingDirectory ??= labels[COMPOSE_WORKING_DIR] ?? null;
    known.containers += 1;
    if (state === 'running' || state === 'paused') known.running += 1;
  }
  for (const { Labels: labels } of volumes.Volumes ?? []) if (labels?.[COMPOSE_PROJECT]) entry(labels[COMPOSE_PROJECT]);
  return [...projects].map(([project, rest]) => ({ project, ...rest })).sort((a, b) => (a.project < b.project ? -1 : 1));
}

/** What `Engine.viewProject` promises: labels only, nothing guessed from names. */
export async function viewProject(client: EngineClient, project: string, signal: AbortSignal): Promise<EngineProject> {
  const filters = labelFilter(`${COMPOSE_PROJECT}=${project}`);
  const [all, labelled, networks] = await Promise.all([
    client.json<readonly ContainerSummaryJson[]>('GET', '/containers/json', { query: { all: true } }, 'listing containers', signal),
    client.json<{ readonly Volumes?: readonly VolumeJson[] | null }>('GET', '/volumes', { query: { filters } }, 'listing volumes', signal),
    client.json<readonly NetworkJson[]>('GET', '/networks', { query: { filters } }, 'listing networks', signal),
  ]);
  const mine = all.filter(({ Labels: labels }) => labels?.[COMPOSE_PROJECT] === project && !(HELPER in labels));
  const inspected = await inspectAll(
    client,
    mine.map(({ Id }) => Id),
    signal,
  );
  const own = inspected.filter(({ json, image }) => !labelledByImage(json, image));
  const containers = own.map(({ json, image }) => toEngineContainer(json, image)).sort(byServiceAndNumber);
  const known = (labelled.Volumes ?? []).map(toEngineVolume);
  const mounted = containers.flatMap(({ mounts }) => mounts.flatMap(({ name }) => (name === null ? [] : [name])));
  const names = new Set(known.map(({ name }) => name));
  const volumes = [
    ...known,
    ...(await viewVolumes(
      client,
      mounted.filter((name) => !names.has(name)),
      signal,
    )),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
  const ids = new Set(containers.map(({ id }) => id));
  return {
    project,
    containers,
    volumes,
    networks: networks.map(({ Name: name, Driver: driver, Labels: labels }) => ({
      name,
      driver,
      composeKey: labels?.[COMPOSE_NETWORK] ?? null,
    })),
    foreignUsers: foreignUsers(
      all.filter(({ Id }) => !ids.has(Id)),
      new Set(volumes.map(({ name }) => name)),
    ),
    foreignBinds: foreignBinds(all.filter(({ Id }) => !ids.has(Id))),
    ...filesOf(own.map(({ json }) => json)),
  };
}

export async function inspectContainer(client: EngineClient, id: string, signal: AbortSignal): Promise<EngineContainer> {
  const json = await client.json<ContainerJson>(
    'GET',
    `/containers/${encodeURIComponent(id)}/json`,
    {},
    `looking at container ${id}`,
    signal,
  );
  return toEngineContainer(json, await findImage(client, json.Image, signal));
}

/** By id or name; null where the engine has no such container. */
export async function findContainer(client: EngineClient, reference: string, signal: AbortSignal): Promise<EngineContainer | null> {
  const doing = `looking at container ${reference}`;
  const json = await client.find<ContainerJson>(`/containers/${encodeURIComponent(reference)}/json`, {}, doing, signal);
  return json === null ? null : toEngineContainer(json, await findImage(client, json.Image, signal));
}

/** The named volumes that exist, each once. */
export async function viewVolumes(client: EngineClient, names: readonly string[], signal: AbortSignal): Promise<readonly EngineVolume[]> {
  const found = await mapConcurrently([...new Set(names)], INSPECTS_AT_ONCE, async (name) =>
    client.find<VolumeJson>(`/volumes/${encodeURIComponent(name)}`, {}, `looking at volume ${name}`, signal),
  );
  return found.filter((volume) => volume !== null).map(toEngineVolume);
}

export function labelFilter(...labels: readonly string[]): string {
  return JSON.stringify({ label: labels });
}

async function inspectAll(
  client: EngineClient,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<readonly { readonly json: ContainerJson; readonly image: ImageJson | null }[]> {
  const found = await mapConcurrently(ids, INSPECTS_AT_ONCE, async (id) =>
    client.find<ContainerJson>(`/containers/${id}/json`, {}, 'looking at a container', signal),
  );
  const containers = found.filter((json) => json !== null); // others were removed since the list was made
  const imageIds = [...new Set(containers.map(({ Image }) => Image))];
  const images = new Map(
    (await mapConcurrently(imageIds, INSPECTS_AT_ONCE, async (id) => findImage(client, id, signal))).map((image, index) => [
      imageIds[index],
      image,
    ]),
  );
  return containers.map((json) => ({ json, image: images.get(json.Image) ?? null }));
}

/** Null where the engine has no such image. */
export async function inspectImage(client: EngineClient, reference: string, signal: AbortSignal): Promise<EngineImage | null> {
  const image = await findImage(client, reference, signal);
  if (image === null) return null;
  return {
    id: image.Id,
    tags: image.RepoTags ?? [],
    digests: image.RepoDigests ?? [],
    environment: toEnvironment(image.Config?.Env ?? []),
    sizeBytes: image.Size ?? 0,
  };
}

async function findImage(client: EngineClient, id: string, signal: AbortSignal): Promise<ImageJson | null> {
  return client.find<ImageJson>(`/images/${encodeURIComponent(id)}/json`, {}, 'looking at an image', signal);
}

/** `compose build` labels images with the project, and any container made from one inherits that without being part of it. */
function labelledByImage(json: ContainerJson, image: ImageJson | null): boolean {
  const labels = json.Config.Labels ?? {};
  return (
    !(COMPOSE_CONFIG_HASH in labels) && !(COMPOSE_ONEOFF in labels) && image?.Config?.Labels?.[COMPOSE_PROJECT] === labels[COMPOSE_PROJECT]
  );
}

function foreignUsers(containers: readonly ContainerSummaryJson[], volumes: ReadonlySet<string>): readonly VolumeUser[] {
  return containers
    .filter(({ Labels: labels }) => !(HELPER in (labels ?? {})))
    .flatMap((container) =>
      (container.Mounts ?? [])
        .filter(({ Name: name }) => name !== undefined && volumes.has(name))
        .map(({ Name: volume = '' }) => ({ volume, ...whoIs(container), running: runs(container) })),
    );
}

function foreignBinds(containers: readonly ContainerSummaryJson[]): readonly BindUser[] {
  return containers
    .filter((container) => !(HELPER in (container.Labels ?? {})) && runs(container))
    .flatMap((container) =>
      (container.Mounts ?? [])
        .filter(({ Type: type, RW: writes }) => type === 'bind' && writes !== false)
        .map(({ Source: path = '' }) => ({ path, ...whoIs(container) })),
    );
}

function whoIs({ Id: id, Names: names, Labels: labels }: ContainerSummaryJson): {
  readonly container: string;
  readonly project: string | null;
} {
  return { container: names?.[0]?.replace(/^\//, '') ?? id, project: labels?.[COMPOSE_PROJECT] || null };
}

function runs({ State: state }: ContainerSummaryJson): boolean {
  return state === 'running' || state === 'paused' || state === 'restarting';
}

/** What the newest container says about the files: an older one may come from another set of `-f`. */
function filesOf(containers: readonly ContainerJson[]): Pick<EngineProject, 'workingDirectory' | 'configFiles' | 'environmentFiles'> {
  const newest = containers
    .filter(({ Config }) => Config.Labels?.[COMPOSE_WORKING_DIR] !== undefined)
    .sort((a, b) => (a.Created < b.Created ? 1 : -1))[0];
  const labels = newest?.Config.Labels ?? {};
  const workingDirectory = labels[COMPOSE_WORKING_DIR] || null;
  const paths = (label: string): readonly string[] =>
    (labels[label] ?? '')
      .split(',')
      .filter((path) => path !== '')
      // Compose 1 writes them relative to the working directory.
      .map((path) => (path === '-' || workingDirectory === null ? path : posix.resolve(workingDirectory, path)));
  return { workingDirectory, configFiles: paths(COMPOSE_CONFIG_FILES), environmentFiles: paths(COMPOSE_ENVIRONMENT_FILE) };
}

function byServiceAndNumber(a: EngineContainer, b: EngineContainer): number {
  const left = a.service ?? '';
  const right = b.service ?? '';
  return left === right ? a.number - b.number : left < right ? -1 : 1;
}
