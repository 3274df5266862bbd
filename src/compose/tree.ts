import type { JsonValue } from '../domain/byte-stream.ts';
import type { Where } from '../domain/compose-model.ts';

/**
 * A YAML value that remembers where it was written. Maps keep their keys in a `Map`, so that names such as `__proto__`
 * are names like any other. Nodes are never changed: every stage makes new ones and shares what stayed the same.
 */
export type TreeNode = ScalarNode | ListNode | MapNode;

export type ScalarType = 'string' | 'int' | 'float' | 'bool' | 'null' | 'time';

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly type: ScalarType;
  /** A bigint where an integer does not fit a double; RFC 3339 text for times. */
  readonly value: string | number | bigint | boolean | null;
  readonly where: Where;
}

export interface ListNode {
  readonly kind: 'list';
  readonly items: readonly TreeNode[];
  readonly where: Where;
}

export interface MapNode {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, MapEntry>;
  readonly where: Where;
}

export interface MapEntry {
  /** Where the key was written. */
  readonly where: Where;
  readonly node: TreeNode;
}

export function text(value: string, where: Where): ScalarNode & { readonly value: string } {
  return { kind: 'scalar', type: 'string', value, where };
}

export function integer(value: number, where: Where): ScalarNode {
  return { kind: 'scalar', type: 'int', value, where };
}

export function float(value: number, where: Where): ScalarNode {
  return { kind: 'scalar', type: 'float', value, where };
}

export function bool(value: boolean, where: Where): ScalarNode {
  return { kind: 'scalar', type: 'bool', value, where };
}

export function nothing(where: Where): ScalarNode {
  return { kind: 'scalar', type: 'null', value: null, where };
}

export function list(items: readonly TreeNode[], where: Where): ListNode {
  return { kind: 'list', items, where };
}

export function map(entries: Iterable<readonly [string, MapEntry]>, where: Where): MapNode {
  return { kind: 'map', entries: new Map(entries), where };
}

/** A map of which every part counts as written at `where`. */
export function mapOf(values: Readonly<Record<string, TreeNode | undefined>>, where: Where): MapNode {
  const entries = new Map<string, MapEntry>();
  for (const [key, node] of Object.entries(values)) if (node !== undefined) entries.set(key, { where: node.where, node });
  return { kind: 'map', entries, where };
}

export function isNull(node: TreeNode | undefined): boolean {
  return node === undefined || (node.kind === 'scalar' && node.type === 'null');
}

export function isText(node: TreeNode | undefined): node is ScalarNode & { readonly value: string } {
  return node?.kind === 'scalar' && node.type === 'string';
}

export function entryOf(node: TreeNode | undefined, key: string): TreeNode | undefined {
  return node?.kind === 'map' ? node.entries.get(key)?.node : undefined;
}

export function textOf(node: TreeNode | undefined, key: string): string | undefined {
  const found = entryOf(node, key);
  return isText(found) ? found.value : undefined;
}

export function isTrue(node: TreeNode | undefined): boolean {
  return node?.kind === 'scalar' && node.value === true;
}

export function hasEntry(node: MapNode, key: string): boolean {
  return node.entries.has(key);
}

/** `node` with `key` set; a key that is there keeps its place and, unless given, its position. */
export function withEntry(node: MapNode, key: string, value: TreeNode, where?: Where): MapNode {
  const entries = new Map(node.entries);
  entries.set(key, { where: where ?? node.entries.get(key)?.where ?? value.where, node: value });
  return { ...node, entries };
}

export function withoutEntries(node: MapNode, keys: readonly string[]): MapNode {
  if (!keys.some((key) => node.entries.has(key))) return node;
  const entries = new Map(node.entries);
  for (const key of keys) entries.delete(key);
  return { ...node, entries };
}

/** The entries of the map at `node`; none where it is anything else. */
export function entriesOf(node: TreeNode | undefined): Iterable<readonly [string, MapEntry]> {
  return node?.kind === 'map' ? node.entries : [];
}

export function itemsOf(node: TreeNode | undefined): readonly TreeNode[] {
  return node?.kind === 'list' ? node.items : [];
}

export function toJson(node: TreeNode): JsonValue {
  switch (node.kind) {
    case 'scalar':
      return typeof node.value === 'bigint' ? Number(node.value) : node.value;
    case 'list':
      return node.items.map(toJson);
    case 'map':
      return recordOf([...node.entries].map(([key, entry]) => [key, toJson(entry.node)]));
  }
}

/** A plain object without a prototype, so that hostile keys stay data. */
export function recordOf<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  const record: Record<string, T> = Object.create(null) as Record<string, T>;
  for (const [key, value] of entries) record[key] = value;
  return record;
}

/** The position of `path` in the tree, or of the nearest ancestor that is there. */
export function whereInTree(root: TreeNode, path: readonly string[]): Where {
  let node = root;
  let where = root.where;
  for (const segment of path) {
    if (node.kind === 'map') {
      const entry = node.entries.get(segment);
      if (entry === undefined) return where;
      ({ where, node } = entry);
    } else if (node.kind === 'list') {
      const item = /^\d+$/.test(segment) ? node.items[Number(segment)] : undefined;
      if (item === undefined) return where;
      where = item.where;
      node = item;
    } else {
      return where;
    }
  }
  return where;
}
