import { dirname } from 'node:path';
import { enforceUnicity } from './enforce-unicity.ts';
import { interpolateTree } from './interpolate-tree.ts';
import type { TreeInterpolation } from './interpolate-tree.ts';
import { absolutePath, noteFile, readYaml } from './loading.ts';
import type { Loading } from './loading.ts';
import { mergeAt, mergeModels } from './merge.ts';
import { parseDocuments } from './parse-document.ts';
import type { ParsedDocument } from './parse-document.ts';
import { assertNoProblems, refuse } from './problems.ts';
import { remoteKind } from './remote-kind.ts';
import { applyResets } from './reset-override.ts';
import { resolvePaths } from './resolve-paths.ts';
import { toCanonical } from './to-canonical.ts';
import { entryOf, isNull, isText, map, textOf, withEntry, withoutEntries } from './tree.ts';
import type { MapNode, TreeNode } from './tree.ts';

export interface ExtendsContext {
  readonly loading: Loading;
  readonly interpolation: TreeInterpolation;
  /** What a relative `file:` stands below. */
  readonly workingDirectory: string;
}

type ResetPaths = ParsedDocument['resetPaths'];

/** Where services are looked up: one document, or the file that `extends.file` names. */
interface Scope {
  readonly file: string;
  readonly services: TreeNode | undefined;
}

/** Replaces every `extends` of a document by what it stands for. Rejects with 'config': cycles, unknown services, unreadable files. */
export async function resolveExtends(document: MapNode, file: string, resetPaths: ResetPaths, context: ExtendsContext): Promise<MapNode> {
  const services = entryOf(document, 'services');
  if (services?.kind !== 'map') return document;
  const bases = new Map<string, Promise<Base>>();
  const scope: Scope = { file, services };
  let resolved = services;
  for (const name of services.entries.keys()) {
    const service = await resolveService({ name, scope, resetPaths, context, bases, trail: [] });
    if (service !== undefined) resolved = withEntry(resolved, name, service);
  }
  return withEntry(document, 'services', resolved);
}

interface Base extends Scope {
  readonly resetPaths: ResetPaths;
}

interface Resolution {
  readonly name: string;
  readonly scope: Scope;
  readonly resetPaths: ResetPaths;
  readonly context: ExtendsContext;
  readonly bases: Map<string, Promise<Base>>;
  readonly trail: readonly string[];
}

async function resolveService(resolution: Resolution): Promise<TreeNode | undefined> {
  const { name, scope, context, trail } = resolution;
  const service = entryOf(scope.services, name);
  const extended = entryOf(service, 'extends');
  if (service?.kind !== 'map' || extended === undefined) return service;
  const reference = isText(extended) ? extended.value : textOf(extended, 'service');
  if (reference === undefined) return refuse(extended.where, `services.${name}.extends: the name of a service is expected`);

  const step = `${name} in ${scope.file}`;
  if (trail.includes(step)) refuse(extended.where, `circular extends: ${[...trail, step].join(' → ')}`);

  const fileNode = entryOf(extended, 'file');
  const base = isText(fileNode) ? await openBase(fileNode.value, fileNode.where, resolution) : { ...scope, resetPaths: [] };
  if (base.services?.kind !== 'map' || !base.services.entries.has(reference)) {
    refuse(extended.where, `cannot extend service ${name}: there is no service ${reference} in ${base.file}`);
  }
  const resetPaths = [...resolution.resetPaths, ...base.resetPaths];
  const found = await resolveService({ ...resolution, name: reference, scope: base, resetPaths, context, trail: [...trail, step] });
  const own = withoutEntries(service, ['extends']);
  if (isNull(found) || found === undefined) return own;
  return mergeAt(resetService(found, name, resetPaths), own, ['services', name]);
}

/** What the extending side marks with `!reset` or `!override` is taken out of the base. */
function resetService(service: TreeNode, name: string, resetPaths: ResetPaths): TreeNode {
  const { where } = service;
  const wrapped = map([['services', { where, node: map([[name, { where, node: service }]], where) }]], where);
  return entryOf(entryOf(applyResets(wrapped, resetPaths), 'services'), name) ?? map([], where);
}

function openBase(reference: string, where: TreeNode['where'], { context, bases }: Resolution): Promise<Base> {
  const kind = remoteKind(reference);
  if (kind !== undefined) {
    refuse(where, `extends: ${reference} is a ${kind}, which is not fetched`, 'download it and extend the local copy');
  }
  const file = absolutePath(context.loading, context.workingDirectory, reference);
  const opened = bases.get(file) ?? readBase(file, where, context);
  bases.set(file, opened);
  return opened;
}

/** A base file is taken as it stands: no includes, no validation, its paths relative to its own folder. */
async function readBase(file: string, where: TreeNode['where'], context: ExtendsContext): Promise<Base> {
  const { loading, interpolation } = context;
  noteFile(loading, file, 'extends', true);
  const documents = parseDocuments(await readYaml(file, where, 'the extended file'), file);
  let model = map([], { file, line: 1, column: 1 });
  for (const document of documents) {
    const interpolated = interpolateTree(document.tree, interpolation);
    assertNoProblems(interpolation.problems);
    if (interpolated.kind !== 'map') return refuse(interpolated.where, 'the top level of a Compose file must be a mapping');
    const merged = mergeModels(asMap(applyResets(model, document.resetPaths)), interpolated);
    model = asMap(enforceUnicity(toCanonical(enforceUnicity(merged))));
  }
  const services = entryOf(resolvePaths(model, dirname(file), loading), 'services');
  return { file, services, resetPaths: documents.flatMap((document) => document.resetPaths) };
}

function asMap(node: TreeNode): MapNode {
  return node.kind === 'map' ? node : map([], node.where);
}
