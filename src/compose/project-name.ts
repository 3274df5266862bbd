import type { ComposeModel } from '../domain/compose-model.ts';
import { basename } from 'node:path';
import { InterpolationError, interpolateText } from './interpolate-text.ts';
import type { ParsedDocument } from './parse-document.ts';
import { refuse } from './problems.ts';
import type { ProjectEnvironment } from './project-environment.ts';
import { entryOf, isText } from './tree.ts';

export interface ProjectName {
  readonly name: string;
  readonly from: ComposeModel['nameFrom'];
}

/** Lower case, `[a-z0-9_-]` only, no leading `_` or `-`. */
export function normaliseProjectName(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '')
    .replace(/^[_-]+/, '');
}

/**
 * `-p`, then COMPOSE_PROJECT_NAME, then the last `name:` of the files, then the directory. The first two must be normal
 * already, the last two are made so. Rejects with 'config' where no name is left.
 */
export function projectName(
  flag: string | null,
  environment: ProjectEnvironment,
  documents: readonly ParsedDocument[],
  workingDirectory: string,
): ProjectName {
  if (flag !== null && flag !== '') return { name: assertNormal(flag), from: 'flag' };
  const variable = environment.lookup('COMPOSE_PROJECT_NAME') ?? '';
  if (variable !== '') return { name: assertNormal(variable), from: 'environment' };
  const written = documents
    .map(({ tree }) => entryOf(tree, 'name'))
    .filter(isText)
    .findLast(({ value }) => value !== '');
  if (written === undefined) {
    const name = normaliseProjectName(basename(workingDirectory));
    if (name === '') refuse(null, `the directory ${workingDirectory} gives no project name`, 'set one with --project-name');
    return { name, from: 'directory' };
  }
  const name = normaliseProjectName(interpolateName(written.value, written.where, environment));
  if (name === '') refuse(written.where, 'name: the project name must not be empty');
  return { name, from: 'file' };
}

function interpolateName(value: string, where: Parameters<typeof refuse>[0], environment: ProjectEnvironment): string {
  try {
    return interpolateText(value, { lookup: environment.lookup });
  } catch (error) {
    if (!(error instanceof InterpolationError)) throw error;
    return refuse(where, `name: ${error.message}`);
  }
}

function assertNormal(name: string): string {
  if (normaliseProjectName(name) === name) return name;
  return refuse(
    null,
    `invalid project name ${JSON.stringify(name)}: lower case letters, digits, hyphens and underscores only, starting with a letter or digit`,
    `use --project-name ${normaliseProjectName(name) || 'NAME'}`,
  );
}
