import { matchesComponent } from '../domain/component.ts';
import type { CatalogueEntry, ManifestArtifact, ManifestComponent } from '../domain/manifest.ts';
import type { SnapshotRepository } from '../domain/ports.ts';
import { compareWalkOrder } from '../domain/tree.ts';
import { decodeRaw, parseCatalogue, printableRaw } from '../stream/catalogue.ts';
import { artifactsOf, nothingThere, pathFilter, rawPathOf, selectComponents, type Selection } from './select-components.ts';

/** One entry of a tree, or one whole artifact that is no tree (`path` null). */
export interface ListedFile {
  readonly component: string;
  readonly path: string | null;
  readonly path64?: string | undefined;
  readonly type: string;
  readonly mode: number | null;
  readonly uid: number | null;
  readonly gid: number | null;
  readonly bytes: number;
  readonly mtime: string | null;
  readonly target?: string | undefined;
  readonly link?: string | undefined;
  readonly torn?: boolean | undefined;
}

export interface Difference {
  readonly component: string;
  readonly path: string | null;
  readonly change: 'added' | 'removed' | 'changed';
  readonly details: string;
}

/** What a snapshot holds, in the order of the catalogues. Nothing selected lists everything; rejects `usage` where nothing matches. */
export async function* listFiles(
  repository: SnapshotRepository,
  snapshot: string,
  selections: readonly Selection[],
  signal: AbortSignal,
): AsyncGenerator<ListedFile> {
  const manifest = await repository.manifest(snapshot);
  for (const { component, paths } of selectComponents(manifest, selections)) {
    const { id } = component;
    const { data, catalogue } = artifactsOf(component);
    if (catalogue === null) {
      yield { component: id, path: null, type: data.format, mode: null, uid: null, gid: null, bytes: data.bytes, mtime: null };
      continue;
    }
    const isSelected = pathFilter(paths);
    let found = 0;
    for await (const entry of parseCatalogue(repository.read(catalogue, signal))) {
      const path = rawPathOf(entry);
      if (!isSelected(path)) continue;
      found += 1;
      const { type, mode, uid, gid, size: bytes, mtime, path64, torn } = entry;
      const target = decodeRaw(entry, 'target');
      const link = decodeRaw(entry, 'link');
      yield {
        component: id,
        path: printableRaw(path),
        type,
        mode,
        uid,
        gid,
        bytes,
        mtime,
        ...(path64 === undefined ? {} : { path64 }),
        ...(target === null ? {} : { target: printableRaw(target) }),
        ...(link === null ? {} : { link: printableRaw(link) }),
        ...(torn === undefined ? {} : { torn }),
      };
    }
    if (found === 0 && paths !== null) throw nothingThere(id, paths, snapshot);
  }
}

/** What differs between two snapshots, component by component, paths in walk order; both catalogues are streamed. */
export async function* diffSnapshots(
  repository: SnapshotRepository,
  before: string,
  after: string,
  components: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Difference> {
  const [older, newer] = await Promise.all([repository.manifest(before), repository.manifest(after)]);
  const wanted = ({ id }: ManifestComponent): boolean => components.length === 0 || components.some((glob) => matchesComponent(id, glob));
  const ids = [...new Set([...older.components, ...newer.components].filter(wanted).map(({ id }) => id))].toSorted();
  for (const id of ids) {
    const was = older.components.find((component) => component.id === id);
    const is = newer.components.find((component) => component.id === id);
    if (was === undefined || is === undefined) {
      const change = was === undefined ? 'added' : 'removed';
      yield { component: id, path: null, change, details: `only in ${was === undefined ? after : before}` };
      continue;
    }
    const [a, b] = [artifactsOf(was), artifactsOf(is)];
    if (a.data.digest === b.data.digest && a.catalogue?.digest === b.catalogue?.digest) continue;
    if (a.catalogue === null || b.catalogue === null) {
      if (a.data.digest !== b.data.digest)
        yield { component: id, path: null, change: 'changed', details: `${a.data.bytes} bytes before, ${b.data.bytes} after` };
      continue;
    }
    yield* diffCatalogues(id, repository, a.catalogue, b.catalogue, signal);
  }
}

async function* diffCatalogues(
  component: string,
  repository: SnapshotRepository,
  before: ManifestArtifact,
  after: ManifestArtifact,
  signal: AbortSignal,
): AsyncGenerator<Difference> {
  const older = parseCatalogue(repository.read(before, signal));
  const newer = parseCatalogue(repository.read(after, signal));
  try {
    let was = await older.next();
    let is = await newer.next();
    while (was.done !== true || is.done !== true) {
      const order = was.done === true ? 1 : is.done === true ? -1 : compareWalkOrder(rawPathOf(was.value), rawPathOf(is.value));
      if (order < 0 && was.done !== true) {
        yield { component, path: printableRaw(rawPathOf(was.value)), change: 'removed', details: kindOf(was.value) };
      } else if (order > 0 && is.done !== true) {
        yield { component, path: printableRaw(rawPathOf(is.value)), change: 'added', details: kindOf(is.value) };
      } else if (was.done !== true && is.done !== true) {
        const details = changesOf(was.value, is.value);
        if (details.length > 0)
          yield { component, path: printableRaw(rawPathOf(is.value)), change: 'changed', details: details.join(', ') };
      }
      if (order <= 0) was = await older.next();
      if (order >= 0) is = await newer.next();
    }
  } finally {
    await older.return(undefined);
    await newer.return(undefined);
  }
}

function changesOf(was: CatalogueEntry, is: CatalogueEntry): readonly string[] {
  const changes: string[] = [];
  const note = (name: string, before: string, after: string): void => {
    if (before !== after) changes.push(`${name} ${before} → ${after}`);
  };
  note('type', kindOf(was), kindOf(is));
  if (is.type !== 'd') note('size', String(was.size), String(is.size));
  note('mode', was.mode.toString(8), is.mode.toString(8));
  note('owner', `${was.uid}:${was.gid}`, `${is.uid}:${is.gid}`);
  note('target', printableRaw(decodeRaw(was, 'target') ?? ''), printableRaw(decodeRaw(is, 'target') ?? ''));
  note('time', was.mtime, is.mtime);
  // Nothing else moves ctime but content set back to its old time, attributes, links, or a copy made anew.
  if (changes.length === 0 && was.ctime !== undefined && is.ctime !== undefined && is.type !== 'd' && was.ctime !== is.ctime)
    changes.push(was.inode === is.inode ? 'attributes' : 'replaced');
  return changes;
}

const KINDS: Readonly<Record<string, string>> = {
  f: 'file',
  d: 'directory',
  l: 'symlink',
  p: 'FIFO',
  b: 'block device',
  c: 'character device',
};

function kindOf(entry: CatalogueEntry): string {
  return KINDS[entry.type] ?? entry.type;
}
