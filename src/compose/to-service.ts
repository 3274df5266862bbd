import type { ComposeDependency, ComposeMount, ComposeService } from '../domain/compose-model.ts';
import type { JsonObject } from '../domain/byte-stream.ts';
import { entriesOf, entryOf, hasEntry, isNull, isText, isTrue, itemsOf, recordOf, textOf, toJson } from './tree.ts';
import type { MapNode, TreeNode } from './tree.ts';

export interface ServiceSource {
  readonly name: string;
  readonly isActive: boolean;
  /** As it is printed. */
  readonly printed: TreeNode;
  /** As it was before printing, with its extensions. */
  readonly written: MapNode;
  readonly mounts: readonly ComposeMount[];
}

export function toService({ name, isActive, printed, written, mounts }: ServiceSource): ComposeService {
  return {
    name,
    image: textOf(printed, 'image') ?? null,
    built: !isNull(entryOf(printed, 'build')),
    active: isActive,
    profiles: texts(entryOf(printed, 'profiles')),
    mounts,
    labels: textRecord(entryOf(printed, 'labels')),
    environment: recordOf(
      [...entriesOf(entryOf(printed, 'environment'))].map(([key, { node }]) => [key, isText(node) ? node.value : null] as const),
    ),
    dependsOn: recordOf([...entriesOf(entryOf(printed, 'depends_on'))].map(([key, { node }]) => [key, toDependency(node)] as const)),
    secrets: fileMounts(entryOf(printed, 'secrets'), '/run/secrets/'),
    configs: fileMounts(entryOf(printed, 'configs'), '/'),
    containerName: textOf(printed, 'container_name') ?? null,
    replicas: replicasOf(printed),
    extensions: extensionsOf(written),
  };
}

export function extensionsOf(node: TreeNode): JsonObject {
  return recordOf([...entriesOf(node)].filter(([key]) => key.startsWith('x-')).map(([key, entry]) => [key, toJson(entry.node)] as const));
}

export function textRecord(node: TreeNode | undefined): Readonly<Record<string, string>> {
  return recordOf([...entriesOf(node)].flatMap(([key, entry]) => (isText(entry.node) ? [[key, entry.node.value] as const] : [])));
}

/** The mounts that a service declares itself. */
export function ownMounts(printed: TreeNode): readonly ComposeMount[] {
  const volumes = itemsOf(entryOf(printed, 'volumes')).map(toMount);
  const tmpfs = texts(entryOf(printed, 'tmpfs')).map((spec): ComposeMount => ({ type: 'tmpfs', target: spec.split(':')[0] ?? spec }));
  return uniqueByTarget([...tmpfs, ...volumes]);
}

/** The last mount of a target wins, in the place of the first. */
export function uniqueByTarget(mounts: readonly ComposeMount[]): readonly ComposeMount[] {
  return [...new Map(mounts.map((mount) => [mount.target, mount])).values()];
}

function toMount(node: TreeNode): ComposeMount {
  const source = textOf(node, 'source') ?? null;
  const target = textOf(node, 'target') ?? '';
  const readOnly = isTrue(entryOf(node, 'read_only'));
  const kind = textOf(node, 'type') ?? '';
  switch (kind) {
    case 'volume':
      return { type: 'volume', source, target, readOnly, subpath: textOf(entryOf(node, 'volume'), 'subpath') ?? null };
    case 'bind':
      return { type: 'bind', source: source ?? '', target, readOnly };
    case 'tmpfs':
      return { type: 'tmpfs', target };
    default:
      return { type: 'other', kind, source, target, readOnly };
  }
}

function toDependency(node: TreeNode): ComposeDependency {
  return {
    condition: textOf(node, 'condition') ?? 'service_started',
    restart: isTrue(entryOf(node, 'restart')),
    required: node.kind !== 'map' || !hasEntry(node, 'required') || isTrue(entryOf(node, 'required')),
  };
}

function fileMounts(node: TreeNode | undefined, folder: string): ComposeService['secrets'] {
  return itemsOf(node).map((item) => {
    const source = textOf(item, 'source') ?? '';
    return { source, target: textOf(item, 'target') ?? `${folder}${source}` };
  });
}

function replicasOf(printed: TreeNode): number {
  const count = entryOf(printed, 'scale') ?? entryOf(entryOf(printed, 'deploy'), 'replicas');
  return count?.kind === 'scalar' && !isNull(count) ? Number(count.value) : 1;
}

export function texts(node: TreeNode | undefined): readonly string[] {
  return itemsOf(node).flatMap((item) => (isText(item) ? [item.value] : []));
}
