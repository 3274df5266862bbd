import type { EngineProject } from '../domain/engine-model.ts';
import type { TreeMount } from '../domain/plan.ts';

export interface ForeignUser {
  readonly container: string;
  readonly project: string | null;
}

/**
 * Running containers of others that use a volume, or write to a folder of the host or to something in it. One that has more of the host than that
 * (all of it, to look at its disks) is not taken for a user of this.
 */
export function foreignUsersOf(mount: TreeMount, view: EngineProject | null, ownName: string | undefined): readonly ForeignUser[] {
  const users: readonly ForeignUser[] =
    mount.type === 'volume'
      ? (view?.foreignUsers ?? []).filter(({ volume, running }) => running && volume === mount.name)
      : (view?.foreignBinds ?? []).filter(({ path }) => isWithin(path, mount.hostPath));
  return users.filter(({ container }) => container !== ownName);
}

/** Of two paths of the host. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder.replace(/\/$/, '')}/`);
}
