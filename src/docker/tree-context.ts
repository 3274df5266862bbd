import type { EngineInfo } from '../domain/engine-model.ts';
import type { TreeMount } from '../domain/plan.ts';
import { McadsError } from '../errors.ts';
import type { ContainerJson, VolumeJson } from './engine-api.ts';
import type { EngineClient } from './engine-client.ts';
import type { HelperMount } from './helper-container.ts';
import type { HelperImages } from './helper-images.ts';
import type { Owner } from './owner.ts';

export type Log = (level: 'debug' | 'info' | 'warn', message: string) => void;

/** What opening helpers and trees needs of the opened engine. */
export interface TreeContext {
  readonly client: EngineClient;
  readonly info: EngineInfo;
  /** The engine's kernel is ours, and so is its clock. */
  readonly sharesKernel: boolean;
  /** The container that we run in. */
  readonly own: ContainerJson | null;
  readonly owner: Owner;
  readonly images: HelperImages;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
}

/** How people know the mount. */
export function nameOfMount(mount: TreeMount): string {
  return mount.type === 'bind' ? mount.hostPath : `volume ${mount.name}${mount.subpath === null ? '' : `/${mount.subpath}`}`;
}

/**
 * The mount for a helper. Rejects `component-failed` for a volume that does not exist, since mounting it would create it,
 * and for one in memory, which would look empty.
 * (A missing host folder is refused by the engine itself, see `HelperMount`.)
 */
export async function toHelperMount(
  client: EngineClient,
  mount: TreeMount,
  target: string,
  signal: AbortSignal,
  readOnly = true,
): Promise<HelperMount> {
  if (mount.type === 'bind') return { type: 'bind', source: mount.hostPath, target, readOnly };
  const volume = await client.find<VolumeJson>(`/volumes/${encodeURIComponent(mount.name)}`, {}, `looking at volume ${mount.name}`, signal);
  if (volume === null) {
    throw new McadsError('component-failed', `volume ${mount.name} does not exist`, {
      hint: 'It was removed since the plan was made, or never created: `docker volume ls`.',
    });
  }
  if (volume.Options?.['type'] === 'tmpfs') {
    throw new McadsError('component-failed', `volume ${mount.name} lives in memory (tmpfs)`, {
      hint: 'What it holds is gone with its containers, and outside them it is empty: it cannot be backed up.',
    });
  }
  return { type: 'volume', source: mount.name, target, readOnly };
}
