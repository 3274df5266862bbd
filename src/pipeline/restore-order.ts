import { type EngineProject, type EngineVolume, isUp } from '../domain/engine-model.ts';
import type { NamedContainer, RestorePlan } from '../domain/restore.ts';
import type { TreeRestore } from './restore-tree.ts';

/** Volumes that the engine keeps have nothing to do with each other; folders of the host, a volume's too, may lie in one another and take turns. */
export function apart(trees: readonly TreeRestore[], volumes: readonly EngineVolume[]): readonly (readonly TreeRestore[])[] {
  const own = new Set(volumes.filter(({ options }) => Object.keys(options).length === 0).map(({ name }) => name));
  const isOwn = ({ planned: { target } }: TreeRestore): boolean => target.place.mount.type === 'volume' && own.has(target.place.mount.name);
  return [...trees.filter(isOwn).map((one) => [one]), trees.filter((one) => !isOwn(one))].filter(({ length }) => length > 0);
}

/** Containers that are stopped for the swap, in stop order. */
export function usersOf(plan: RestorePlan, view: EngineProject): readonly NamedContainer[] {
  return plan.services
    .filter(({ stops }) => stops)
    .flatMap(({ container }) => view.containers.filter(({ name }) => name === container).map(({ id, name }) => ({ id, name })));
}

export function isUpIn(view: EngineProject, { name }: NamedContainer): boolean {
  return view.containers.some((one) => one.name === name && isUp(one));
}

export function isRunning(view: EngineProject, { name }: NamedContainer): boolean {
  return view.containers.some((container) => container.name === name && container.state === 'running');
}
