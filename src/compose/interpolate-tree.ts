import type { Where } from '../domain/compose-model.ts';
import { castByPath } from './cast-values.ts';
import { InterpolationError, interpolateText } from './interpolate-text.ts';
import type { Lookup } from './interpolate-text.ts';
import type { Problem } from './problems.ts';
import { text } from './tree.ts';
import type { MapEntry, ScalarNode, TreeNode } from './tree.ts';

export interface TreeInterpolation {
  readonly lookup: Lookup;
  readonly problems: Problem[];
  readonly onUnset: (name: string, where: Where) => void;
}

/** Substitutes variables in every value, never in keys, and casts what Compose casts (`replicas: ${N}` is a number). */
export function interpolateTree(tree: TreeNode, interpolation: TreeInterpolation): TreeNode {
  return interpolate(tree, [], interpolation);
}

function interpolate(node: TreeNode, path: readonly string[], interpolation: TreeInterpolation): TreeNode {
  switch (node.kind) {
    case 'scalar':
      return node.type === 'string' ? interpolateScalar(node, path, interpolation) : node;
    case 'list':
      return { ...node, items: node.items.map((item) => interpolate(item, [...path, '[]'], interpolation)) };
    case 'map': {
      const entries = new Map<string, MapEntry>();
      for (const [key, entry] of node.entries) {
        entries.set(key, { where: entry.where, node: interpolate(entry.node, [...path, key], interpolation) });
      }
      return { ...node, entries };
    }
  }
}

function interpolateScalar(node: ScalarNode, path: readonly string[], { lookup, problems, onUnset }: TreeInterpolation): TreeNode {
  try {
    const value = interpolateText(String(node.value), { lookup, onUnset: (name) => onUnset(name, node.where) });
    return castByPath(text(value, node.where), path);
  } catch (error) {
    if (!(error instanceof InterpolationError)) throw error;
    problems.push({ where: node.where, message: `${path.join('.').replaceAll('.[]', '[]')}: ${error.message}` });
    return node;
  }
}
