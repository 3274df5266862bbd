import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseYaml } from '../compose/parse-yaml.ts';
import type { Where } from '../domain/compose-model.ts';
import { McadsError } from '../errors.ts';
import { FILE_SCHEMA } from './schema.ts';
import type { FileInput } from './schema.ts';
import { withAbsoluteHostPaths } from './host-settings.ts';
import type { Problem } from './setting.ts';
import { withAbsolutePaths } from './text-layer.ts';
import { validate } from './validate.ts';

export const SETTINGS_FILE_NAMES = ['mcads.yaml', 'mcads.yml'] as const;

/** A checked `mcads.yaml` or `x-mcads:` block. */
export interface SettingsBlock {
  readonly kind: 'file' | 'x-mcads';
  readonly input: FileInput;
  readonly problems: readonly Problem[];
  readonly whereOf: (path: readonly string[]) => string;
}

/** Reads `--config FILE`, else `mcads.yaml` of the project directory. Null where there is none; rejects `config` for a named file that is missing. */
export async function readSettingsFile(named: string | null, directory: string): Promise<SettingsBlock | null> {
  for (const path of named === null ? SETTINGS_FILE_NAMES.map((name) => join(directory, name)) : [named]) {
    const text = await readIfThere(path);
    if (text !== null) return parseSettingsFile(text, path);
    if (named !== null) throw new McadsError('config', `there is no settings file ${path}`, { hint: '`config init` writes one' });
  }
  return null;
}

export function parseSettingsFile(text: string, path: string): SettingsBlock {
  const yaml = parseYaml(text, path);
  const whereOf = (steps: readonly string[]): string => printWhere(yaml.whereIs(steps));
  if (yaml.problems.length > 0) {
    const problems = yaml.problems.map((problem) => ({ where: printWhere(problem.where), setting: '', message: problem.message }));
    return { kind: 'file', input: {}, problems, whereOf };
  }
  return checkBlock('file', yaml.value ?? {}, dirname(path), whereOf);
}

/** Checks the value of `x-mcads:`; `whereIs` locates a path inside it. */
export function checkBlock(
  kind: SettingsBlock['kind'],
  value: unknown,
  directory: string,
  whereOf: (path: readonly string[]) => string,
): SettingsBlock {
  const checked = validate(FILE_SCHEMA, withoutEmptyMappings(value), whereOf);
  const input = withAbsolutePaths(checked.value ?? {}, directory, homedir());
  return { kind, input: withAbsoluteHostPaths(input, directory, homedir()), problems: checked.problems, whereOf };
}

/** `services:` with nothing (or only comments) below it means none, not null. */
function withoutEmptyMappings(value: unknown): unknown {
  if (!isMapping(value)) return value;
  const kept = Object.entries(value).filter(([key, inner]) => inner !== null || !['services', 'volumes', 'keep', 'host'].includes(key));
  return Object.fromEntries(
    kept.map(([key, inner]) => {
      if ((key !== 'services' && key !== 'volumes') || !isMapping(inner)) return [key, inner];
      return [key, Object.fromEntries(Object.entries(inner).map(([name, settings]) => [name, settings ?? {}]))];
    }),
  );
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function printWhere(where: Where): string {
  return `${where.file}:${where.line}:${where.column}`;
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error) {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
      if (error.code === 'EACCES') throw new McadsError('forbidden', `the settings file ${path} may not be read`, { cause: error });
      if (error.code === 'EISDIR') throw new McadsError('config', `${path} is a directory, not a settings file`, { cause: error });
    }
    throw error;
  }
}
