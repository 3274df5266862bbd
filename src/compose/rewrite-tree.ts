import type { MapEntry, TreeNode } from './tree.ts';

/** Gives the node to put in place, or undefined to leave it out. */
export type Rule = (node: TreeNode, path: readonly string[]) => TreeNode | undefined;

interface RuleNode {
  rule: Rule | undefined;
  readonly children: Map<string, RuleNode>;
}

/**
 * Applies rules by path pattern: `services.*.ports`, where `*` stands for any key or list item. A rule sees its node
 * before the rules below it see theirs. What no rule touches is shared with the input.
 */
export function rewriteTree(tree: TreeNode, rules: Readonly<Record<string, Rule>>): TreeNode {
  return rewrite(tree, [compile(rules)], []) ?? tree;
}

function compile(rules: Readonly<Record<string, Rule>>): RuleNode {
  const root: RuleNode = { rule: undefined, children: new Map() };
  for (const [pattern, rule] of Object.entries(rules)) {
    let node = root;
    for (const segment of pattern.split('.')) {
      const child = node.children.get(segment) ?? { rule: undefined, children: new Map<string, RuleNode>() };
      node.children.set(segment, child);
      node = child;
    }
    node.rule = rule;
  }
  return root;
}

function rewrite(node: TreeNode, at: readonly RuleNode[], path: readonly string[]): TreeNode | undefined {
  let current: TreeNode | undefined = node;
  for (const { rule } of at) {
    if (rule !== undefined && current !== undefined) current = rule(current, path);
  }
  if (current === undefined || at.every((rules) => rules.children.size === 0)) return current;
  if (current.kind === 'map') {
    const entries = new Map<string, MapEntry>();
    let changed = false;
    for (const [key, entry] of current.entries) {
      const below = childrenFor(at, key);
      const next = below.length === 0 ? entry.node : rewrite(entry.node, below, [...path, key]);
      if (next !== entry.node) changed = true;
      if (next !== undefined) entries.set(key, next === entry.node ? entry : { where: entry.where, node: next });
    }
    return changed ? { ...current, entries } : current;
  }
  if (current.kind === 'list') {
    const below = childrenFor(at, undefined);
    if (below.length === 0) return current;
    const items: TreeNode[] = [];
    for (const [index, item] of current.items.entries()) {
      const next = rewrite(item, below, [...path, String(index)]);
      if (next !== undefined) items.push(next);
    }
    return { ...current, items };
  }
  return current;
}

function childrenFor(at: readonly RuleNode[], key: string | undefined): readonly RuleNode[] {
  const found: RuleNode[] = [];
  for (const { children } of at) {
    const exact = key === undefined ? undefined : children.get(key);
    const any = key === '*' ? undefined : children.get('*');
    if (exact !== undefined) found.push(exact);
    if (any !== undefined) found.push(any);
  }
  return found;
}
