import type { Engine } from '../domain/ports.ts';
import type { TreePlace } from '../domain/restore.ts';
import type { OpenTreeOptions } from '../domain/tree.ts';

/** A place that can be opened without anything being made for it. */
export async function placeExists(engine: Engine, place: TreePlace, tree: OpenTreeOptions, signal: AbortSignal): Promise<boolean> {
  if (place.mount.type === 'volume') return (await engine.viewVolumes([place.mount.name], signal)).length > 0;
  const { exists, createdFrom } = await engine.probePlace(place, tree, signal);
  return exists || (place.singleFile !== null && createdFrom === null);
}
