import { rewriteTree } from './rewrite-tree.ts';
import type { Rule } from './rewrite-tree.ts';
import { hasEntry, text, textOf, withEntry } from './tree.ts';
import type { TreeNode } from './tree.ts';

/** Adds what a file may leave out and Compose writes in, before paths are resolved. */
export function setDefaults(tree: TreeNode): TreeNode {
  return rewriteTree(tree, RULES);
}

const ifMissing =
  (key: string, valueOf: (node: TreeNode) => string): Rule =>
  (node) =>
    node.kind === 'map' && !hasEntry(node, key) ? withEntry(node, key, text(valueOf(node), node.where)) : node;

const countAll: Rule = (node) =>
  node.kind === 'map' && !hasEntry(node, 'count') && !hasEntry(node, 'device_ids')
    ? withEntry(node, 'count', text('all', node.where))
    : node;

const protocol = ifMissing('protocol', () => 'tcp');
const mode = ifMissing('mode', () => 'ingress');

const RULES: Readonly<Record<string, Rule>> = {
  'services.*.build': ifMissing('context', () => '.'),
  'services.*.secrets.*': ifMissing('target', (node) => `/run/secrets/${textOf(node, 'source') ?? ''}`),
  'services.*.ports.*': (node, path) => mode(protocol(node, path) ?? node, path),
  'services.*.deploy.resources.reservations.devices.*': countAll,
  'services.*.gpus.*': countAll,
};
