import { boundFolder, type EngineContainer, type EngineMount, type EngineVolume, isUp } from '../domain/engine-model.ts';
import type { PlannedRestore, Recreation, RestoredService } from '../domain/restore.ts';
import { isWithin } from './foreign-users.ts';
import { stopOrder, withSharers } from './plan-groups.ts';
import type { RestorePorts, RestoreRequest } from './restore-requests.ts';
import type { RestoreSituation } from './restore-situation.ts';
import { type ServiceView, withDependencies } from './service-views.ts';
import type { TreeMount } from '../domain/plan.ts';

/**
 * The project's containers in stop order. Whoever uses a volume or bind that is swapped goes down for it, and whoever depends on a database
 * that is renamed; the database's own server runs on.
 */
export function planServices(
  components: readonly PlannedRestore[],
  part: Recreation | null,
  situation: RestoreSituation,
  { start }: Pick<RestoreRequest, 'start'>,
  { engine }: RestorePorts,
): readonly RestoredService[] {
  const { view, views } = situation;
  const own = engine.info.ownContainer?.id;
  const alive = view.containers.filter(({ oneOff, service, id }) => !oneOff && service !== null && id !== own);
  const trees = components.flatMap(({ target }) => (target.kind === 'tree' ? [target.place.mount] : []));
  const isUser = whoUses(trees, databaseServices(components), views, view.volumes);
  const ordered = stopOrder(alive, views);
  const stopped = withSharers(ordered.filter(isUser), alive);
  const services = [...stopped, ...ordered.filter((one) => !stopped.includes(one))].map((container): RestoredService => ({
    name: container.service ?? '',
    container: container.name,
    stops: stopped.includes(container),
    ran: isUp(container),
  }));
  const made = part?.containers.map(({ service, name, wasRunning }): RestoredService => {
    return { name: service, container: name, stops: false, ran: false, starts: wasRunning && start };
  });
  return [...services, ...(made ?? [])];
}

/** Whether a container uses one of the places that are swapped, or depends on a server whose databases are. */
export function whoUses(
  mounts: readonly TreeMount[],
  databases: ReadonlySet<string>,
  views: readonly ServiceView[],
  known: readonly EngineVolume[],
): (container: EngineContainer) => boolean {
  const folders = new Map(known.map((volume) => [volume.name, boundFolder(volume)]));
  const volumes = new Set(mounts.flatMap((mount) => (mount.type === 'volume' ? [mount.name] : [])));
  const paths = mounts.flatMap((mount) => (mount.type === 'bind' ? mount.hostPath : (folders.get(mount.name) ?? [])));
  const uses = ({ type, name, source }: EngineMount): boolean => {
    if (type === 'volume' && name !== null && volumes.has(name)) return true;
    const folder = type === 'bind' ? source : (folders.get(name ?? '') ?? null);
    return folder !== null && paths.some((path) => isWithin(folder, path) || isWithin(path, folder));
  };
  return ({ service, mounts: used }) => {
    const own = service ?? '';
    const depends = !databases.has(own) && [...withDependencies([own], views)].some((one) => databases.has(one));
    return depends || used.some(uses);
  };
}

function databaseServices(components: readonly PlannedRestore[]): ReadonlySet<string> {
  return new Set(components.flatMap(({ target }) => (target.kind === 'database' ? [target.service] : [])));
}
