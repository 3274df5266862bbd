import { proofOf } from '../domain/drill.ts';
import { hasErrors } from '../domain/finding.ts';
import { type ComponentDetails, isEmptyTree, type Manifest } from '../domain/manifest.ts';
import { parseSnapshotName } from '../domain/snapshot-name.ts';
import type { SnapshotSummary } from '../domain/snapshot-summary.ts';
import { McadsError } from '../errors.ts';
import { sha256Hex } from '../stream/digest.ts';
import { FrameError } from '../stream/zstd-frame.ts';
import { assertReadable, manifestDigestKey, manifestKey, pageKey, parseObject, SNAPSHOTS, verificationKey } from './format.ts';
import { decodeObject } from './object-codec.ts';
import type { Store } from './store.ts';

/** What lies under `snapshots/`: a name with a manifest is a snapshot; one with only a digest has lost its manifest. */
export interface SnapshotFolder {
  readonly name: string;
  readonly hasManifest: boolean;
  readonly hasDigest: boolean;
  readonly drills: readonly string[];
  readonly keys: readonly string[];
}

export async function listSnapshotFolders(store: Store): Promise<readonly SnapshotFolder[]> {
  const keysByName = new Map<string, string[]>();
  for await (const page of store.list(SNAPSHOTS)) {
    for (const { key } of page) {
      const name = key.slice(SNAPSHOTS.length).split('/', 1)[0] ?? '';
      const keys = keysByName.get(name);
      if (keys === undefined) keysByName.set(name, [key]);
      else keys.push(key);
    }
  }
  return [...keysByName]
    .filter(([name]) => parseSnapshotName(name) !== null)
    .map(([name, keys]) => ({
      name,
      hasManifest: keys.includes(manifestKey(name)),
      hasDigest: keys.includes(manifestDigestKey(name)),
      drills: keys.filter((key) => key.startsWith(`${SNAPSHOTS}${name}/drills/`)).toSorted(),
      keys,
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The bytes that are stored as `manifest.json`. */
export function toManifestBytes(manifest: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
}

/** In the form of `sha256sum`. */
export function toDigestBytes(manifestBytes: Uint8Array): Buffer {
  return Buffer.from(`${sha256Hex(manifestBytes)}  manifest.json\n`);
}

export interface ReadManifest {
  readonly manifest: Manifest;
  /** SHA-256 of the file, also the name of its copy under `segments/`. */
  readonly id: string;
  /** Why the copy was read instead of the file; null where the file is whole. */
  readonly damage: string | null;
  readonly isDigestWhole: boolean;
}

/**
 * Reads and checks a manifest. Digest and copy vouch for it, and one of them is enough: a run may have died right after the commit. Where the
 * file is not whole its copy, which the digest names, stands in for it. Rejects `no-snapshot`, `damaged`, `newer-format`.
 */
export async function readManifest(store: Store, name: string): Promise<ReadManifest> {
  const { bytes, ...found } = await manifestBytes(store, name);
  const value = parseObject(bytes, `the manifest of ${name}`);
  assertReadable(value, `snapshot ${name}`);
  if (!isManifest(value) || value.name !== name) throw damagedManifest(name, 'lacks what format 1 requires');
  return { ...found, manifest: value };
}

/** The file's bytes, or those of its copy. */
export async function manifestBytes(store: Store, name: string): Promise<Omit<ReadManifest, 'manifest'> & { readonly bytes: Buffer }> {
  const digest = await store.get(manifestDigestKey(name));
  const read = await bytesOrReason(store, name, digest !== null);
  const written = digest?.toString('latin1').split(' ', 1)[0] ?? '';
  if (typeof read !== 'string') {
    const id = sha256Hex(read);
    if (written === id || (await copyOf(store, id)) !== null) return { bytes: read, id, damage: null, isDigestWhole: written === id };
  }
  const why =
    typeof read === 'string'
      ? read
      : digest === null
        ? 'has neither a digest beside it nor a copy under segments/'
        : 'does not match its digest';
  const copy = /^[0-9a-f]{64}$/.test(written) ? await copyOf(store, written) : null;
  if (copy === null) throw damagedManifest(name, why);
  return { bytes: copy, id: written, damage: `the manifest of snapshot ${name} ${why}`, isDigestWhole: true };
}

async function bytesOrReason(store: Store, name: string, hasDigest: boolean): Promise<Buffer | string> {
  try {
    const bytes = await store.get(manifestKey(name));
    if (bytes !== null) return bytes;
    if (hasDigest) return 'is missing, only its digest is left';
  } catch (error) {
    if (!(error instanceof McadsError) || (error.code !== 'store-failed' && error.code !== 'forbidden')) throw error;
    return `cannot be read (${error.message})`;
  }
  throw new McadsError('no-snapshot', `there is no snapshot ${name} in ${store.location}`, { hint: 'list shows those that exist.' });
}

/** Null where there is none, or it is not whole either. */
async function copyOf(store: Store, id: string): Promise<Buffer | null> {
  const frame = await store.get(pageKey(id));
  if (frame === null) return null;
  try {
    return Buffer.from(await decodeObject(frame, id, null));
  } catch (error) {
    if (error instanceof FrameError) return null;
    throw error;
  }
}

/** The shape that reading relies on; the digest vouches for the rest. */
function isManifest(value: object): value is Manifest {
  const { name, sealed, components } = value as Partial<Record<keyof Manifest, unknown>>; // foreign JSON, checked here
  return (
    typeof name === 'string' &&
    isObject(sealed) &&
    isObject(sealed['components']) &&
    isObject(sealed['stats']) &&
    Array.isArray(components) &&
    components.every(
      (component: unknown) =>
        isObject(component) &&
        typeof component['id'] === 'string' &&
        Array.isArray(component['artifacts']) &&
        component['artifacts'].every(isArtifact),
    )
  );
}

function isArtifact(value: unknown): boolean {
  return (
    isObject(value) &&
    Array.isArray(value['pages']) &&
    value['pages'].every((page: unknown) => typeof page === 'string' && /^[0-9a-f]{64}$/.test(page))
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function damagedManifest(name: string, why: string): McadsError {
  return new McadsError('damaged', `the manifest of snapshot ${name} ${why}`, {
    hint: `RECOVERY.md, section 7, looks for a copy of it; \`forget ${name}\` removes the snapshot.`,
    context: { snapshot: name },
  });
}

/** Writes what makes a snapshot exist. The manifest goes first: without it nothing exists, without the digest the copy under `segments/` vouches. False when the name is taken. */
export async function publishManifest(store: Store, name: string, manifestBytes: Uint8Array, verification: string): Promise<boolean> {
  if (!(await store.putIfAbsent(manifestKey(name), manifestBytes))) return false;
  await store.put(manifestDigestKey(name), toDigestBytes(manifestBytes));
  await store.put(verificationKey(name), Buffer.from(verification));
  return true;
}

/** Ends a snapshot's existence: digest first, because a digest without a manifest means that the manifest was lost. */
export async function removeManifest(store: Store, folder: SnapshotFolder): Promise<void> {
  const first = [manifestDigestKey(folder.name), manifestKey(folder.name)];
  for (const key of [...first.filter((key) => folder.keys.includes(key)), ...folder.keys.filter((key) => !first.includes(key))])
    await store.remove(key);
}

export async function toSummary(store: Store, manifest: Manifest, drills: readonly string[]): Promise<SnapshotSummary> {
  const { sealed } = manifest;
  return {
    name: manifest.name,
    project: sealed.project,
    strategy: sealed.strategy,
    startedAt: sealed.startedAt,
    completeness: sealed.completeness,
    bytes: sealed.stats.bytes,
    components: manifest.components.map(({ id }) => id),
    doubtful: manifest.components.flatMap(({ id }) => (isDoubtful(sealed.components[id]) ? [id] : [])),
    proof: await newestProof(store, drills),
  };
}

function isDoubtful(details: ComponentDetails | undefined): boolean {
  return details === undefined || details.consistency === 'crash' || hasErrors(details.findings) || isEmptyTree(details);
}

/** Of the newest drill of the whole snapshot; names are times, so the last one is. What cannot be read proves nothing. */
async function newestProof(store: Store, drills: readonly string[]): Promise<SnapshotSummary['proof']> {
  for (const key of drills.toReversed()) {
    const proof = proofOf((await readEvidence(store, key)) ?? {});
    if (proof !== null) return proof;
  }
  return null;
}

async function readEvidence(store: Store, key: string): Promise<Readonly<Record<string, unknown>> | null> {
  const bytes = await store.get(key);
  if (bytes === null) return null;
  try {
    return parseObject(bytes, key);
  } catch (error) {
    if (error instanceof McadsError && error.code === 'damaged') return null;
    throw error;
  }
}
