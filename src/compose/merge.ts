import { goText } from './go-values.ts';
import { pathText, refuse } from './problems.ts';
import { bool, entriesOf, isNull, list, map, mapOf, nothing, text, textOf, withEntry } from './tree.ts';
import type { ListNode, MapEntry, MapNode, TreeNode } from './tree.ts';

type Path = readonly string[];
type Merger = (base: TreeNode, over: TreeNode, path: Path) => TreeNode;

/**
 * Lays one model over another as Compose does: mappings merge, lists append, and the places of `SPECIAL` have rules of
 * their own. `over` wins and keeps its positions. Rejects with 'config' where the two do not fit.
 */
export function mergeModels(base: MapNode, over: MapNode): MapNode {
  return mergeMaps(base, over, []);
}

/** Merges two values as if they stood at `path`. */
export function mergeAt(base: TreeNode, over: TreeNode, path: Path): TreeNode {
  const special = SPECIAL.find(({ segments }) => matches(segments, path));
  if (special !== undefined) return special.merger(base, over, path);
  if (isNull(over)) return base;
  if (base.kind === 'map') return over.kind === 'map' ? mergeMaps(base, over, path) : refuseOverride(over, path);
  if (base.kind === 'list') return over.kind === 'list' ? appendLists(base, over) : refuseOverride(over, path);
  return over;
}

function mergeMaps(base: MapNode, over: MapNode, path: Path): MapNode {
  const entries = new Map(base.entries);
  for (const [key, entry] of over.entries) {
    const known = entries.get(key);
    if (known === undefined || key.startsWith('x-')) {
      entries.set(key, entry);
      continue;
    }
    const node = mergeAt(known.node, entry.node, [...path, key]);
    // Where both sides are mappings the first one is the place of the whole; its parts have places of their own.
    const isBase = node === known.node || (known.node.kind === 'map' && entry.node.kind === 'map');
    entries.set(key, { where: isBase ? known.where : entry.where, node });
  }
  return { ...base, entries };
}

function appendLists(base: ListNode, over: ListNode): ListNode {
  return { ...over, items: [...base.items, ...over.items] };
}

const mergeToSequence: Merger = (base, over) => list([...toSequence(base), ...toSequence(over)], over.where);

const replace: Merger = (_base, over) => over;

/** Options add up only where both sides mean the same driver. */
const mergeLogging: Merger = (base, over, path) => {
  if (base.kind !== 'map' || over.kind !== 'map') return refuseOverride(over, path);
  const drivers = [textOf(base, 'driver'), textOf(over, 'driver')];
  return drivers[0] === drivers[1] || drivers.includes(undefined) ? mergeMaps(base, over, path) : over;
};

const mergeBuild: Merger = (base, over, path) => {
  const toBuild = (node: TreeNode): TreeNode => (node.kind === 'scalar' && !isNull(node) ? mapOf({ context: node }, node.where) : node);
  const [left, right] = [toBuild(base), toBuild(over)];
  if (left.kind === 'map' && right.kind === 'map') return mergeMaps(left, right, path);
  return isNull(right) ? left : right;
};

const mergeDependsOn: Merger = (base, over, path) =>
  mergeMaps(
    toMapping(base, (where) => dependency(where), path),
    toMapping(over, (where) => dependency(where), path),
    path,
  );

const mergeNetworks: Merger = (base, over, path) => mergeMaps(toMapping(base, nothing, path), toMapping(over, nothing, path), path);

const mergeExtraHosts: Merger = (base, over) => {
  const left = toSequence(base);
  const known = new Set(left.map((item) => (item.kind === 'scalar' ? goText(item) : '')));
  return list([...left, ...toSequence(over).filter((item) => item.kind !== 'scalar' || !known.has(goText(item)))], over.where);
};

