import { dirname, join, resolve } from 'node:path';
import { readEnvFiles } from './discover-files.ts';
import { isFile, noteFile } from './loading.ts';
import type { Loading } from './loading.ts';
import { mergeAt } from './merge.ts';
import type { ParsedDocument } from './parse-document.ts';
import { refuse } from './problems.ts';
import type { ProjectEnvironment } from './project-environment.ts';
import { remoteKind } from './remote-kind.ts';
import { applyResets } from './reset-override.ts';
import { entryOf, isText, itemsOf, map, textOf, withEntry, withoutEntries } from './tree.ts';
import type { MapNode, TreeNode } from './tree.ts';

/** A set of files that is loaded as one model. */
export interface ModelRequest {
  readonly files: readonly string[];
  readonly workingDirectory: string;
  readonly environment: ProjectEnvironment;
  /** The main files that include each other on the way here. */
  readonly including: readonly string[];
  /** Where an `include` names the first file; null for the project's own files. */
  readonly where: TreeNode['where'] | null;
}

export interface IncludeContext {
  readonly loading: Loading;
  readonly workingDirectory: string;
  readonly environment: ProjectEnvironment;
  readonly including: readonly string[];
  readonly resetPaths: ParsedDocument['resetPaths'];
  readonly loadModel: (request: ModelRequest, loading: Loading) => Promise<MapNode>;
}

const IMPORTED = ['services', 'volumes', 'networks', 'secrets', 'configs', 'models'];

/**
 * Loads what a document includes and lays the document over it: each include is a project of its own, with its own
 * folder and `.env`, in which the outer variables win. Decision: where both define the same resource they are merged and
 * the including file wins, as Compose does since 2.27; older ones refuse such files.
 */
export async function resolveIncludes(document: MapNode, context: IncludeContext): Promise<MapNode> {
  const include = entryOf(document, 'include');
  let model = withoutEntries(document, ['include']);
  if (include === undefined) return model;
  if (include.kind !== 'list') return refuse(include.where, 'include: must be a list');
  for (const item of include.items) {
    const imported = await context.loadModel(await toRequest(item, context), context.loading);
    for (const key of IMPORTED) model = importResources(imported, model, key, context.resetPaths);
  }
  return model;
}

async function toRequest(item: TreeNode, context: IncludeContext): Promise<ModelRequest> {
  const { loading, workingDirectory } = context;
  const files = texts(isText(item) ? item : entryOf(item, 'path'), item.where, 'path').map((path) => {
    const kind = remoteKind(path);
    if (kind !== undefined)
      refuse(item.where, `include: ${path} is a ${kind}, which is not fetched`, 'download it and include the local copy');
    return resolve(workingDirectory, path);
  });
  const [main] = files;
  if (main === undefined) return refuse(item.where, 'include: a path is expected');
  if (context.including.includes(main)) refuse(item.where, `circular include: ${[...context.including, main].join(' → ')}`);
  for (const file of files) {
    if (!(await isFile(file))) refuse(item.where, `include: the file ${file} does not exist`);
    noteFile(loading, file, 'include', true);
  }
  const chosen = textOf(item, 'project_directory') ?? '';
  const directory = chosen === '' ? dirname(main) : resolve(workingDirectory, chosen);
  const envFiles = await includedEnvFiles(entryOf(item, 'env_file'), directory, context);
  const values = await readEnvFiles(envFiles, context.environment, loading);
  return {
    files,
    workingDirectory: directory,
    environment: context.environment.with(values),
    including: [...context.including, main],
    where: item.where,
  };
}

async function includedEnvFiles(node: TreeNode | undefined, directory: string, context: IncludeContext): Promise<readonly string[]> {
  if (node === undefined) {
    const beside = join(directory, '.env');
    return (await isFile(beside)) ? [beside] : [];
  }
  const files = texts(node, node.where, 'env_file').map((path) => resolve(context.workingDirectory, path));
  for (const file of files) if (!(await isFile(file))) refuse(node.where, `include: the env file ${file} does not exist`);
  return files;
}

function texts(node: TreeNode | undefined, where: TreeNode['where'], key: string): readonly string[] {
  if (isText(node)) return [node.value];
  return itemsOf(node).map((item) => (isText(item) ? item.value : refuse(where, `include: ${key} must be a string or a list of strings`)));
}

function importResources(source: MapNode, target: MapNode, key: string, resetPaths: ParsedDocument['resetPaths']): MapNode {
  const imported = entryOf(source, key);
  if (imported?.kind !== 'map') return target;
  const own = entryOf(target, key);
  if (own !== undefined && own.kind !== 'map') return refuse(own.where, `${key}: must be a mapping`);
  let merged = own ?? map([], imported.where);
  for (const [name, entry] of imported.entries) {
    const conflict = merged.entries.get(name);
    if (conflict === undefined) {
      merged = withEntry(merged, name, entry.node, entry.where);
      continue;
    }
    const kept = resetImported(key, name, entry.node, resetPaths);
    merged = withEntry(merged, name, kept === undefined ? conflict.node : mergeAt(kept, conflict.node, [key, name]), conflict.where);
  }
  return withEntry(target, key, merged, target.entries.get(key)?.where ?? imported.where);
}

function resetImported(key: string, name: string, node: TreeNode, resetPaths: ParsedDocument['resetPaths']): TreeNode | undefined {
  const { where } = node;
  const wrapped = map([[key, { where, node: map([[name, { where, node }]], where) }]], where);
  return entryOf(entryOf(applyResets(wrapped, resetPaths), key), name);
}
