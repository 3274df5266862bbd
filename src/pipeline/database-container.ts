import type { DatabaseAdapter } from '../domain/database-ports.ts';
import type { EngineContainer } from '../domain/engine-model.ts';
import { mountHolding } from './plan-databases.ts';

/** Its database files lie in a volume that this restore made: the entrypoint initialises it, and all that is in it may go. */
export function isNewCluster(container: EngineContainer, adapter: DatabaseAdapter, createdVolumes: readonly string[]): boolean {
  const mount = mountHolding(container, adapter.dataDirectory(container))?.mount;
  return mount !== undefined && mount.name !== null && createdVolumes.includes(mount.name);
}
