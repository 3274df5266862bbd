import { isAbsolute } from 'node:path';
import { remoteKind } from './remote-kind.ts';
import { absolutePath } from './loading.ts';
import type { Loading } from './loading.ts';
import { pathText, refuse } from './problems.ts';
import { rewriteTree } from './rewrite-tree.ts';
import type { Rule } from './rewrite-tree.ts';
import { entryOf, isText, textOf, text, withEntry } from './tree.ts';
import type { TreeNode } from './tree.ts';

/** Makes the paths of a model absolute: relative ones stand below `base`, `~` is the home directory. */
export function resolvePaths(tree: TreeNode, base: string, loading: Loading): TreeNode {
  const resolved = (path: string): string => (isAbsolute(path) || isWindowsAbsolute(path) ? path : absolutePath(loading, base, path));

  const absolute: Rule = (node) => (isText(node) && node.value !== '' ? text(resolved(node.value), node.where) : node);

  const buildContext: Rule = (node, path) => (isText(node) && isRemoteContext(node.value) ? node : absolute(node, path));

  const mount: Rule = (node, path) => {
    if (node.kind !== 'map' || textOf(node, 'type') !== 'bind') return node;
    const source = entryOf(node, 'source');
    if (!isText(source)) return refuse(node.where, `${pathText(path)}: a bind mount needs a source`);
    return withEntry(node, 'source', text(resolved(source.value), source.where));
  };

  /** The local driver with `o: bind` is a bind mount in disguise. */
  const bindVolume: Rule = (node) => {
    const options = entryOf(node, 'driver_opts');
    const device = entryOf(options, 'device');
    if (node.kind !== 'map' || options?.kind !== 'map' || !isText(device)) return node;
    if (textOf(node, 'driver') !== 'local' || textOf(options, 'o') !== 'bind') return node;
    return withEntry(node, 'driver_opts', withEntry(options, 'device', text(resolved(device.value), device.where)));
  };

  return rewriteTree(tree, {
    'services.*.build.context': buildContext,
    'services.*.build.additional_contexts.*': buildContext,
    'services.*.build.ssh.*': absolute,
    'services.*.env_file.*.path': absolute,
    'services.*.label_file.*': absolute,
    'services.*.extends.file': (node, path) => (isText(node) && remoteKind(node.value) !== undefined ? node : absolute(node, path)),
    'services.*.develop.watch.*.path': absolute,
    'services.*.volumes.*': mount,
    'configs.*.file': absolute,
    'secrets.*.file': absolute,
    'volumes.*': bindVolume,
  });
}

/** A build context that a builder fetches or that is another service. */
export function isRemoteContext(context: string): boolean {
  return context.includes('://') || /^(service:|github\.com\/|git@)/.test(context);
}

function isWindowsAbsolute(path: string): boolean {
  return !isAbsolute(path) && (/^[a-zA-Z]:[\\/]/.test(path) || path.startsWith('\\\\'));
}
