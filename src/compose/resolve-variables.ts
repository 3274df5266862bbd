import type { Lookup } from './interpolate-text.ts';
import type { ProjectEnvironment } from './project-environment.ts';
import { rewriteTree } from './rewrite-tree.ts';
import type { Rule } from './rewrite-tree.ts';
import { isNull, isText, list, map, text } from './tree.ts';
import type { MapEntry, MapNode, TreeNode } from './tree.ts';

/** Fills in `environment: [NAME]` of a model that has an environment of its own, such as an included one. */
export function resolveListedVariables(tree: TreeNode, environment: ProjectEnvironment): TreeNode {
  return rewriteTree(tree, {
    'services.*.environment': (node) => (node.kind === 'list' ? resolveNames(node, environment.lookup, true) : node),
  });
}

/** Fills in every variable that is named without a value: in `environment`, where it may stay unset, and in build arguments, where it may not. */
export function resolveVariables(tree: MapNode, environment: ProjectEnvironment): MapNode {
  const resolve =
    (keepUnset: boolean): Rule =>
    (node) =>
      resolveNames(node, environment.lookup, keepUnset);
  const resolved = rewriteTree(tree, { 'services.*.environment': resolve(true), 'services.*.build.args': resolve(false) });
  return resolved.kind === 'map' ? resolved : tree;
}

function resolveNames(node: TreeNode, lookup: Lookup, keepUnset: boolean): TreeNode {
  if (node.kind === 'list') {
    const items = node.items.flatMap((item): readonly TreeNode[] => {
      if (!isText(item) || item.value.includes('=')) return [item];
      const value = lookup(item.value);
      if (value !== undefined) return [text(`${item.value}=${value}`, item.where)];
      return keepUnset ? [item] : [];
    });
    return list(items, node.where);
  }
  if (node.kind !== 'map') return node;
  const entries = new Map<string, MapEntry>();
  for (const [key, entry] of node.entries) {
    const value = isNull(entry.node) ? lookup(key) : undefined;
    if (value !== undefined) entries.set(key, { where: entry.where, node: text(value, entry.where) });
    else if (keepUnset || !isNull(entry.node)) entries.set(key, entry);
  }
  return map(entries, node.where);
}