/** Address pools are the same where their subnet is. */
const mergeIpamConfig: Merger = (base, over, path) => {
  if (base.kind !== 'list' || over.kind !== 'list') return isNull(over) ? base : refuseOverride(over, path);
  const pools: MapNode[] = [];
  const indexOf = (pool: MapNode): number => pools.findIndex((known) => textOf(known, 'subnet') === textOf(pool, 'subnet'));
  for (const left of base.items) {
    for (const right of over.items) {
      if (left.kind !== 'map' || right.kind !== 'map') return refuseOverride(over, path);
      if (textOf(left, 'subnet') !== textOf(right, 'subnet') && indexOf(right) === -1) {
        pools.push(right);
        continue;
      }
      const merged = mergeMaps(left, right, path);
      const index = indexOf(merged);
      if (index === -1) pools.push(merged);
      else pools[index] = merged;
    }
  }
  return list(pools, over.where);
};

const SPECIAL: readonly { readonly segments: readonly string[]; readonly merger: Merger }[] = Object.entries<Merger>({
  'networks.*.ipam.config': mergeIpamConfig,
  'networks.*.labels': mergeToSequence,
  'volumes.*.labels': mergeToSequence,
  'services.*.annotations': mergeToSequence,
  'services.*.build': mergeBuild,
  'services.*.build.args': mergeToSequence,
  'services.*.build.additional_contexts': mergeToSequence,
  'services.*.build.extra_hosts': mergeExtraHosts,
  'services.*.build.labels': mergeToSequence,
  'services.*.command': replace,
  'services.*.depends_on': mergeDependsOn,
  'services.*.deploy.labels': mergeToSequence,
  'services.*.dns': mergeToSequence,
  'services.*.dns_opt': mergeToSequence,
  'services.*.dns_search': mergeToSequence,
  'services.*.entrypoint': replace,
  'services.*.env_file': mergeToSequence,
  'services.*.label_file': mergeToSequence,
  'services.*.environment': mergeToSequence,
  'services.*.extra_hosts': mergeExtraHosts,
  'services.*.healthcheck.test': replace,
  'services.*.labels': mergeToSequence,
  'services.*.logging': mergeLogging,
  'services.*.models': mergeNetworks,
  'services.*.networks': mergeNetworks,
  'services.*.sysctls': mergeToSequence,
  'services.*.tmpfs': mergeToSequence,
  'services.*.ulimits.*': replace,
}).map(([pattern, merger]) => ({ segments: pattern.split('.'), merger }));

/** A mapping as the list `key=value` that it stands for, sorted; each item where its key was written. */
function toSequence(node: TreeNode): readonly TreeNode[] {
  if (node.kind === 'list') return node.items;
  if (node.kind === 'scalar') return node.type === 'string' ? [node] : [];
  const items: { readonly value: string; readonly node: TreeNode }[] = [];
  for (const [key, entry] of entriesOf(node)) {
    const values = entry.node.kind === 'list' ? entry.node.items : [entry.node];
    for (const value of values) {
      const line = value.kind === 'scalar' && !isNull(value) ? `${key}=${goText(value)}` : key;
      items.push({ value: line, node: text(line, entry.where) });
    }
  }
  return items.toSorted((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : 0)).map((item) => item.node);
}

function toMapping(node: TreeNode, value: (where: TreeNode['where']) => TreeNode, path: Path): MapNode {
  if (node.kind === 'map') return node;
  if (node.kind === 'scalar') return isNull(node) ? map([], node.where) : refuseOverride(node, path);
  return map(
    node.items.map((item): readonly [string, MapEntry] => {
      const key = item.kind === 'scalar' ? goText(item) : refuse(item.where, `${pathText(path)}: a list of names is expected`);
      return [key, { where: item.where, node: value(item.where) }];
    }),
    node.where,
  );
}

export function dependency(where: TreeNode['where'], restart = false): MapNode {
  const started = mapOf({ condition: text('service_started', where), required: bool(true, where) }, where);
  return restart ? withEntry(started, 'restart', bool(true, where)) : started;
}

function matches(pattern: readonly string[], path: Path): boolean {
  return pattern.length === path.length && pattern.every((segment, index) => segment === '*' || segment === path[index]);
}

function refuseOverride(over: TreeNode, path: Path): never {
  return refuse(over.where, `cannot override ${pathText(path)}: both files must use the same form`);
}
