import { posix } from 'node:path';
import type { ContainerState, EngineContainer, EngineMount, EngineVolume } from '../domain/engine-model.ts';
import type { ContainerJson, ImageJson, VolumeJson } from './engine-api.ts';
import {
  COMPOSE_DEPENDS_ON,
  COMPOSE_NUMBER,
  COMPOSE_ONEOFF,
  COMPOSE_PROJECT,
  COMPOSE_SERVICE,
  COMPOSE_VOLUME,
  SWARM_SERVICE,
} from './labels.ts';

/** A container's and its image's inspect JSON as the domain sees them; the image is null where it was removed. */
export function toEngineContainer(json: ContainerJson, image: ImageJson | null): EngineContainer {
  const labels = json.Config.Labels ?? {};
  const mounts = toMounts(json);
  return {
    id: json.Id,
    name: json.Name.replace(/^\//, ''),
    project: labels[COMPOSE_PROJECT] || null,
    service: labels[COMPOSE_SERVICE] || null,
    number: Number.parseInt(labels[COMPOSE_NUMBER] ?? '', 10) || 1,
    oneOff: labels[COMPOSE_ONEOFF]?.toLowerCase() === 'true',
    image: json.Config.Image,
    imageId: json.Image,
    imageDigests: image?.RepoDigests ?? [],
    imageTags: image?.RepoTags ?? [],
    imageEnvironment: toEnvironment(image?.Config?.Env ?? []),
    state: toState(json.State.Status),
    health: toHealth(json.State.Health?.Status),
    startedAt: json.State.StartedAt,
    finishedAt: json.State.FinishedAt,
    exitCode: json.State.ExitCode,
    environment: toEnvironment(json.Config.Env ?? []),
    labels,
    mounts,
    tmpfs: [
      ...new Set([
        ...Object.keys(json.HostConfig.Tmpfs ?? {}),
        ...mounts.filter(({ type }) => type === 'tmpfs').map(({ target }) => target),
      ]),
    ],
    exposedPorts: Object.keys(json.Config.ExposedPorts ?? {}),
    dependsOn: toDependsOn(labels[COMPOSE_DEPENDS_ON] ?? ''),
    stopTimeoutSeconds: json.Config.StopTimeout ?? null,
    command: [...(json.Path === undefined || json.Path === '' ? [] : [json.Path]), ...(json.Args ?? [])],
    swarmService: labels[SWARM_SERVICE] ?? null,
    sharesNetworkOf: containerIn(json.HostConfig.NetworkMode),
    sharesNamespacesOf: [json.HostConfig.NetworkMode, json.HostConfig.PidMode, json.HostConfig.IpcMode].flatMap(
      (mode) => containerIn(mode) ?? [],
    ),
  };
}

export function toEngineVolume(json: VolumeJson): EngineVolume {
  return {
    name: json.Name,
    driver: json.Driver,
    scope: json.Scope ?? 'local',
    mountpoint: json.Mountpoint,
    options: json.Options ?? {},
    labels: json.Labels ?? {},
    createdAt: json.CreatedAt ?? '',
    composeKey: json.Labels?.[COMPOSE_VOLUME] || null,
  };
}

/** `db:service_healthy:true,cache:service_started:false`, as Compose 2 writes it. */
export function toDependsOn(label: string): EngineContainer['dependsOn'] {
  const dependencies: Record<string, { condition: string; restart: boolean }> = {};
  for (const part of label.split(',')) {
    const [service, condition, restart] = part.split(':');
    if (service) dependencies[service] = { condition: condition || 'service_started', restart: restart === 'true' };
  }
  return dependencies;
}

export function toMounts(json: ContainerJson): readonly EngineMount[] {
  return (json.Mounts ?? []).map((mount) => toMount(mount, json));
}

function toMount(mount: NonNullable<ContainerJson['Mounts']>[number], json: ContainerJson): EngineMount {
  const type = mount.Type === 'volume' || mount.Type === 'bind' || mount.Type === 'tmpfs' ? mount.Type : 'other';
  // Only what was asked for names the sub-path; the list of what is mounted does not.
  const asked = (json.HostConfig.Mounts ?? []).find(({ Target }) => posix.resolve('/', Target) === posix.resolve('/', mount.Destination));
  return {
    type,
    name: type === 'volume' ? (mount.Name ?? null) : null,
    source: mount.Source ?? '',
    target: mount.Destination,
    readOnly: mount.RW === false,
    driver: mount.Driver || null,
    subpath: asked?.VolumeOptions?.Subpath || null,
  };
}

/** `NAME=value` lists, as containers and images have them. */
export function toEnvironment(list: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    list.map((entry) => {
      const at = entry.indexOf('=');
      return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

function toState(status: string): ContainerState {
  switch (status) {
    case 'created':
    case 'running':
    case 'paused':
    case 'restarting':
    case 'removing':
    case 'exited':
    case 'dead':
      return status;
    default:
      return status === 'stopped' || status === 'stopping' ? 'exited' : 'created'; // Podman's words
  }
}

function toHealth(status: string | undefined): EngineContainer['health'] {
  return status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : 'none';
}

/** Of a mode that is `container:` and an id or a name. */
function containerIn(mode: string | undefined): string | null {
  return /^container:(.+)$/.exec(mode ?? '')?.[1] ?? null;
}
