import { serverComponentId, serverContainerId, serviceOfServer, type HostServerDatabase } from '../domain/host.ts';
import type { EngineContainer } from '../domain/engine-model.ts';
import { parseDatabaseUrl, projectVariables, type DatabaseUrl } from './project-variables.ts';

/** The database that a `DATABASE_URL` names, as a component. */
export function serverOf({ kind, ...server }: Extract<DatabaseUrl, { readonly kind: 'postgres' }>): HostServerDatabase {
  void kind;
  return { ...server, id: serverComponentId(server.host, server.port, server.database), because: 'detected' };
}

/**
 * The server that an application's `.env` names, in the place of a container: its clients are this machine's, its user and password and database are where an
 * image has them. Null where none is named.
 */
export async function serverContainerOf(directory: string): Promise<EngineContainer | null> {
  const url = parseDatabaseUrl((await projectVariables(directory))('DATABASE_URL') ?? '');
  if (url?.kind !== 'postgres') return null;
  const { host, port, user, database, password, parameters } = url;
  const service = serviceOfServer(host, port);
  return {
    ...hostContainer(serverContainerId(service)),
    name: `${host}:${port}`,
    service,
    environment: { POSTGRES_USER: user, POSTGRES_DB: database, ...(password === null ? {} : { POSTGRES_PASSWORD: password.reveal() }) },
    reachedAt: { host, port, sslMode: parameters['sslmode'] ?? null },
  };
}

/** Something of this machine where an engine has a container: running, with nothing that only containers have. */
export function hostContainer(name: string): EngineContainer {
  return {
    id: name,
    name,
    project: null,
    service: name,
    number: 1,
    oneOff: false,
    image: '',
    imageId: '',
    imageDigests: [],
    imageTags: [],
    imageEnvironment: {},
    state: 'running',
    health: 'none',
    startedAt: '',
    finishedAt: '',
    exitCode: 0,
    environment: {},
    labels: {},
    mounts: [],
    tmpfs: [],
    exposedPorts: [],
    dependsOn: {},
    stopTimeoutSeconds: 180,
    command: [],
    swarmService: null,
    sharesNetworkOf: null,
    sharesNamespacesOf: [],
  };
}
