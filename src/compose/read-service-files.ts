import { access, constants, stat } from 'node:fs/promises';
import { parseDotenv, parseRawEnv } from './dotenv.ts';
import { goText } from './go-values.ts';
import { noteFile, readText, warn, warnUnset } from './loading.ts';
import type { Loading } from './loading.ts';
import { servicesOf } from './normalise.ts';
import type { Lookup } from './interpolate-text.ts';
import type { ProjectEnvironment } from './project-environment.ts';
import { pairsOf } from './shape-values.ts';
import { entryOf, isText, isTrue, itemsOf, map, nothing, text, textOf, withEntry } from './tree.ts';
import type { MapEntry, MapNode, TreeNode } from './tree.ts';

/**
 * Reads `env_file` and `label_file` of every service into its environment and labels, which win over the files. A file
 * that must be there and is not is a problem; of a service that no active profile starts, a warning.
 */
export async function readServiceFiles(
  model: MapNode,
  environment: ProjectEnvironment,
  active: ReadonlySet<string>,
  loading: Loading,
): Promise<MapNode> {
  let services = entryOf(model, 'services');
  if (services?.kind !== 'map') return model;
  for (const [name, service, where] of servicesOf(model)) {
    const reader = { name, isActive: active.has(name), loading };
    let complete = await withVariables(service, environment, reader);
    complete = await withLabels(complete, reader);
    if (complete !== service) services = withEntry(services, name, complete, where);
  }
  return withEntry(model, 'services', services);
}

interface Reader {
  readonly name: string;
  readonly isActive: boolean;
  readonly loading: Loading;
}

async function withVariables(service: MapNode, environment: ProjectEnvironment, reader: Reader): Promise<MapNode> {
  const files = itemsOf(entryOf(service, 'env_file'));
  if (files.length === 0) return service;
  const entries = new Map<string, MapEntry>();
  const lookup: Lookup = (name) => valueOf(entries, name) ?? environment.lookup(name);
  for (const file of files) {
    const path = textOf(file, 'path');
    if (path === undefined) continue;
    const isRequired = isRequiredFile(file);
    noteFile(reader.loading, path, 'env_file', isRequired);
    await addFile(entries, path, textOf(file, 'format'), isRequired, file.where, lookup, reader);
  }
  return overlay(service, 'environment', entries);
}

async function withLabels(service: MapNode, reader: Reader): Promise<MapNode> {
  const files = itemsOf(entryOf(service, 'label_file')).filter(isText);
  if (files.length === 0) return service;
  const entries = new Map<string, MapEntry>();
  for (const { value: path, where } of files) {
    noteFile(reader.loading, path, 'label_file', true);
    await addFile(entries, path, undefined, true, where, (name) => valueOf(entries, name), reader);
  }
  return overlay(service, 'labels', entries);
}

async function addFile(
  entries: Map<string, MapEntry>,
  path: string,
  format: string | undefined,
  isRequired: boolean,
  where: TreeNode['where'],
  lookup: Lookup,
  { name, isActive, loading }: Reader,
): Promise<void> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    if (!isRequired) return;
    const message = `service ${JSON.stringify(name)}: the file ${path} does not exist`;
    if (isActive) loading.problems.push({ where, message, hint: 'create it, or write `required: false` where it may be missing' });
    else warn(loading, 'inactive-service', name, `${message}, and no active profile starts the service`);
    return;
  }
  if (format !== undefined && format !== '' && format !== 'raw') {
    loading.problems.push({ where, message: `service ${JSON.stringify(name)}: unsupported env_file format ${JSON.stringify(format)}` });
    return;
  }
  if (!(await isReadable(path))) {
    const message = `service ${JSON.stringify(name)}: ${path} may not be read by this user; what it sets is taken from the containers`;
    return warn(loading, 'service-file-unreadable', `${name} ${path}`, message);
  }
  const content = await readText(path, where, 'the file');
  const parse = format === 'raw' ? parseRawEnv : parseDotenv;
  const values = parse(content, { file: path, lookup, onUnset: (variable, at) => warnUnset(loading, variable, at) });
  for (const [key, value] of values) entries.set(key, { where, node: text(value, where) });
}

/** Files with passwords are often root's alone, and the project runs all the same. */
async function isReadable(path: string): Promise<boolean> {
  return access(path, constants.R_OK).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'EACCES',
  );
}

/** The service's own pairs over those of the files; a name without a value stays unset. */
function overlay(service: MapNode, key: 'environment' | 'labels', entries: Map<string, MapEntry>): MapNode {
  const own = entryOf(service, key);
  for (const [name, value, where] of own === undefined ? [] : pairsOf(own)) {
    const missing = key === 'labels' ? text('', where) : nothing(where);
    entries.set(name, { where, node: value === undefined ? missing : text(goText(value), where) });
  }
  return withEntry(service, key, map(entries, own?.where ?? service.where));
}

/** Required unless it says otherwise; Compose takes the words of a boolean in quotes as well. */
function isRequiredFile(file: TreeNode): boolean {
  const required = entryOf(file, 'required');
  return isText(required) ? /^(true|y|yes|on)$/i.test(required.value) : isTrue(required);
}

function valueOf(entries: ReadonlyMap<string, MapEntry>, name: string): string | undefined {
  const node = entries.get(name)?.node;
  return isText(node) ? node.value : undefined;
}
