import type { Engine } from '../domain/ports.ts';
import type { RestoreJournal, TreePlace } from '../domain/restore.ts';
import type { OpenTreeOptions } from '../domain/tree.ts';

export interface OwnThings {
  readonly containers: ReadonlySet<string>;
  readonly networks: ReadonlySet<string>;
  readonly volumes: ReadonlySet<string>;
  /** By kind and name. */
  readonly idOf?: ReadonlyMap<string, string>;
}

/**
 * What a restore that died had made and nobody has made anew since. One that died before it had written that down made no container that was ever
 * started, and no volume that holds anything. Calls back with what bears such a name and is somebody else's, for people.
 */
export async function stillOwn(
  engine: Engine,
  { created, project }: RestoreJournal,
  tree: OpenTreeOptions,
  signal: AbortSignal,
  othersOwn: (what: string) => void = () => undefined,
): Promise<OwnThings> {
  const { containers, networks, volumes, made } = created;
  const own = { containers: new Set<string>(), networks: new Set<string>(), volumes: new Set<string>(), idOf: new Map<string, string>() };
  const judge = (kind: 'container' | 'network' | 'volume', name: string, isOwn: boolean): void => {
    if (isOwn) own[`${kind}s`].add(name);
    else othersOwn(`${kind} ${name}: somebody else made it, or uses it`);
  };
  for (const name of containers) {
    const found = await engine.findContainer(name, signal);
    if (found === null) continue;
    own.idOf.set(`container ${name}`, found.id);
    judge('container', name, made === undefined ? found.state === 'created' : found.id === made.containers[name]);
  }
  const isUnused = own.containers.size === own.idOf.size;
  for (const [name, id] of await engine.existingNetworks(networks, signal)) {
    judge('network', name, made === undefined ? isUnused : id === made.networks[name]);
    own.idOf.set(`network ${name}`, id);
  }
  for (const { name, createdAt, driver } of volumes.length === 0 ? [] : await engine.viewVolumes(volumes, signal)) {
    const place: TreePlace = { mount: { type: 'volume', name, driver, subpath: null }, singleFile: null };
    const isOwn =
      made === undefined
        ? (await engine.probePlace(place, tree, signal)).isEmpty && !(await isUsed(engine, project, name, signal))
        : createdAt === made.volumes[name];
    judge('volume', name, isOwn);
  }
  return own;
}

/** By a container that this restore did not make. */
async function isUsed(engine: Engine, project: string, volume: string, signal: AbortSignal): Promise<boolean> {
  const { containers, foreignUsers } = await engine.viewProject(project, signal);
  const users = containers.filter((one) => one.state !== 'created' && one.mounts.some(({ name }) => name === volume));
  return users.length > 0 || foreignUsers.some((one) => one.volume === volume);
}
