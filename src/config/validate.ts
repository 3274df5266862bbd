import { z } from 'zod';
import type { Problem } from './setting.ts';
import { suggestionHint } from './suggest.ts';

export interface Validated<T> {
  readonly value: T | null;
  readonly problems: readonly Problem[];
}

/**
 * Checks a value against a schema and collects every problem. `whereIs` locates a path of the value, `nameOf` gives the
 * name the user knows it by.
 */
export function validate<T>(
  schema: z.ZodType<T>,
  value: unknown,
  whereIs: (path: readonly string[]) => string,
  nameOf: (path: readonly string[]) => string = (path) => path.join('.'),
): Validated<T> {
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data, problems: [] };
  const problems = result.error.issues.flatMap((issue): Problem[] => {
    const path = issue.path.map(String);
    if (issue.code !== 'unrecognized_keys') {
      return [{ where: whereIs(path), setting: nameOf(path), message: `${nameOf(path) || 'the settings'} ${issue.message}` }];
    }
    const known = keysAt(schema, path);
    return issue.keys.map((key) => ({
      where: whereIs([...path, key]),
      setting: nameOf([...path, key]),
      message: `unknown setting ${nameOf([...path, key])}`,
      hint: hintFor(key, known, (name) => nameOf([...path, name])),
    }));
  });
  return { value: null, problems };
}

function hintFor(key: string, known: readonly string[], nameOf: (key: string) => string): string | undefined {
  return suggestionHint(nameOf(key), known.map(nameOf));
}

/** The keys that the schema knows at a path. */
export function keysAt(schema: z.ZodType, path: readonly string[]): readonly string[] {
  let current: unknown = schema;
  for (const step of [...path, null]) {
    while (current instanceof z.ZodOptional) current = current.unwrap();
    if (step === null) break;
    if (current instanceof z.ZodObject) current = current.shape[step];
    else if (current instanceof z.ZodRecord) current = current.valueType;
    else return [];
  }
  return current instanceof z.ZodObject ? Object.keys(current.shape) : [];
}
