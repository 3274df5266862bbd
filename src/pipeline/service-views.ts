import type { ComposeService } from '../domain/compose-model.ts';
import type { EngineContainer, EngineMount } from '../domain/engine-model.ts';
import type { CaptureHook, Project } from '../domain/plan.ts';
import type { SettingsLookup, SettingsResult } from './requests.ts';

/** One service with its containers (one-off runs left out) and its declaration; either may be missing. */
export interface ServiceView {
  readonly name: string;
  readonly containers: readonly EngineContainer[];
  readonly declared: ComposeService | null;
  readonly settings: SettingsResult;
}

/** Every service that the engine or the files know, sorted by name; without the one that this process runs as. */
export function serviceViews(project: Project, settings: SettingsLookup): readonly ServiceView[] {
  const containers = new Map<string, EngineContainer[]>();
  const own = project.engine?.containers.find(({ id }) => id === project.engineInfo?.ownContainer?.id);
  for (const container of project.engine?.containers ?? []) {
    if (container.oneOff || container.service === null || container === own) continue;
    const list = containers.get(container.service) ?? [];
    list.push(container);
    containers.set(container.service, list);
  }
  const declared = project.model?.services ?? {};
  const names = [...new Set([...containers.keys(), ...Object.keys(declared)])].filter(
    (name) => name !== own?.service || containers.has(name),
  );
  return names.toSorted().map((name) => {
    const list = (containers.get(name) ?? []).toSorted((a, b) => a.number - b.number);
    const declaration = declared[name] ?? null;
    const labels = { ...list[0]?.labels, ...declaration?.labels };
    return { name, containers: list, declared: declaration, settings: settings.forService(name, labels) };
  });
}

/** The container to speak to: a running one first. */
export function mainContainer(view: ServiceView): EngineContainer | null {
  return view.containers.find((container) => container.state === 'running') ?? view.containers[0] ?? null;
}

/** Binds, and volumes that exist, as the engine would list them for a container of the service. */
export function declaredMounts(declared: ComposeService, project: Project): readonly EngineMount[] {
  return declared.mounts.flatMap((mount): EngineMount[] => {
    if (mount.type === 'bind')
      return [
        { type: 'bind', name: null, source: mount.source, target: mount.target, readOnly: mount.readOnly, driver: null, subpath: null },
      ];
    if (mount.type !== 'volume' || mount.source === null) return [];
    const name = project.model?.volumes[mount.source]?.name;
    const volume = project.engine?.volumes.find((one) => one.name === name);
    if (volume === undefined) return [];
    const { target, readOnly, subpath } = mount;
    return [{ type: 'volume', name: volume.name, source: volume.mountpoint, target, readOnly, driver: volume.driver, subpath }];
  });
}

/** `db`, or `db#2` for further replicas. */
export function replicaName(service: string, container: EngineContainer): string {
  return container.number > 1 ? `${service}#${container.number}` : service;
}

/** Services whose dependencies, directly or not, include none outside the result. */
export function withDependencies(services: Iterable<string>, views: readonly ServiceView[]): ReadonlySet<string> {
  const byName = new Map(views.map((view) => [view.name, view]));
  const reached = new Set<string>();
  const open = [...services];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (reached.has(name)) continue;
    reached.add(name);
    const view = byName.get(name);
    open.push(...Object.keys(view?.declared?.dependsOn ?? view?.containers[0]?.dependsOn ?? {}));
  }
  return reached;
}

/** The commands that a service wants around the capture of its state; in its running containers only. */
export function hooksOf(view: ServiceView, containers: readonly EngineContainer[]): readonly CaptureHook[] {
  const { execBefore: before, execAfter: after, execTimeoutMs: timeoutMs, execUser: user } = view.settings.settings;
  if (before === null && after === null) return [];
  return containers
    .filter((container) => container.state === 'running')
    .map((container) => ({ container: container.id, name: container.name, before, after, timeoutMs, user }));
}
