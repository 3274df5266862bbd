import type { Manifest } from '../domain/manifest.ts';
import type { Damage } from '../domain/ports.ts';
import type { Segment } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { IdSet } from './id-set.ts';
import { listSnapshotFolders, readManifest, type SnapshotFolder } from './manifest-store.ts';
import type { ObjectReader } from './object-reader.ts';
import { eachChunkId } from './page-ids.ts';
import { parsePage } from './page.ts';
import type { Store } from './store.ts';

export interface HeldSnapshot {
  readonly folder: SnapshotFolder;
  readonly manifest: Manifest;
  /** SHA-256 of the manifest file: the id of its copy. */
  readonly manifestId: string;
  /** Why the manifest's copy stands in for it; null where it is whole. */
  readonly damage: string | null;
  readonly isDigestWhole: boolean;
}

export interface HeldSnapshots {
  readonly good: readonly HeldSnapshot[];
  readonly damaged: readonly Damage[];
  /** Folders without manifest and digest: a run died before its commit. */
  readonly leftovers: readonly SnapshotFolder[];
}

export async function loadSnapshots(store: Store): Promise<HeldSnapshots> {
  const good: HeldSnapshot[] = [];
  const damaged: Damage[] = [];
  const leftovers: SnapshotFolder[] = [];
  const pageIds = new Map<string, string>();
  for (const folder of await listSnapshotFolders(store)) {
    if (!folder.hasManifest && !folder.hasDigest) {
      leftovers.push(folder);
      continue;
    }
    try {
      const { manifest, id, ...found } = await readManifest(store, folder.name);
      good.push({ folder, manifest: withSharedIds(manifest, pageIds), manifestId: id, ...found });
    } catch (error) {
      if (!(error instanceof McadsError) || (error.code !== 'damaged' && error.code !== 'newer-format')) throw error;
      damaged.push(manifestDamage(folder, error));
    }
  }
  return { good, damaged, leftovers };
}

/** A thousand snapshots name mostly the same pages: one string for each id, not one for each mention. */
function withSharedIds(manifest: Manifest, ids: Map<string, string>): Manifest {
  const shared = (id: string): string => {
    const known = ids.get(id);
    if (known === undefined) ids.set(id, id);
    return known ?? id;
  };
  const components = manifest.components.map((component) => ({
    ...component,
    artifacts: component.artifacts.map((artifact) => ({ ...artifact, pages: artifact.pages.map(shared) })),
  }));
  return { ...manifest, components };
}

function manifestDamage(folder: SnapshotFolder, error: McadsError): Damage {
  const problem = error.code === 'newer-format' ? 'unreadable' : folder.hasManifest ? 'damaged' : 'missing';
  return { kind: 'manifest', id: folder.name, problem, message: error.message, affects: [folder.name] };
}

/** A page of an artifact, with who needs it. */
export interface PageReference {
  readonly id: string;
  readonly owner: string;
}

export function* pagesOf(manifests: Iterable<Manifest>): Generator<PageReference> {
  for (const { name, components } of manifests) {
    for (const component of components) {
      for (const artifact of component.artifacts) for (const id of artifact.pages) yield { id, owner: `${component.id} in ${name}` };
    }
  }
}

/**
 * Visits every segment of every page once, however many snapshots share it. A page that cannot be read goes to `onDamage`, which may throw.
 */
export async function walkSegments(
  reader: ObjectReader,
  manifests: Iterable<Manifest>,
  signal: AbortSignal,
  onSegment: (segment: Segment, page: PageReference) => void | Promise<void>,
  onDamage: (page: PageReference, error: McadsError) => void,
  seen = new IdSet(),
): Promise<void> {
  for await (const { page, bytes } of pages(reader, manifests, signal, onDamage, seen)) {
    const segments = orDamage(() => [...parsePage(bytes, page.id)], page, onDamage) ?? [];
    for (const segment of segments) await onSegment(segment, page);
  }
}

/** The same of nothing but the chunks' ids, in half the time and without garbage. Pages in `seen` are passed by. */
export async function walkChunkIds(
  reader: ObjectReader,
  manifests: Iterable<Manifest>,
  signal: AbortSignal,
  onId: (digits: Buffer, at: number) => void,
  onDamage: (page: PageReference, error: McadsError) => void,
  seen: IdSet,
): Promise<void> {
  for await (const { page, bytes } of pages(reader, manifests, signal, onDamage, seen)) {
    orDamage(() => eachChunkId(bytes, page.id, onId), page, onDamage);
  }
}

async function* pages(
  reader: ObjectReader,
  manifests: Iterable<Manifest>,
  signal: AbortSignal,
  onDamage: (page: PageReference, error: McadsError) => void,
  seen: IdSet,
): AsyncGenerator<{ readonly page: PageReference; readonly bytes: Buffer }> {
  for (const page of pagesOf(manifests)) {
    signal.throwIfAborted();
    if (!seen.add(page.id)) continue;
    let bytes: Buffer;
    try {
      bytes = await reader.page(page.id, page.owner);
    } catch (error) {
      onDamage(page, damageOf(error));
      continue;
    }
    yield { page, bytes };
  }
}

function orDamage<T>(work: () => T, page: PageReference, onDamage: (page: PageReference, error: McadsError) => void): T | null {
  try {
    return work();
  } catch (error) {
    onDamage(page, damageOf(error));
    return null;
  }
}

/** A page that the disk cannot give is as good as damaged; what else went wrong is thrown. */
function damageOf(error: unknown): McadsError {
  if (error instanceof McadsError && (error.code === 'damaged' || error.code === 'store-failed')) return error;
  throw error;
}
