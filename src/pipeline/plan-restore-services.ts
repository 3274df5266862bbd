import { type EngineContainer, isUp } from '../domain/engine-model.ts';
import type { PlannedRestore, Recreation, RestoredService } from '../domain/restore.ts';
import { stopOrder } from './plan-groups.ts';
import type { RestorePorts } from './restore-requests.ts';
import type { RestoreSituation } from './restore-situation.ts';
import { withDependencies } from './service-views.ts';

/**
 * The project's containers in stop order. Whoever uses a volume or bind that is swapped goes down for it, and whoever depends on a database
 * that is renamed; the database's own server runs on.
 */
export function planServices(
  components: readonly PlannedRestore[],
  part: Recreation | null,
  situation: RestoreSituation,
  { engine }: RestorePorts,
): readonly RestoredService[] {
  const { view, views } = situation;
  const own = engine.info.ownContainer?.id;
  const alive = view.containers.filter(({ oneOff, service, id }) => !oneOff && service !== null && id !== own);
  const databases = databaseServices(components);
  const swapped = placesOf(components);
  const services = stopOrder(alive, views).map((container): RestoredService => {
    const service = container.service ?? '';
    const depends = !databases.has(service) && [...withDependencies([service], views)].some((one) => databases.has(one));
    const stops = depends || usesAny(container, swapped);
    return { name: service, container: container.name, stops, ran: isUp(container) };
  });
  const made = part?.containers.map(({ service, name }) => ({ name: service, container: name, stops: false, ran: false })) ?? [];
  return [...services, ...made];
}

interface Places {
  readonly volumes: ReadonlySet<string>;
  readonly paths: readonly string[];
}

/** What is filled for the first time has no users yet that could see it half; a volume that is empty may have. */
function placesOf(components: readonly PlannedRestore[]): Places {
  const volumes = new Set<string>();
  const paths: string[] = [];
  for (const { target } of components) {
    if (target.kind !== 'tree') continue;
    const { mount } = target.place;
    if (mount.type === 'volume') volumes.add(mount.name);
    else paths.push(mount.hostPath);
  }
  return { volumes, paths };
}

function usesAny({ mounts }: EngineContainer, { volumes, paths }: Places): boolean {
  return mounts.some((mount) => {
    if (mount.type === 'volume') return mount.name !== null && volumes.has(mount.name);
    return mount.type === 'bind' && paths.some((path) => isWithin(mount.source, path) || isWithin(path, mount.source));
  });
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder.replace(/\/$/, '')}/`);
}

function databaseServices(components: readonly PlannedRestore[]): ReadonlySet<string> {
  return new Set(components.flatMap(({ target }) => (target.kind === 'database' ? [target.service] : [])));
}
