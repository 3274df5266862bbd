import { posix } from 'node:path';
import { isJsonObject, type JsonObject } from '../domain/byte-stream.ts';
import { decodeIdPart, type ComponentId } from '../domain/component.ts';
import { OWN_LOG_GLOBS } from '../domain/host.ts';
import type { ComponentDetails, Manifest } from '../domain/manifest.ts';
import type { HostFiles, SnapshotRepository } from '../domain/ports.ts';
import type { PlaceReport } from '../domain/restore.ts';
import type { RawPath } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { decodeRaw, parseCatalogue } from '../stream/catalogue.ts';
import { isStagingName } from '../stream/restore-commands.ts';
import { importedFrom } from './adopt-archive.ts';
import { classicPrefix } from './archive-layout.ts';
import { recordedFiles } from './recorded-config.ts';
import type { SelectedForRestore } from './restore-selection.ts';
import { artifactsOf } from './select-components.ts';
import { toRaw } from '../stream/raw-path.ts';

/** Where a component of an old script's archive goes: such an archive says of none where it lay, and the MCADS documentation does. */
export interface AdoptedPlace {
  readonly path: string;
  /** What is replaced in it; null: all. The application's code lies beside everything else. */
  readonly names: readonly RawPath[] | null;
  /** What never moves, relative to it. */
  readonly kept: readonly RawPath[];
  readonly keptGlobs: readonly string[];
}

/** Null for what recorded its place, as a backup of ours does. */
export async function adoptedPlace(
  one: SelectedForRestore,
  manifest: Manifest,
  directory: string,
  repository: SnapshotRepository,
  host: HostFiles,
  signal: AbortSignal,
): Promise<AdoptedPlace | null> {
  const name = adoptedName(one.id, one.details);
  if (name === null) return null;
  const usual = posix.join(directory, name);
  const path = (await host.identify(usual))?.realPath ?? usual;
  if (name !== '') return { path, names: null, kept: [], keptGlobs: name === 'logs' ? OWN_LOG_GLOBS : [] };
  const others = new Set(
    manifest.components.flatMap(({ id }) => {
      const details = manifest.sealed.components[id];
      const other = details === undefined ? null : adoptedName(id, details);
      return other === null ? [] : [toRaw(other)];
    }),
  );
  const names = (await topNames(one, repository, signal)).filter((top) => !others.has(top));
  const config = await configPaths(manifest, repository, signal);
  return { path, names, kept: config.filter((file) => names.includes(topOf(file))), keptGlobs: [] };
}

/** The database as the script copied it has the script's owner: one that is there keeps its own, as `cp` over it leaves it. */
export function adoptedFacts({ facts }: ComponentDetails, { owner }: PlaceReport): ComponentDetails['facts'] {
  if (owner === undefined || owner === null) return facts;
  const recorded: JsonObject = isJsonObject(facts['owner']) ? facts['owner'] : {};
  return { ...facts, owner: { ...recorded, ...owner } };
}

/** Relative to the application's directory, `''` for all of that. Rejects `damaged` for a name that leads elsewhere. */
function adoptedName(id: ComponentId, { facts }: ComponentDetails): string | null {
  const [kind = '', ...parts] = id.split('/');
  if ((kind !== 'files' && kind !== 'sqlite') || facts['path'] !== undefined || importedFrom(facts) === null) return null;
  if (kind === 'files' && classicPrefix(id) === null) return '';
  const name = decodeIdPart(parts.join('/'));
  if (/^\.{0,2}$|\//.test(name) || isStagingName(name)) throw new McadsError('damaged', `${id} has a name that no script gives a part`);
  return name;
}

async function topNames(
  { component }: SelectedForRestore,
  repository: SnapshotRepository,
  signal: AbortSignal,
): Promise<readonly RawPath[]> {
  const { catalogue } = artifactsOf(component);
  const names = new Set<RawPath>();
  if (catalogue === null) return [];
  for await (const entry of parseCatalogue(repository.read(catalogue, signal))) {
    const path = decodeRaw(entry, 'path') ?? '';
    if (path !== '') names.add(topOf(path));
  }
  return [...names];
}

function topOf(path: RawPath): RawPath {
  return path.split('/', 1)[0] ?? path;
}

/** Configuration has rules of its own, also where the application's code holds the same files. */
async function configPaths(manifest: Manifest, repository: SnapshotRepository, signal: AbortSignal): Promise<readonly RawPath[]> {
  const config = manifest.components.find(({ id }) => id === 'config');
  const paths: RawPath[] = [];
  if (config === undefined) return paths;
  for await (const { name } of recordedFiles(repository, artifactsOf(config).data, signal))
    if (name.startsWith('project/')) paths.push(toRaw(name.slice('project/'.length)));
  return paths;
}
