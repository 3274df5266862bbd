import { goText } from './go-values.ts';
import { cut } from './dotenv.ts';
import { parseVolume } from './parse-volume.ts';
import { pathText, refuse } from './problems.ts';
import { rewriteTree } from './rewrite-tree.ts';
import type { Rule } from './rewrite-tree.ts';
import { entryOf, isNull, isText, textOf } from './tree.ts';
import type { TreeNode } from './tree.ts';

type KeyOf = (item: TreeNode, path: readonly string[]) => string | undefined;

/** In lists whose items have an identity, the last item of that identity replaces the first in its place. */
export function enforceUnicity(tree: TreeNode): TreeNode {
  return rewriteTree(tree, RULES);
}

const variableName: KeyOf = (item) => (item.kind === 'scalar' ? cut(goText(item), '=')[0] : undefined);

const mountTarget: KeyOf = (item, path) => {
  if (isText(item)) return parseVolume(item.value, item.where).target;
  if (item.kind === 'map') return textOf(item, 'target') ?? refuse(item.where, `${pathText(path)}: a volume needs a target`);
  return undefined;
};

const deviceTarget: KeyOf = (item, path) => {
  if (isText(item)) {
    const parts = item.value.split(':');
    return parts[1] ?? parts[0];
  }
  if (item.kind === 'map') return textOf(item, 'target') ?? refuse(item.where, `${pathText(path)}: a device needs a target`);
  return undefined;
};

const filePath: KeyOf = (item) => (isText(item) ? item.value : textOf(item, 'path'));

const exposed: KeyOf = (item) => (item.kind === 'scalar' ? goText(item) : undefined);

const fileTarget =
  (folder: string): KeyOf =>
  (item) =>
    isText(item) ? `${folder}/${item.value}` : (textOf(item, 'target') ?? `${folder}/${textOf(item, 'source') ?? ''}`);

const port: KeyOf = (item, path) => {
  if (item.kind === 'scalar') return goText(item);
  const target = entryOf(item, 'target');
  if (target === undefined) return refuse(item.where, `${pathText(path)}: a port needs a target`);
  // As in Compose, a number and the text of that number are not the same port here.
  const part = (key: string, fallback: string): string => typedText(entryOf(item, key)) ?? `string ${fallback}`;
  return `${part('host_ip', '0.0.0.0')}:${part('published', '')}:${typedText(target) ?? ''}/${part('protocol', 'tcp')}`;
};

function typedText(node: TreeNode | undefined): string | undefined {
  return node?.kind === 'scalar' && !isNull(node) ? `${node.type} ${goText(node)}` : undefined;
}

const uniqueBy =
  (keyOf: KeyOf): Rule =>
  (node, path) => {
    if (node.kind !== 'list') return node;
    const items: TreeNode[] = [];
    const places = new Map<string, number>();
    for (const item of node.items) {
      const key = keyOf(item, path);
      const place = key === undefined ? undefined : places.get(key);
      if (place !== undefined) {
        items[place] = item;
        continue;
      }
      if (key !== undefined) places.set(key, items.length);
      items.push(item);
    }
    return { ...node, items };
  };

const RULES: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(
    [
      'networks.*.labels',
      'networks.*.ipam.options',
      'services.*.annotations',
      'services.*.build.args',
      'services.*.build.additional_contexts',
      'services.*.build.platform',
      'services.*.build.tags',
      'services.*.build.labels',
      'services.*.cap_add',
      'services.*.cap_drop',
      'services.*.deploy.labels',
      'services.*.dns',
      'services.*.dns_opt',
      'services.*.dns_search',
      'services.*.environment',
      'services.*.labels',
      'services.*.links',
      'services.*.networks.*.aliases',
      'services.*.networks.*.link_local_ips',
      'services.*.profiles',
      'services.*.sysctls',
      'services.*.tmpfs',
    ].map((pattern) => [pattern, uniqueBy(variableName)]),
  ),
  'services.*.configs': uniqueBy(fileTarget('')),
  'services.*.secrets': uniqueBy(fileTarget('/run/secrets')),
  'services.*.devices': uniqueBy(deviceTarget),
  'services.*.env_file': uniqueBy(filePath),
  'services.*.expose': uniqueBy(exposed),
  'services.*.ports': uniqueBy(port),
  'services.*.volumes': uniqueBy(mountTarget),
};
