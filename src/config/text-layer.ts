import { resolve } from 'node:path';
import type { GlobalRow } from './global-rows.ts';
import { GLOBAL_ROWS, rowAt } from './global-rows.ts';
import { GLOBAL_SCHEMA } from './schema.ts';
import type { GlobalInput } from './schema.ts';
import type { Origin, Problem } from './setting.ts';
import { fromText } from './text-value.ts';
import { validate } from './validate.ts';

/** Settings given as text, by dotted path (`keep.daily`). */
export interface TextLayer {
  readonly kind: 'flag' | 'environment';
  readonly values: Readonly<Record<string, string | readonly string[] | boolean>>;
  readonly whereOf: (row: GlobalRow) => string;
}

/** One source of settings after checking; several of them, strongest first, make the configuration. */
export interface Layer {
  readonly kind: Origin['kind'];
  readonly input: GlobalInput;
  readonly whereOf: (path: readonly string[]) => string;
}

/** Converts and checks a layer of text. Relative paths belong to `directory`. */
export function checkTextLayer(layer: TextLayer, directory: string): { readonly layer: Layer; readonly problems: readonly Problem[] } {
  const nested: Record<string, unknown> = {};
  for (const row of GLOBAL_ROWS) {
    const given = layer.values[row.path.join('.')];
    if (given === undefined) continue;
    const value = typeof given === 'string' ? fromText(given, row.kind) : given;
    const [first = '', second] = row.path;
    const inner = nested[first];
    nested[first] = second === undefined ? value : { ...(typeof inner === 'object' ? inner : {}), [second]: value };
  }
  const nameOf = (path: readonly string[]): string => {
    const row = rowAt(path);
    return row === undefined ? path.join('.') : layer.whereOf(row);
  };
  const checked = validate(GLOBAL_SCHEMA, nested, nameOf, nameOf);
  return {
    layer: { kind: layer.kind, input: withAbsolutePaths(checked.value ?? {}, directory), whereOf: nameOf },
    problems: checked.problems,
  };
}

/** `repository` and `logDir` as absolute paths. */
export function withAbsolutePaths<T extends GlobalInput>(input: T, directory: string, home = ''): T {
  const absolute = (path: string): string => resolve(directory, home !== '' && /^~(?:\/|$)/.test(path) ? home + path.slice(1) : path);
  return {
    ...input,
    ...(input.repository === undefined ? {} : { repository: absolute(input.repository) }),
    ...(input.logDir === undefined ? {} : { logDir: absolute(input.logDir) }),
  };
}
