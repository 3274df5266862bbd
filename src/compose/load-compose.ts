import { homedir } from 'node:os';
import type { ComposeModel } from '../domain/compose-model.ts';
import { checkProject, checkService } from './check-consistency.ts';
import { discoverFiles } from './discover-files.ts';
import { loadDocuments, readDocuments } from './load-model.ts';
import { noteFile, warn } from './loading.ts';
import type { Loading } from './loading.ts';
import { normalise, servicesOf } from './normalise.ts';
import { noteModelFiles } from './note-model-files.ts';
import type { ParsedDocument } from './parse-document.ts';
import { assertNoProblems, formatWhere, refuse } from './problems.ts';
import type { Problem } from './problems.ts';
import { openEnvironment } from './project-environment.ts';
import type { ProjectEnvironment } from './project-environment.ts';
import { projectName } from './project-name.ts';
import { readServiceFiles } from './read-service-files.ts';
import { resolveVariables } from './resolve-variables.ts';
import { toModel } from './to-model.ts';
import { entriesOf, entryOf, isText, itemsOf, textOf } from './tree.ts';
import type { MapNode } from './tree.ts';

export interface ComposeRequest {
  readonly directory: string;
  /** `-f`; empty: COMPOSE_FILE, then the default names here and above. */
  readonly files: readonly string[];
  readonly projectName: string | null;
  readonly envFiles: readonly string[];
  readonly projectDirectory: string | null;
  /** The process environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Active profiles, `*` for all; by default those of COMPOSE_PROFILES. */
  readonly profiles?: readonly string[];
  readonly home?: string;
  readonly stdin?: () => Promise<string>;
}

/**
 * Reads a Compose project as `docker compose` does and changes nothing. Every profile is loaded; services that only an
 * inactive one starts are marked. Rejects with 'nothing-found' where there is no Compose file in the directory or above,
 * and with 'config', every problem with its place, where Compose would refuse the files as well.
 */
export async function loadCompose(request: ComposeRequest): Promise<ComposeModel> {
  const loading = startLoading(request);
  const outer = openEnvironment(request.environment);
  const discovered = await discoverFiles({ ...request, environment: outer }, loading);

  const documents: { readonly file: string; readonly document: ParsedDocument }[] = [];
  for (const file of discovered.composeFiles) {
    noteFile(loading, file, 'compose', true);
    for (const document of await readDocuments(file, null, loading)) documents.push({ file, document });
  }
  const { environment: named, workingDirectory, composeFiles } = discovered;
  const parsed = documents.map(({ document }) => document);
  const name = projectName(request.projectName, named, parsed, workingDirectory);
  const environment = named.withFixed('COMPOSE_PROJECT_NAME', name.name);

  if (parsed.every(({ tree }) => tree.kind === 'map' && tree.entries.size === 0)) {
    refuse({ file: composeFiles[0] ?? '-', line: 1, column: 1 }, 'the Compose file is empty');
  }
  const modelRequest = { files: composeFiles, workingDirectory, environment, including: [], where: null };
  const tree = resolveVariables(normalise(await loadDocuments(documents, modelRequest, loading), name.name), environment);
  const active = activeServices(tree, request.profiles ?? profilesOf(environment));
  checkConsistency(tree, active, loading);
  const complete = await readServiceFiles(tree, environment, active, loading);
  assertNoProblems(loading.problems);
  noteModelFiles(complete, loading);
  noteVariables(complete, environment);
  return toModel({ tree: complete, name, discovered, environment, active, loading });
}

function startLoading({ home, environment, stdin }: ComposeRequest): Loading {
  let content: Promise<string> | undefined;
  return {
    home: home ?? environment['HOME'] ?? homedir(),
    problems: [],
    findings: new Map(),
    files: new Map(),
    stdin: () => {
      content ??= stdin === undefined ? Promise.resolve('') : stdin();
      return content;
    },
  };
}

function profilesOf(environment: ProjectEnvironment): readonly string[] {
  return (environment.lookup('COMPOSE_PROFILES') ?? '').split(',').map((profile) => profile.trim());
}

function activeServices(tree: MapNode, profiles: readonly string[]): ReadonlySet<string> {
  const wanted = new Set(profiles);
  return new Set(
    servicesOf(tree)
      .filter(([, service]) => {
        const own = itemsOf(entryOf(service, 'profiles')).filter(isText);
        return own.length === 0 || wanted.has('*') || own.some(({ value }) => wanted.has(value));
      })
      .map(([name]) => name),
  );
}

/** What is wrong with a service that is not started is no reason to refuse the project: Compose does not look at it either. */
function checkConsistency(tree: MapNode, active: ReadonlySet<string>, loading: Loading): void {
  for (const [name, service] of servicesOf(tree)) {
    const problems: Problem[] = [];
    checkService(tree, name, service, problems);
    if (active.has(name)) loading.problems.push(...problems);
    else
      for (const { where, message } of problems)
        warn(loading, 'inactive-service', name, where === null ? message : `${formatWhere(where)}: ${message}`);
  }
  checkProject(tree, active, loading.problems);
}

/** Secrets and configs that are taken from variables need these variables again at a restore. */
function noteVariables(tree: MapNode, environment: ProjectEnvironment): void {
  for (const section of ['secrets', 'configs']) {
    for (const [, { node }] of entriesOf(entryOf(tree, section))) {
      const variable = textOf(node, 'environment');
      if (variable !== undefined) environment.lookup(variable);
    }
  }
}
