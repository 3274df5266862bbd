import { posix } from 'node:path';
import { dependency } from './merge.ts';
import { rewriteTree } from './rewrite-tree.ts';
import type { Rule } from './rewrite-tree.ts';
import { bool, entriesOf, entryOf, hasEntry, isNull, isText, isTrue, itemsOf, map, nothing, text, textOf, withEntry } from './tree.ts';
import type { MapNode, TreeNode } from './tree.ts';

/** Writes in what Compose implies: the default network, implicit dependencies, the Dockerfile's name, resource names. */
export function normalise(tree: MapNode, projectName: string): MapNode {
  const model = withDefaultNetwork(withEntry(tree, 'name', text(projectName, tree.entries.get('name')?.where ?? tree.where)));
  const rules = { 'services.*': normaliseService, ...resourceRules(projectName) };
  const normalised = rewriteTree(model, rules);
  return normalised.kind === 'map' ? normalised : model;
}

function withDefaultNetwork(model: MapNode): MapNode {
  let isUsed = false;
  const services = rewriteTree(model, {
    'services.*': (service) => {
      if (service.kind !== 'map' || hasEntry(service, 'network_mode')) return service;
      const networks = entryOf(service, 'networks');
      if (networks?.kind === 'map' && networks.entries.size > 0) {
        if (networks.entries.has('default')) isUsed = true;
        return service;
      }
      isUsed = true;
      const { where } = service;
      return withEntry(service, 'networks', map([['default', { where, node: nothing(where) }]], where));
    },
  });
  if (services.kind !== 'map' || !isUsed) return model;
  const networks = entryOf(services, 'networks');
  if (networks?.kind === 'map' && networks.entries.has('default')) return services;
  const declared = networks?.kind === 'map' ? networks : map([], model.where);
  return withEntry(services, 'networks', withEntry(declared, 'default', nothing(model.where)));
}

const normaliseService: Rule = (service) => {
  if (service.kind !== 'map') return service;
  let result = service;
  if (textOf(result, 'pull_policy') === 'if_not_present') result = withEntry(result, 'pull_policy', text('missing', service.where));
  const build = entryOf(result, 'build');
  if (build?.kind === 'map' && isNull(entryOf(build, 'dockerfile')) && isNull(entryOf(build, 'dockerfile_inline'))) {
    result = withEntry(result, 'build', withEntry(build, 'dockerfile', text('Dockerfile', build.where)));
  }
  const volumes = entryOf(result, 'volumes');
  if (volumes?.kind === 'list') result = withEntry(result, 'volumes', { ...volumes, items: volumes.items.map(cleanTarget) });
  const dependsOn = withImplicitDependencies(result);
  return dependsOn.entries.size === 0 ? result : withEntry(result, 'depends_on', dependsOn);
};

function cleanTarget(volume: TreeNode): TreeNode {
  const target = entryOf(volume, 'target');
  if (volume.kind !== 'map' || !isText(target)) return volume;
  return withEntry(volume, 'target', text(posix.normalize(target.value).replace(/(.)\/$/, '$1'), target.where));
}

function withImplicitDependencies(service: MapNode): MapNode {
  const declared = entryOf(service, 'depends_on');
  let dependsOn = declared?.kind === 'map' ? declared : map([], service.where);
  const add = (name: string, restart: boolean, where: TreeNode['where']): void => {
    if (dependsOn.entries.has(name)) return;
    dependsOn = withEntry(dependsOn, name, withEntry(dependency(where), 'restart', bool(restart, where)), where);
  };
  for (const link of itemsOf(entryOf(service, 'links'))) {
    if (!isText(link)) continue;
    const parts = link.value.split(':');
    add(parts.length === 2 ? (parts[0] ?? '') : link.value, true, link.where);
  }
  for (const key of ['network_mode', 'ipc', 'pid', 'uts', 'cgroup']) {
    const shared = entryOf(service, key);
    if (isText(shared) && shared.value.startsWith('service:')) add(shared.value.slice('service:'.length), true, shared.where);
  }
  for (const from of itemsOf(entryOf(service, 'volumes_from'))) {
    if (isText(from) && !from.value.startsWith('container:')) add(from.value.split(':')[0] ?? '', false, from.where);
  }
  return dependsOn;
}

function resourceRules(projectName: string): Readonly<Record<string, Rule>> {
  const nameFromKey: Rule = (node, path) => {
    const resource = node.kind === 'map' ? node : map([], node.where);
    if (!isNull(entryOf(resource, 'name'))) return resource;
    const key = path.at(-1) ?? '';
    const name = isTrue(entryOf(resource, 'external')) ? key : `${projectName}_${key}`;
    return withEntry(resource, 'name', text(name, resource.where));
  };
  return Object.fromEntries(['networks', 'volumes', 'configs', 'secrets'].map((key) => [`${key}.*`, nameFromKey]));
}

/** Services in the order of the file. */
export function servicesOf(model: TreeNode): readonly (readonly [name: string, service: MapNode, where: TreeNode['where']])[] {
  return [...entriesOf(entryOf(model, 'services'))].flatMap(([name, { node, where }]) =>
    node.kind === 'map' ? [[name, node, where] as const] : [],
  );
}
