import type { EngineContainer } from '../domain/engine-model.ts';
import type { CaptureGroup, PlannedComponent, Project, QuiesceMode } from '../domain/plan.ts';
import { withDependencies, type ServiceView } from './service-views.ts';

/**
 * Splits components into consistency points. Whatever wants `pause` or `stop` is joined with everything that shares a container with it;
 * dumps of the databases that the frozen services depend on are taken in the same group, so that files and rows belong together.
 * All else is one group that nothing waits for, captured first.
 */
export function groupComponents(
  components: readonly PlannedComponent[],
  project: Project,
  views: readonly ServiceView[],
): readonly CaptureGroup[] {
  const containers = new Map((project.engine?.containers ?? []).map((container) => [container.id, container]));
  const frozen = components.filter((component) => component.quiesce !== 'none' && runningUsers(component, containers).length > 0);
  const clusters = connect(
    frozen,
    components.filter((component) => component.method.kind === 'tree'),
    containers,
  );
  const grouped = new Set(clusters.flat());
  const groups: CaptureGroup[] = clusters.map((members) => {
    const users = new Map(members.flatMap((member) => runningUsers(member, containers)).map((user) => [user.id, user]));
    const quiesce: QuiesceMode = members.some((member) => member.quiesce === 'stop') ? 'stop' : 'pause';
    const services = withDependencies(
      [...users.values()].flatMap((user) => (user.service === null ? [] : [user.service])),
      views,
    );
    const dumps = components.filter(
      (component) => !grouped.has(component) && isDumpOf(component, services) && !component.users.some((user) => users.has(user)),
    );
    for (const dump of dumps) grouped.add(dump);
    const ordered = stopOrder([...users.values()], views);
    const running = [...containers.values()].filter(
      ({ state, oneOff, id }) => state === 'running' && !oneOff && id !== project.engineInfo?.ownContainer?.id,
    );
    const stopped = quiesce === 'stop' ? withSharers(ordered, running) : ordered;
    return { quiesce, containers: stopped.map((user) => user.id), components: [...dumps, ...members] };
  });
  const free = components.filter((component) => !grouped.has(component));
  return free.length === 0 ? groups : [{ quiesce: 'none', containers: [], components: free }, ...groups];
}

/** Connected components over shared running containers, starting from what must be frozen. */
function connect(
  frozen: readonly PlannedComponent[],
  trees: readonly PlannedComponent[],
  containers: ReadonlyMap<string, EngineContainer>,
): readonly (readonly PlannedComponent[])[] {
  const open = new Set(trees);
  const clusters: PlannedComponent[][] = [];
  for (const start of frozen) {
    if (!open.delete(start)) continue;
    const cluster = [start];
    const ids = new Set(runningUsers(start, containers).map((user) => user.id));
    for (let grew = true; grew;) {
      grew = false;
      for (const candidate of open) {
        const users = runningUsers(candidate, containers);
        if (!users.some((user) => ids.has(user.id))) continue;
        open.delete(candidate);
        cluster.push(candidate);
        for (const user of users) ids.add(user.id);
        grew = true;
      }
    }
    clusters.push(cluster);
  }
  return clusters;
}

function runningUsers(component: PlannedComponent, containers: ReadonlyMap<string, EngineContainer>): readonly EngineContainer[] {
  return component.users
    .map((id) => containers.get(id))
    .filter((container) => container?.state === 'running')
    .filter((container) => container !== undefined);
}

function isDumpOf(component: PlannedComponent, services: ReadonlySet<string>): boolean {
  return (component.method.kind === 'dump' || component.method.kind === 'globals') && services.has(component.method.service);
}

/**
 * What is stopped, with those of `all` that live in its namespaces: what is stopped takes the network away from them for good, until they are started
 * anew behind it. They come first.
 */
export function withSharers(stopped: readonly EngineContainer[], all: readonly EngineContainer[]): readonly EngineContainer[] {
  const ordered = [...stopped];
  for (let at = 0; at < ordered.length; at += 1) {
    const owner = ordered[at];
    const sharers = all.filter(
      (one) => one !== owner && one.sharesNamespacesOf.some((reference) => reference === owner?.id || reference === owner?.name),
    );
    for (const sharer of sharers) {
      const known = ordered.findIndex(({ id }) => id === sharer.id);
      if (known >= 0 && known < at) continue;
      if (known >= 0) ordered.splice(known, 1);
      ordered.splice(at, 0, sharer);
      at = -1; // whoever shares with this one comes before it
      break;
    }
  }
  return ordered;
}

/** Dependants first: the reverse of the order in which `depends_on` starts them. Ties by name, so that the order is stable. */
export function stopOrder(containers: readonly EngineContainer[], views: readonly ServiceView[]): readonly EngineContainer[] {
  const depth = new Map<string, number>();
  const byName = new Map(views.map((view) => [view.name, view]));
  const depthOf = (service: string, path: readonly string[]): number => {
    const known = depth.get(service);
    if (known !== undefined) return known;
    if (path.includes(service)) return 0;
    const view = byName.get(service);
    const needs = Object.keys({ ...view?.containers[0]?.dependsOn, ...view?.declared?.dependsOn });
    const own = needs.length === 0 ? 0 : 1 + Math.max(...needs.map((need) => depthOf(need, [...path, service])));
    depth.set(service, own);
    return own;
  };
  const level = (container: EngineContainer): number => (container.service === null ? 0 : depthOf(container.service, []));
  return containers.toSorted((a, b) => level(b) - level(a) || (a.name < b.name ? -1 : 1));
}
