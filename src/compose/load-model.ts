import { checkModel } from './check-model.ts';
import { enforceUnicity } from './enforce-unicity.ts';
import { resolveExtends } from './extends.ts';
import { resolveIncludes } from './include.ts';
import type { ModelRequest } from './include.ts';
import { interpolateTree } from './interpolate-tree.ts';
import { readYaml, warn, warnUnset } from './loading.ts';
import type { Loading } from './loading.ts';
import { mergeModels } from './merge.ts';
import { parseDocuments } from './parse-document.ts';
import type { ParsedDocument } from './parse-document.ts';
import { assertNoProblems, refuse } from './problems.ts';
import { resolveListedVariables } from './resolve-variables.ts';
import { applyResets } from './reset-override.ts';
import { resolvePaths } from './resolve-paths.ts';
import { setDefaults } from './set-defaults.ts';
import { COMPOSE_FILE } from './shape-file.ts';
import { toCanonical } from './to-canonical.ts';
import { entryOf, map } from './tree.ts';
import type { MapNode, TreeNode } from './tree.ts';

/** Reads the documents of a Compose file; `-` is stdin. */
export async function readDocuments(file: string, where: TreeNode['where'] | null, loading: Loading): Promise<readonly ParsedDocument[]> {
  const content = file === '-' ? await loading.stdin() : await readYaml(file, where, 'the Compose file');
  return parseDocuments(content, file);
}

/**
 * Loads files into one canonical model with absolute paths: each document is interpolated, its includes and extends are
 * resolved, and it is laid over those before it and validated. Rejects with 'config'.
 */
export async function loadModel(request: ModelRequest, loading: Loading): Promise<MapNode> {
  const documents: { readonly file: string; readonly document: ParsedDocument }[] = [];
  for (const file of request.files) {
    for (const document of await readDocuments(file, request.where, loading)) documents.push({ file, document });
  }
  return loadDocuments(documents, request, loading);
}

export async function loadDocuments(
  documents: readonly { readonly file: string; readonly document: ParsedDocument }[],
  request: ModelRequest,
  loading: Loading,
): Promise<MapNode> {
  let model: TreeNode = map([], { file: request.files[0] ?? '-', line: 1, column: 1 });
  for (const { file, document } of documents) model = await addDocument(model, file, document, request, loading);
  const complete = setDefaults(model);
  checkModel(complete, loading.problems);
  assertNoProblems(loading.problems);
  return asModel(resolveListedVariables(resolvePaths(complete, request.workingDirectory, loading), request.environment));
}

async function addDocument(
  model: TreeNode,
  file: string,
  { tree, resetPaths }: ParsedDocument,
  request: ModelRequest,
  loading: Loading,
): Promise<TreeNode> {
  const { workingDirectory, environment } = request;
  const interpolation = {
    lookup: environment.lookup,
    problems: loading.problems,
    onUnset: (name: string, where: TreeNode['where']) => warnUnset(loading, name, where),
  };
  const interpolated = interpolateTree(asModel(tree), interpolation);
  assertNoProblems(loading.problems);
  const version = entryOf(interpolated, 'version');
  if (version !== undefined) warn(loading, 'version-obsolete', file, `${file}: version is obsolete and ignored`, 'remove the line');

  const including = [...new Set([...request.including, file])];
  const included = await resolveIncludes(asModel(interpolated), { ...request, loading, including, resetPaths, loadModel });
  const own = await resolveExtends(included, file, resetPaths, { loading, interpolation, workingDirectory });

  const merged = enforceUnicity(mergeModels(asModel(applyResets(model, resetPaths)), own));
  COMPOSE_FILE.check(merged, [], loading.problems);
  assertNoProblems(loading.problems);
  return enforceUnicity(toCanonical(merged));
}

function asModel(node: TreeNode): MapNode {
  return node.kind === 'map' ? node : refuse(node.where, 'the top level of a Compose file must be a mapping');
}
