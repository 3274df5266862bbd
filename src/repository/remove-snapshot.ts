import { McadsError } from '../errors.ts';
import type { Lease } from './lease.ts';
import { listSnapshotFolders, removeManifest } from './manifest-store.ts';
import type { Store } from './store.ts';

/** Removes a snapshot, a damaged one too; its chunks stay until the next prune. */
export async function removeSnapshot(store: Store, lease: Lease, name: string): Promise<void> {
  const folder = (await listSnapshotFolders(store)).find((candidate) => candidate.name === name);
  if (folder === undefined)
    throw new McadsError('no-snapshot', `there is no snapshot ${name} in ${store.location}`, { hint: 'list shows those that exist.' });
  lease.assertHeld();
  await removeManifest(store, folder);
  await store.flush();
}
