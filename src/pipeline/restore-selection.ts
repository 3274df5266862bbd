import { decodeIdPart, kindOf, matchesComponent, type ComponentId, type ComponentKind } from '../domain/component.ts';
import type { ComponentDetails, Manifest, ManifestComponent } from '../domain/manifest.ts';
import { McadsError } from '../errors.ts';
import type { RestoreRequest } from './restore-requests.ts';

/** One component of a snapshot that is to be brought back. */
export interface SelectedForRestore {
  readonly id: ComponentId;
  readonly kind: ComponentKind;
  readonly component: ManifestComponent;
  readonly details: ComponentDetails;
}

export interface RestoreSelection {
  readonly components: readonly SelectedForRestore[];
  /** All of the snapshot. */
  readonly isWhole: boolean;
  /** Services that were named, or that selected databases and roles belong to. */
  readonly services: ReadonlySet<string>;
  /** Roles that were asked for by their own name are brought back as recorded, existing ones too. */
  readonly namesGlobals: (id: ComponentId) => boolean;
}

/**
 * What of a snapshot is wanted. Services choose what belongs to them, `--component` chooses by id; roles go with their databases, which
 * cannot be owned by nobody. Rejects `usage` for a service or a glob that matches nothing.
 */
export function selectForRestore(request: RestoreRequest, manifest: Manifest): RestoreSelection {
  const all = manifest.components.map((component): SelectedForRestore => {
    const details = manifest.sealed.components[component.id];
    if (details === undefined) throw new McadsError('damaged', `${manifest.name} says nothing about its component ${component.id}`);
    return { id: component.id, kind: kindOf(component.id), component, details };
  });
  assertMatches(request, all, manifest.name);
  const isWhole = request.services.length === 0 && request.components.length === 0;
  const chosen = all.filter((one) => isWhole || isWanted(one, request));
  const databases = new Set(chosen.filter(({ kind }) => kind === 'database').map(({ id }) => serverOf(id)));
  const withRoles = all.filter((one) => chosen.includes(one) || (one.kind === 'globals' && databases.has(serverOf(one.id))));
  const servers = withRoles.filter(({ kind }) => kind === 'database' || kind === 'globals').map(({ id }) => serviceOf(id).name);
  return {
    components: withRoles,
    isWhole,
    services: new Set([...request.services, ...servers]),
    namesGlobals: (id) => request.components.some((glob) => glob.startsWith('globals') && matchesComponent(id, glob)),
  };
}

function isWanted(one: SelectedForRestore, { services, components, withConfig }: RestoreRequest): boolean {
  if (components.length > 0 && !components.some((glob) => matchesComponent(one.id, glob))) return false;
  if (services.length === 0) return true;
  if (one.kind === 'config') return withConfig;
  return servicesOf(one).some((service) => services.includes(service));
}

/** Services that a component belongs to; none for the configuration and the recorded state. */
export function servicesOf({ id, kind, details }: SelectedForRestore): readonly string[] {
  switch (kind) {
    case 'database':
    case 'globals':
      return [serviceOf(id).name];
    case 'image':
    case 'bind':
      return [decodeIdPart(id.split('/')[1] ?? ''), ...targetsOf(details).map(({ service }) => service)];
    case 'volume':
      return targetsOf(details).map(({ service }) => service);
    case 'config':
    case 'state':
    case 'sqlite':
    case 'files':
      return [];
  }
}

/** Where a tree was mounted when it was captured. */
export function targetsOf({ facts }: ComponentDetails): readonly { readonly service: string; readonly target: string }[] {
  const targets = facts['targets'];
  if (!Array.isArray(targets)) return [];
  return targets.flatMap((one: unknown) => {
    const colon = typeof one === 'string' ? one.indexOf(':') : -1;
    return typeof one !== 'string' || colon < 0 ? [] : [{ service: one.slice(0, colon), target: one.slice(colon + 1) }];
  });
}

/** `database/db#2/name` belongs to the second container of `db`. */
export function serviceOf(id: ComponentId): { readonly name: string; readonly number: number } {
  const server = serverOf(id);
  const replica = /^(.*)#(\d+)$/s.exec(server);
  return replica === null ? { name: server, number: 1 } : { name: replica[1] ?? '', number: Number(replica[2]) };
}

function serverOf(id: ComponentId): string {
  return decodeIdPart(id.split('/')[1] ?? '');
}

function assertMatches(request: RestoreRequest, all: readonly SelectedForRestore[], snapshot: string): void {
  const known = new Set(all.flatMap(servicesOf));
  const unknown = request.services.filter((service) => !known.has(service));
  if (unknown.length > 0) {
    throw new McadsError('usage', `${snapshot} holds nothing of ${unknown.join(', ')}`, {
      hint: `it holds something of ${[...known].toSorted().join(', ') || 'no service'}`,
    });
  }
  const unmatched = request.components.find((glob) => !all.some(({ id }) => matchesComponent(id, glob)));
  if (unmatched === undefined) return;
  throw new McadsError('usage', `${snapshot} holds no component ${unmatched}`, { hint: `it holds ${all.map(({ id }) => id).join(', ')}` });
}
