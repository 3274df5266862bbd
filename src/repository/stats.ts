import type { RepositoryStats } from '../domain/repository-stats.ts';
import { BAD_SUFFIX, CHUNKS, idOfKey, SEGMENTS } from './format.ts';
import { IdSet } from './id-set.ts';
import { ObjectReader } from './object-reader.ts';
import { loadSnapshots, walkSegments } from './references.ts';
import type { Store } from './store.ts';

/** Reads all pages and lists all chunks. Rejects `damaged` where a page cannot be read. */
export async function measureRepository(store: Store, signal: AbortSignal): Promise<RepositoryStats> {
  const { good, damaged } = await loadSnapshots(store);
  const needed = new IdSet();
  let plainBytes = 0;
  for (const { manifestId } of good) needed.add(manifestId);
  const pages = new IdSet();
  await walkSegments(
    new ObjectReader(store),
    good.map(({ manifest }) => manifest),
    signal,
    ({ chunks }) => {
      for (const [id, length] of chunks) if (needed.add(id)) plainBytes += length;
    },
    (_page, error) => {
      throw error;
    },
    pages,
  );

  let chunks = 0;
  let storedBytes = 0;
  let garbageBytes = 0;
  for (const folder of [CHUNKS, SEGMENTS]) {
    for await (const page of store.list(folder, { sizes: true })) {
      signal.throwIfAborted();
      for (const { key, bytes } of page) {
        storedBytes += bytes;
        const id = idOfKey(key.endsWith(BAD_SUFFIX) ? key.slice(0, -BAD_SUFFIX.length) : key);
        if (folder === CHUNKS && idOfKey(key) !== null) chunks += 1;
        if (id === null || !(needed.has(id) || pages.has(id))) garbageBytes += bytes;
      }
    }
  }
  const logicalBytes = good.reduce((sum, { manifest }) => sum + manifest.sealed.stats.bytes, 0);
  return {
    snapshots: good.length + damaged.length,
    chunks,
    logicalBytes,
    plainBytes,
    storedBytes,
    ratio: storedBytes === 0 ? null : logicalBytes / storedBytes,
    garbageBytes,
  };
}
