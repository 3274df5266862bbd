import type { MapEntry, TreeNode } from './tree.ts';

/** Takes out of an earlier model what a later document marks with `!reset` or `!override`. List items cannot be named so. */
export function applyResets(tree: TreeNode, resetPaths: readonly (readonly string[])[]): TreeNode {
  return resetPaths.reduce<TreeNode>((current, path) => without(current, path), tree);
}

function without(node: TreeNode, path: readonly string[]): TreeNode {
  const [key, ...rest] = path;
  if (key === undefined || node.kind !== 'map') return node;
  const found = node.entries.get(key);
  if (found === undefined) return node;
  const entries = new Map<string, MapEntry>(node.entries);
  if (rest.length === 0) entries.delete(key);
  else entries.set(key, { where: found.where, node: without(found.node, rest) });
  return { ...node, entries };
}
