import { resolve } from 'node:path';
import { expressionAt, splitOutside, stringOf } from './python-text.ts';

/** Where an expression of settings stands. */
export interface Scope {
  /** Of the application: what settings call BASE_DIR. */
  readonly directory: string;
  /** A variable of the environment. */
  readonly lookup: (name: string) => string | null;
  /** What a name is set to, unconditionally; null where it is not. */
  readonly valueOf: (name: string) => string | null;
}

export interface Assignment {
  readonly expression: string;
  readonly isConditional: boolean;
}

export function scopeOf(text: string, directory: string, lookup: Scope['lookup']): Scope {
  const valueOf = (name: string): string | null =>
    assignmentsTo(name, text).findLast(({ isConditional }) => !isConditional)?.expression ?? null;
  return { directory, lookup, valueOf };
}

/** In the order of the text. */
export function assignmentsTo(name: string, text: string): readonly Assignment[] {
  const found = text.matchAll(new RegExp(`^([ \\t]*)${name}[ \\t]*(?::[^=\\n]+)?=(?!=)[ \\t]*`, 'gm'));
  return [...found].map((match) => ({
    expression: expressionAt(text, match.index + match[0].length),
    isConditional: match[1] !== '',
  }));
}

const ROOT_NAMES = /^(?:BASE_DIR|PROJECT_ROOT|ROOT_DIR|BASE_PATH)$/;
const NAME = /^[A-Za-z_]\w*$/;
/** Names that are made of names that are made of names. */
const DEEPEST = 8;

const VARIABLE =
  /^(?:os\.environ\.get|os\.getenv|env|config|env\.str|env\.path)\(\s*['"](\w+)['"]\s*(?:,\s*(?:default\s*=\s*)?(.+))?\)$|^os\.environ\[\s*['"](\w+)['"]\s*\]$/s;
const WRAPPED = /^(?:str|Path|pathlib\.Path|os\.fspath|os\.path\.abspath|os\.path\.normpath)\(([^]+)\)$/;
const JOINED = /^(?:os\.path\.join|Path|pathlib\.Path)\(\s*([^]+)\)$/;
const FORMATTED = /^f(['"])\{([^{}'"]+)\}([^{}'"\\]*)\1$/;

/** A literal, or a variable of the environment with its default. */
export function textOf(expression: string, lookup: Scope['lookup']): string | null {
  const variable = VARIABLE.exec(expression.trim());
  if (variable === null) return stringOf(expression);
  return lookup(variable[1] ?? variable[3] ?? '') ?? (variable[2] === undefined ? null : textOf(variable[2], lookup));
}

/**
 * The few ways in which settings write a path: literals, `BASE_DIR / 'a'`, `os.path.join(BASE_DIR, 'a')`, `str(BASE_DIR) + '/a'`, `f'{BASE_DIR}/a'`,
 * variables with a default, and names for one of these. Absolute; null for anything else.
 */
export function pathOf(expression: string, scope: Scope, depth = 0): string | null {
  if (depth > DEEPEST) return null;
  const { directory, lookup } = scope;
  const inner = (part: string): string | null => pathOf(part, scope, depth + 1);
  const text = expression.trim().replace(/,$/, '').trim();
  const variable = VARIABLE.exec(text);
  if (variable !== null) {
    const set = lookup(variable[1] ?? variable[3] ?? '');
    if (set !== null) return resolve(directory, set);
    return variable[2] === undefined ? null : inner(variable[2]);
  }
  const literal = stringOf(text);
  if (literal !== null) return literal === '' || literal === ':memory:' ? null : resolve(directory, literal);
  if (ROOT_NAMES.test(text)) return directory;
  if (NAME.test(text)) {
    const value = scope.valueOf(text);
    return value === null ? null : inner(value);
  }
  const formatted = FORMATTED.exec(text);
  if (formatted !== null) return appended(inner(formatted[2] ?? ''), formatted[3] ?? '');
  const sum = splitOutside(text, '+');
  if (sum.length > 1) return sum.slice(1).reduce((path, part) => appended(path, stringOf(part)), inner(sum[0] ?? ''));
  const steps = splitOutside(text, '/');
  if (steps.length > 1) return below(inner(steps[0] ?? ''), steps.slice(1));
  const [first, ...rest] = splitOutside(JOINED.exec(text)?.[1] ?? '', ',').filter((part) => part !== '');
  if (first !== undefined && rest.length > 0) return below(inner(first), rest);
  const wrapped = WRAPPED.exec(text)?.[1];
  return wrapped === undefined ? null : inner(wrapped);
}

function appended(path: string | null, text: string | null): string | null {
  return path === null || text === null ? null : resolve(`${path}${text}`);
}

function below(path: string | null, names: readonly string[]): string | null {
  const known = names.map((name) => stringOf(name) ?? '');
  return path === null || known.includes('') ? null : resolve(path, ...known);
}
