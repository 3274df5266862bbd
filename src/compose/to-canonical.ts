import { goText } from './go-values.ts';
import { cut } from './dotenv.ts';
import { dependency } from './merge.ts';
import { toLongPorts } from './parse-port.ts';
import { toLongVolume } from './parse-volume.ts';
import { pathText, refuse } from './problems.ts';
import { rewriteTree } from './rewrite-tree.ts';
import type { Rule } from './rewrite-tree.ts';
import { bool, entryOf, hasEntry, isNull, isText, list, map, mapOf, nothing, text, withEntry } from './tree.ts';
import type { ListNode, MapEntry, ScalarNode, TreeNode } from './tree.ts';

/**
 * Brings every short form to its long one: `ports: ["80:80"]`, `volumes: ["data:/data"]`, `build: .` and so on.
 * Expects a valid model; long forms stay as they are.
 */
export function toCanonical(tree: TreeNode): TreeNode {
  return rewriteTree(tree, RULES);
}

const build: Rule = (node) => (isText(node) ? mapOf({ context: node }, node.where) : node);

const stringToList: Rule = (node) => (isText(node) ? list([node], node.where) : node);

const fileMount: Rule = (node) => (isText(node) ? mapOf({ source: node }, node.where) : node);

const keyValues: Rule = (node, path) => {
  if (node.kind !== 'list') return node;
  return mapItems(node, (item) => {
    const [key, value] = cut(item.value, '=');
    if (value === undefined) refuse(item.where, `${pathText(path)}: ${item.value} must be key=value`);
    return [key, text(value, item.where)];
  });
};

const dependsOn: Rule = (node, path) => {
  if (node.kind === 'list') return mapItems(node, (item) => [item.value, dependency(item.where)]);
  if (node.kind !== 'map') return node;
  const entries = [...node.entries].map(([key, entry]): readonly [string, MapEntry] => {
    let value = entry.node;
    if (value.kind !== 'map') return refuse(entry.where, `${pathText([...path, key])}: must be a mapping`);
    if (!hasEntry(value, 'condition')) value = withEntry(value, 'condition', text('service_started', entry.where));
    if (!hasEntry(value, 'required')) value = withEntry(value, 'required', bool(true, entry.where));
    return [key, { where: entry.where, node: value }];
  });
  return map(entries, node.where);
};

const envFile: Rule = (node) => {
  const toLong = (item: TreeNode): TreeNode => {
    const long = isText(item) ? mapOf({ path: item }, item.where) : item;
    return long.kind === 'map' && !hasEntry(long, 'required') ? withEntry(long, 'required', bool(true, long.where)) : long;
  };
  if (isText(node)) return list([toLong(node)], node.where);
  return node.kind === 'list' ? list(node.items.map(toLong), node.where) : node;
};

const gpus: Rule = (node) => (isText(node) ? list([mapOf({ count: text('all', node.where) }, node.where)], node.where) : node);

const networks: Rule = (node) => (node.kind === 'list' ? mapItems(node, (item) => [item.value, nothing(item.where)]) : node);

const device: Rule = (node, path) => {
  if (!isText(node)) return node;
  const parts = node.value.split(':');
  if (parts.length > 3) refuse(node.where, `${pathText(path)}: confusing device ${node.value}, use the long form`);
  const [source = '', target = '', permissions = 'rwm'] = parts;
  const of = (value: string): ScalarNode => text(value, node.where);
  return mapOf({ source: of(source), target: of(target === '' ? source : target), permissions: of(permissions) }, node.where);
};

const ports: Rule = (node) => {
  if (node.kind !== 'list') return node;
  const items = node.items.flatMap((item): readonly TreeNode[] =>
    item.kind === 'scalar' ? toLongPorts(goText(item), item.where) : [item],
  );
  return list(items, node.where);
};

const volume: Rule = (node) => (isText(node) ? toLongVolume(node.value, node.where) : node);

const ssh: Rule = (node, path) => {
  if (node.kind !== 'list') return node;
  return mapItems(node, (item) => {
    const [id, keyPath] = cut(item.value, '=');
    if (keyPath === undefined && id !== 'default') refuse(item.where, `${pathText(path)}: invalid ssh key ${id}`);
    return [id, keyPath === undefined ? nothing(item.where) : text(keyPath, item.where)];
  });
};

const ulimit: Rule = (node, path) =>
  node.kind === 'map' || (node.kind === 'scalar' && node.type === 'int')
    ? node
    : refuse(node.where, `${pathText(path)}: must be a number or a mapping`);

/** `external: {name: x}` is the old way to write `external: true` with `name: x`. */
const maybeExternal: Rule = (node, path) => {
  if (node.kind !== 'map') return node;
  const external = entryOf(node, 'external');
  if (external?.kind !== 'map') return node;
  const flagged = withEntry(node, 'external', bool(true, external.where));
  const oldName = entryOf(external, 'name');
  const name = entryOf(node, 'name');
  if (!isText(oldName)) return flagged;
  if (isText(name) && name.value !== oldName.value) {
    refuse(oldName.where, `${pathText(path)}: name and external.name conflict; only use name`);
  }
  return isText(name) ? flagged : withEntry(flagged, 'name', oldName);
};

const omitEmptyItems: Rule = (node) => {
  if (node.kind !== 'list') return node;
  return list(
    node.items.filter((item) => !isNull(item) && !(isText(item) && item.value === '')),
    node.where,
  );
};

const RULES: Readonly<Record<string, Rule>> = {
  'services.*.build': build,
  'services.*.build.secrets.*': fileMount,
  'services.*.build.additional_contexts': keyValues,
  'services.*.build.ssh': ssh,
  'services.*.build.ulimits.*': ulimit,
  'services.*.depends_on': dependsOn,
  'services.*.env_file': envFile,
  'services.*.label_file': stringToList,
  'services.*.gpus': gpus,
  'services.*.models': networks,
  'services.*.networks': networks,
  'services.*.volumes.*': volume,
  'services.*.dns': (node, path) => omitEmptyItems(stringToList(node, path) ?? node, path),
  'services.*.devices.*': device,
  'services.*.secrets.*': fileMount,
  'services.*.configs.*': fileMount,
  'services.*.ports': ports,
  'services.*.ulimits.*': ulimit,
  'volumes.*': maybeExternal,
  'networks.*': maybeExternal,
  'secrets.*': maybeExternal,
  'configs.*': maybeExternal,
  version: () => undefined,
};

/** A list of texts as a mapping; a list with anything else in it stays, to be refused by its shape. */
function mapItems(node: ListNode, toEntry: (item: ScalarNode & { readonly value: string }) => readonly [string, TreeNode]): TreeNode {
  if (!node.items.every(isText)) return node;
  return map(
    node.items.map((item): readonly [string, MapEntry] => {
      const [key, value] = toEntry(item);
      return [key, { where: item.where, node: value }];
    }),
    node.where,
  );
}
