import type { ComposeFileObject, ComposeModel, ComposeMount, ComposeVolume } from '../domain/compose-model.ts';
import type { JsonObject } from '../domain/byte-stream.ts';
import type { DiscoveredFiles } from './discover-files.ts';
import type { Loading } from './loading.ts';
import { servicesOf } from './normalise.ts';
import type { ProjectEnvironment } from './project-environment.ts';
import type { ProjectName } from './project-name.ts';
import { COMPOSE_FILE } from './shape-file.ts';
import { extensionsOf, ownMounts, textRecord, texts, toService, uniqueByTarget } from './to-service.ts';
import { entriesOf, entryOf, isTrue, map, recordOf, textOf, toJson, whereInTree, withEntry } from './tree.ts';
import type { MapNode, TreeNode } from './tree.ts';

export interface ModelSource {
  readonly tree: MapNode;
  readonly name: ProjectName;
  readonly discovered: DiscoveredFiles;
  readonly environment: ProjectEnvironment;
  readonly active: ReadonlySet<string>;
  readonly loading: Loading;
}

/** What the rest of the tool sees of a loaded project. */
export function toModel({ tree, name, discovered, environment, active, loading }: ModelSource): ComposeModel {
  const printed = printDocument(tree);
  const services = new Map(
    servicesOf(tree).map(([key, service]) => [key, { written: service, printed: at(printed, 'services', key) }] as const),
  );
  const printedServices = new Map([...services].map(([key, service]) => [key, service.printed] as const));
  return {
    name: name.name,
    nameFrom: name.from,
    workingDirectory: discovered.workingDirectory,
    composeFiles: discovered.composeFiles,
    referencedFiles: [...loading.files.values()],
    services: recordOf(
      [...services].map(([key, service]) => {
        const mounts = mountsOf(key, printedServices, new Set());
        return [key, toService({ ...service, name: key, isActive: active.has(key), mounts })] as const;
      }),
    ),
    volumes: section(printed, 'volumes', toVolume),
    networks: section(printed, 'networks', (_key, node) => jsonObject(node)),
    secrets: section(printed, 'secrets', toFileObject),
    configs: section(printed, 'configs', toFileObject),
    extensions: extensionsOf(tree),
    environmentUsed: recordOf(environment.usedOfProcess()),
    findings: [...loading.findings.values()],
    document: jsonObject(printed),
    whereIs(path) {
      // Extensions inside services and resources are not printed; names and labels that begin with x- are no extensions.
      const isExtension = path.slice(2).some((segment) => segment.startsWith('x-')) && !['labels', 'environment'].includes(path[2] ?? '');
      return whereInTree(isExtension ? tree : printed, path);
    },
  };
}

/** The document as `docker compose config` prints it, with the top-level extensions. */
function printDocument(tree: MapNode): MapNode {
  const rendered = COMPOSE_FILE.render(tree);
  let printed = rendered?.kind === 'map' ? rendered : map([], tree.where);
  if (entryOf(printed, 'services') === undefined) printed = withEntry(printed, 'services', map([], tree.where));
  for (const [key, { where, node }] of tree.entries) if (key.startsWith('x-')) printed = withEntry(printed, key, node, where);
  return printed;
}

/** A service's own mounts and those of `volumes_from`, which its own ones win over. */
function mountsOf(name: string, services: ReadonlyMap<string, TreeNode>, visited: ReadonlySet<string>): readonly ComposeMount[] {
  const service = services.get(name);
  if (service === undefined || visited.has(name)) return [];
  const inherited = texts(entryOf(service, 'volumes_from')).flatMap((reference) => {
    const [from = '', mode] = reference.split(':');
    if (from === 'container') return [];
    const mounts = mountsOf(from, services, new Set([...visited, name]));
    return mounts.map((mount) => (mode === 'ro' && mount.type !== 'tmpfs' ? { ...mount, readOnly: true } : mount));
  });
  return uniqueByTarget([...inherited, ...ownMounts(service)]);
}

function toVolume(key: string, node: TreeNode): ComposeVolume {
  return {
    key,
    name: textOf(node, 'name') ?? key,
    external: isTrue(entryOf(node, 'external')),
    driver: textOf(node, 'driver') ?? null,
    driverOptions: textRecord(entryOf(node, 'driver_opts')),
    labels: textRecord(entryOf(node, 'labels')),
  };
}

function toFileObject(key: string, node: TreeNode): ComposeFileObject {
  return {
    key,
    file: textOf(node, 'file') ?? null,
    environment: textOf(node, 'environment') ?? null,
    content: textOf(node, 'content') ?? null,
    external: isTrue(entryOf(node, 'external')),
  };
}

function section<T>(printed: TreeNode, key: string, convert: (key: string, node: TreeNode) => T): Readonly<Record<string, T>> {
  return recordOf([...entriesOf(entryOf(printed, key))].map(([name, { node }]) => [name, convert(name, node)] as const));
}

function at(tree: TreeNode, ...path: readonly string[]): TreeNode {
  return path.reduce<TreeNode>((node, key) => entryOf(node, key) ?? map([], tree.where), tree);
}

function jsonObject(node: TreeNode): JsonObject {
  return recordOf([...entriesOf(node)].map(([key, entry]) => [key, toJson(entry.node)] as const));
}
