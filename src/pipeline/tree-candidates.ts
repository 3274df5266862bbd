import { componentId, type ComponentId } from '../domain/component.ts';
import type { EngineContainer, EngineMount, EngineVolume } from '../domain/engine-model.ts';
import type { Uncovered } from '../domain/finding.ts';
import type { Project, TreeMount } from '../domain/plan.ts';
import { mountKey } from './plan-databases.ts';
import type { SettingsLookup, SettingsResult } from './requests.ts';
import { declaredMounts, type ServiceView } from './service-views.ts';

/** One volume or bind with everybody who uses it. */
export interface TreeCandidate {
  readonly key: string;
  readonly id: ComponentId;
  readonly mount: TreeMount;
  readonly name: string;
  readonly users: EngineContainer[];
  readonly views: Set<ServiceView>;
  readonly targets: Set<string>;
  readonly volume: EngineVolume | null;
  readonly settings: SettingsResult | null;
}

/** Every volume and bind of the services and every volume of the project, each once, by engine name or host path. */
export function treeCandidates(
  views: readonly ServiceView[],
  project: Project,
  settings: SettingsLookup,
  uncovered: Uncovered[],
): ReadonlyMap<string, TreeCandidate> {
  const candidates = new Map<string, TreeCandidate>();
  for (const view of views) {
    // By target: the engine keeps no order, and the first target gives a bind its id.
    const mounts = mountsOf(view, project, uncovered).toSorted(byTarget);
    for (const mount of mounts) addCandidate(candidates, view, mount, project, settings);
  }
  for (const volume of project.engine?.volumes ?? []) {
    if (!candidates.has(volume.name)) addUnmounted(candidates, volume, project, settings);
  }
  nameOthersBinds(project, candidates, uncovered);
  return candidates;
}

/** Binds that only one-off runs or this very container have: nobody's state, but not passed over in silence. */
function nameOthersBinds(project: Project, candidates: ReadonlyMap<string, TreeCandidate>, uncovered: Uncovered[]): void {
  const own = project.engineInfo?.ownContainer?.id;
  for (const container of project.engine?.containers ?? []) {
    const isOwn = container.id === own;
    if (!isOwn && !container.oneOff && container.service !== null) continue;
    for (const mount of container.mounts) {
      if (mount.type === 'volume' || candidates.has(mountKey(mount))) continue;
      const who = isOwn ? 'this container, which makes the backup' : `${container.name}, which is no container of a service`;
      uncovered.push({
        subject: mount.type === 'bind' ? `bind ${mount.source}` : `${container.name}:${mount.target}`,
        reason: `only mounted by ${who}`,
        harmless: true,
      });
    }
  }
}

function byTarget(a: { readonly mount: EngineMount }, b: { readonly mount: EngineMount }): number {
  return a.mount.target === b.mount.target ? 0 : a.mount.target < b.mount.target ? -1 : 1;
}

/** Mounts of a service's containers and, where it has none, of its declaration. Memory-only ones are named, not returned. */
function mountsOf(
  view: ServiceView,
  project: Project,
  uncovered: Uncovered[],
): readonly { readonly mount: EngineMount; readonly container: EngineContainer | null }[] {
  const found: { mount: EngineMount; container: EngineContainer | null }[] = [];
  for (const container of view.containers) {
    for (const path of container.tmpfs)
      uncovered.push({ subject: `${view.name}:${path}`, reason: 'tmpfs: it lives in memory only', harmless: true });
    for (const mount of container.mounts) {
      if (mount.type === 'tmpfs')
        uncovered.push({ subject: `${view.name}:${mount.target}`, reason: 'tmpfs: it lives in memory only', harmless: true });
      else if (mount.type === 'other')
        uncovered.push({
          subject: `${view.name}:${mount.target}`,
          reason: `a mount of this kind (${mount.driver ?? mount.source}) cannot be captured`,
        });
      else found.push({ mount, container });
    }
  }
  if (view.containers.length > 0 || view.declared === null) return found;
  for (const mount of view.declared.mounts)
    if (mount.type === 'tmpfs')
      uncovered.push({ subject: `${view.name}:${mount.target}`, reason: 'tmpfs: it lives in memory only', harmless: true });
  for (const mount of declaredMounts(view.declared, project)) found.push({ mount, container: null });
  return found;
}

function addCandidate(
  candidates: Map<string, TreeCandidate>,
  view: ServiceView,
  found: { readonly mount: EngineMount; readonly container: EngineContainer | null },
  project: Project,
  settings: SettingsLookup,
): void {
  const { mount, container } = found;
  const key = mountKey(mount);
  let candidate = candidates.get(key);
  if (candidate === undefined) {
    const volume = mount.type === 'volume' ? (project.engine?.volumes.find((one) => one.name === mount.name) ?? null) : null;
    const composeKey = volume === null ? null : composeKeyOf(volume, project);
    candidate = {
      key,
      id: idOf(view, mount, container, volume, composeKey),
      mount:
        mount.type === 'volume' && mount.name !== null
          ? { type: 'volume', name: mount.name, driver: mount.driver ?? 'local', subpath: null }
          : { type: 'bind', hostPath: mount.source },
      name: mount.type === 'volume' ? `volume ${composeKey ?? mount.name ?? key}` : `bind ${mount.source}`,
      users: [],
      views: new Set(),
      targets: new Set(),
      volume,
      settings:
        volume === null
          ? null
          : settings.forVolume(composeKey ?? volume.name, {
              ...volume.labels,
              ...(composeKey === null ? {} : project.model?.volumes[composeKey]?.labels),
            }),
    };
    candidates.set(key, candidate);
  }
  candidate.views.add(view);
  candidate.targets.add(`${view.name}:${mount.target}`);
  if (container !== null) candidate.users.push(container);
}

function addUnmounted(candidates: Map<string, TreeCandidate>, volume: EngineVolume, project: Project, settings: SettingsLookup): void {
  const composeKey = composeKeyOf(volume, project);
  candidates.set(volume.name, {
    key: volume.name,
    id: componentId('volume', composeKey ?? volume.name),
    mount: { type: 'volume', name: volume.name, driver: volume.driver, subpath: null },
    name: `volume ${composeKey ?? volume.name}`,
    users: [],
    views: new Set(),
    targets: new Set(),
    volume,
    settings: settings.forVolume(composeKey ?? volume.name, {
      ...volume.labels,
      ...(composeKey === null ? {} : project.model?.volumes[composeKey]?.labels),
    }),
  });
}

/** Key from the label, else from the files (external volumes carry no label). */
function composeKeyOf(volume: EngineVolume, project: Project): string | null {
  if (volume.composeKey !== null) return volume.composeKey;
  return Object.values(project.model?.volumes ?? {}).find((declared) => declared.name === volume.name)?.key ?? null;
}

function idOf(
  view: ServiceView,
  mount: EngineMount,
  container: EngineContainer | null,
  volume: EngineVolume | null,
  composeKey: string | null,
): ComponentId {
  const replica = container === null || container.number <= 1 ? '' : `#${container.number}`;
  if (mount.type === 'bind') return componentId('bind', view.name, mount.target);
  if (composeKey !== null) return componentId('volume', composeKey);
  const anonymous = volume !== null && ('com.docker.volume.anonymous' in volume.labels || /^[0-9a-f]{64}$/.test(volume.name));
  return anonymous
    ? componentId('volume', view.name, `${mount.target}${replica}`)
    : componentId('volume', volume?.name ?? mount.name ?? mount.source);
}
