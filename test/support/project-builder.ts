import type { EngineContainer, EngineMount, EngineProject, EngineVolume } from '../../src/domain/engine-model.ts';
import type { ComponentSettings, Project } from '../../src/domain/plan.ts';
import type { SettingsLookup } from '../../src/pipeline/requests.ts';

export const NO_SETTINGS: ComponentSettings = {
  enable: null,
  engine: null,
  postgres: { user: null, passwordFile: null, port: null, databases: null },
  exclude: [],
  quiesce: null,
  consistency: null,
  execBefore: null,
  execAfter: null,
  execTimeoutMs: 60_000,
  execUser: null,
};

/** Settings by service and volume name; everything else has none. */
export function settingsOf(
  services: Record<string, Partial<ComponentSettings>> = {},
  volumes: Record<string, Partial<ComponentSettings>> = {},
): SettingsLookup {
  return {
    forService: (name) => ({ settings: { ...NO_SETTINGS, ...services[name] }, failure: null }),
    forVolume: (name) => ({ settings: { ...NO_SETTINGS, ...volumes[name] }, failure: null }),
  };
}

export function container(service: string, overrides: Partial<EngineContainer> = {}): EngineContainer {
  return {
    id: `id-${service}-${overrides.number ?? 1}`,
    name: `shop-${service}-${overrides.number ?? 1}`,
    project: 'shop',
    service,
    number: 1,
    oneOff: false,
    image: 'app',
    imageId: 'sha256:app',
    imageDigests: ['app@sha256:0'],
    imageTags: ['app:1'],
    imageEnvironment: {},
    state: 'running',
    health: 'none',
    startedAt: '2026-01-01T00:00:00Z',
    finishedAt: '',
    exitCode: 0,
    environment: {},
    labels: {},
    mounts: [],
    tmpfs: [],
    exposedPorts: [],
    dependsOn: {},
    stopTimeoutSeconds: null,
    command: [],
    swarmService: null,
    sharesNetworkOf: null,
    sharesNamespacesOf: [],
    ...overrides,
  };
}

export function volumeMount(name: string, target: string, overrides: Partial<EngineMount> = {}): EngineMount {
  return {
    type: 'volume',
    name,
    source: `/var/lib/docker/volumes/${name}/_data`,
    target,
    readOnly: false,
    driver: 'local',
    subpath: null,
    ...overrides,
  };
}

export function bindMount(source: string, target: string): EngineMount {
  return { type: 'bind', name: null, source, target, readOnly: false, driver: null, subpath: null };
}

export function volume(name: string, composeKey: string | null, overrides: Partial<EngineVolume> = {}): EngineVolume {
  return {
    name,
    driver: 'local',
    scope: 'local',
    mountpoint: `/var/lib/docker/volumes/${name}/_data`,
    options: {},
    labels: {},
    createdAt: '',
    composeKey,
    ...overrides,
  };
}

export function project(
  containers: readonly EngineContainer[],
  volumes: readonly EngineVolume[] = [],
  overrides: Partial<EngineProject> = {},
): Project {
  return {
    name: 'shop',
    strategy: 'docker',
    directory: '/srv/shop',
    model: null,
    engine: {
      project: 'shop',
      containers,
      volumes,
      networks: [],
      foreignUsers: [],
      foreignBinds: [],
      workingDirectory: '/srv/shop',
      configFiles: [],
      environmentFiles: [],
      ...overrides,
    },
    engineInfo: {
      id: 'engine',
      name: 'host',
      version: '20.10',
      apiVersion: '1.41',
      operatingSystem: 'linux',
      architecture: 'amd64',
      rootless: false,
      podman: false,
      endpoint: 'unix:///var/run/docker.sock',
      sharesFilesystem: true,
    },
    modelError: null,
  };
}
