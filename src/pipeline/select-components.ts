import { matchesComponent } from '../domain/component.ts';
import type { CatalogueEntry, Manifest, ManifestArtifact, ManifestComponent } from '../domain/manifest.ts';
import type { RawPath } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { decodeRaw, printableRaw } from '../stream/catalogue.ts';
import { toRaw } from '../stream/raw-path.ts';

/** `COMPONENT[:PATH]`; the component may be a glob. */
export interface Selection {
  readonly component: string;
  readonly path: string | null;
}

export function rawPathOf(entry: CatalogueEntry): RawPath {
  return decodeRaw(entry, 'path') ?? '';
}

export function artifactsOf({ id, artifacts }: ManifestComponent): {
  readonly data: ManifestArtifact;
  readonly catalogue: ManifestArtifact | null;
} {
  const data = artifacts.find(({ name }) => name === 'data');
  if (data === undefined) throw new McadsError('damaged', `${id} has no data in the manifest`);
  return { data, catalogue: artifacts.find(({ name }) => name === 'catalogue') ?? null };
}

export interface SelectedComponent {
  readonly component: ManifestComponent;
  /** Null: all of it. */
  readonly paths: readonly RawPath[] | null;
}

/** The components of a snapshot that the selections name. Rejects `usage` for a selection that matches none. */
export function selectComponents(manifest: Manifest, selections: readonly Selection[]): readonly SelectedComponent[] {
  for (const { component } of selections) {
    if (manifest.components.some(({ id }) => matchesComponent(id, component))) continue;
    throw new McadsError('usage', `${manifest.name} holds no component ${component}`, {
      hint: `it holds ${manifest.components.map(({ id }) => id).join(', ')}`,
    });
  }
  return manifest.components.flatMap((component) => {
    const mine = selections.filter((selection) => matchesComponent(component.id, selection.component));
    if (selections.length > 0 && mine.length === 0) return [];
    const whole = mine.length === 0 || mine.some(({ path }) => toPath(path) === '');
    return [{ component, paths: whole ? null : mine.map(({ path }) => toPath(path)) }];
  });
}

export function pathFilter(paths: readonly RawPath[] | null): (path: RawPath) => boolean {
  if (paths === null) return () => true;
  return (path) => paths.some((wanted) => path === wanted || path.startsWith(`${wanted}/`));
}

export function nothingThere(id: string, paths: readonly RawPath[], snapshot: string): McadsError {
  return new McadsError('usage', `${id} of ${snapshot} holds no ${paths.map(printableRaw).join(', ')}`, {
    hint: `mcads-orchestrate files ${snapshot} ${id} lists what it holds`,
  });
}

function toPath(path: string | null): RawPath {
  const raw = toRaw(path ?? '');
  return raw
    .replace(/^(?:\.?\/+)+/, '')
    .replace(/\/+$/, '')
    .replace(/^\.$/, '');
}
