import type { JsonObject } from './byte-stream.ts';

export interface EngineInfo {
  /** The engine's own id, stable over restarts. */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly apiVersion: string;
  readonly operatingSystem: string;
  readonly architecture: string;
  readonly rootless: boolean;
  readonly podman: boolean;
  /** Its containers live in the kernel's unified control groups (version 2). */
  readonly unifiedGroups?: boolean;
  /** Printable address, never with credentials. */
  readonly endpoint: string;
  /** True when a host folder of ours can be mounted into the engine's containers (same host, same paths). */
  readonly sharesFilesystem: boolean;
  /** No engine: services of this machine, which may use whatever is restored. */
  readonly isHost?: boolean;
  /** The container that this process runs in, where it runs in one of this engine's. */
  readonly ownContainer?: OwnContainer | undefined;
}

export interface OwnContainer {
  readonly id: string;
  readonly name: string;
  readonly mounts: readonly EngineMount[];
}

export type ContainerState = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';

export interface EngineMount {
  readonly type: 'volume' | 'bind' | 'tmpfs' | 'other';
  /** Engine volume name for volumes. */
  readonly name: string | null;
  /** Host path as the daemon sees it. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly driver: string | null;
  readonly subpath: string | null;
}

/** A database server that is reached over the network or a socket of this machine, its clients being this machine's own. */
export interface ServerAddress {
  /** Name, address or socket folder. */
  readonly host: string;
  readonly port: number;
  /** As libpq knows it; null: `prefer`. */
  readonly sslMode: string | null;
}

export interface EngineContainer {
  readonly id: string;
  readonly name: string;
  readonly project: string | null;
  readonly service: string | null;
  readonly number: number;
  readonly oneOff: boolean;
  /** As written in the container's configuration; may be a digest. */
  readonly image: string;
  readonly imageId: string;
  /** `name@sha256:…` where the image came from a registry. */
  readonly imageDigests: readonly string[];
  readonly imageTags: readonly string[];
  /** The image's own environment and volumes: tells derived images apart. */
  readonly imageEnvironment: Readonly<Record<string, string>>;
  readonly state: ContainerState;
  readonly health: 'none' | 'starting' | 'healthy' | 'unhealthy';
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly exitCode: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly mounts: readonly EngineMount[];
  /** Paths of `tmpfs` mounts. */
  readonly tmpfs: readonly string[];
  readonly exposedPorts: readonly string[];
  readonly dependsOn: Readonly<Record<string, { readonly condition: string; readonly restart: boolean }>>;
  readonly stopTimeoutSeconds: number | null;
  readonly command: readonly string[];
  readonly swarmService: string | null;
  /** The container whose network it is in (`network_mode: service:x`): what that one listens on is at 127.0.0.1 here. */
  readonly sharesNetworkOf: string | null;
  /** The same and those whose processes and memory it shares: it loses them when one of those is stopped, and has to be stopped before. */
  readonly sharesNamespacesOf: readonly string[];
  /** On a plain host: this stands for a server, and what is run in it is run on this machine. */
  readonly reachedAt?: ServerAddress;
}

export interface EngineVolume {
  readonly name: string;
  readonly driver: string;
  readonly scope: string;
  readonly mountpoint: string;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: string;
  /** Compose key from the label, null for external and anonymous ones. */
  readonly composeKey: string | null;
}

/** A user of one of the project's volumes, of this or another project. */
export interface VolumeUser {
  readonly volume: string;
  readonly container: string;
  readonly project: string | null;
  readonly running: boolean;
}

export interface BindUser {
  readonly path: string;
  readonly container: string;
  readonly project: string | null;
}

/** What the engine knows of one project: its labelled containers (stopped and one-off too), volumes and networks. */
export interface EngineProject {
  readonly project: string;
  readonly containers: readonly EngineContainer[];
  /** Labelled volumes and every volume that a container mounts. */
  readonly volumes: readonly EngineVolume[];
  readonly networks: readonly { readonly name: string; readonly composeKey: string | null; readonly driver: string }[];
  /** Containers outside the project that use its volumes. */
  readonly foreignUsers: readonly VolumeUser[];
  /** Folders and files of the host that running containers which are none of the project's write to. */
  readonly foreignBinds: readonly BindUser[];
  /** From the labels; null when none says. */
  readonly workingDirectory: string | null;
  readonly configFiles: readonly string[];
  readonly environmentFiles: readonly string[];
}

export interface EngineProjectSummary {
  readonly project: string;
  readonly workingDirectory: string | null;
  readonly running: number;
  readonly containers: number;
}

/** Inspect JSON of everything of a project: enough to recreate it without the Compose CLI. */
export interface EngineState {
  readonly engine: JsonObject;
  readonly containers: readonly JsonObject[];
  readonly volumes: readonly JsonObject[];
  readonly networks: readonly JsonObject[];
  readonly images: readonly JsonObject[];
}

/** It has a process: what it writes may come at any moment, or once it is let go on. */
export function isUp({ state }: Pick<EngineContainer, 'state'>): boolean {
  return state === 'running' || state === 'paused' || state === 'restarting';
}

/** The host's folder that a local volume is bound to by its options; null for one that the engine keeps. */
export function boundFolder({ driver, options }: Pick<EngineVolume, 'driver' | 'options'>): string | null {
  const isBind = driver === 'local' && (options['o'] ?? '').split(',').some((option) => option === 'bind' || option === 'rbind');
  const device = options['device'] ?? '';
  return isBind && device.startsWith('/') ? device.replace(/(?<=.)\/+$/, '') : null;
}
