import { resolve } from 'node:path';
import { parseDatabaseUrl } from './project-variables.ts';
import { dictEntries, expressionAt, splitOutside, stringOf } from './python-text.ts';

export interface DjangoDatabases {
  /** SQLite databases. Absolute. */
  readonly files: readonly string[];
  /** One is of PostgreSQL, MySQL or Oracle. */
  readonly serverEngine: string | null;
  /** Those whose place or kind only Python understands, as the settings call them. */
  readonly unclear: readonly string[];
  /** Those that apply on a condition, and are not known to be captured when it holds. */
  readonly conditional: readonly string[];
  /** One is what `DATABASE_URL` says. */
  readonly usesUrl: boolean;
}

interface NamedDatabase {
  readonly name: string;
  readonly expression: string;
  readonly isConditional: boolean;
}

type Lookup = (name: string) => string | null;
type Reading =
  { readonly kind: 'file'; readonly path: string } | { readonly kind: 'server'; readonly engine: string } | 'url' | 'unclear' | 'none';

const SERVERS = /^(?:postgresql|postgis|mysql|oracle)/;
/** Calls of dj-database-url and django-environ that make an entry out of a URL in the environment. */
const URL_CALL = /^(?:dj_database_url\.config|env\.(?:db|db_url|dj_db_url))\((.*)\)$/s;

/** Every database that `DATABASES` names, in whichever way it is assigned. */
export function readDatabases(settings: string, directory: string, lookup: Lookup): DjangoDatabases {
  const files: string[] = [];
  const engines: string[] = [];
  const unclear: string[] = [];
  const conditional: string[] = [];
  let usesUrl = false;
  for (const { name, expression, isConditional } of namedDatabases(settings)) {
    const reading = read(expression, directory, lookup);
    if (reading === 'url') usesUrl = true;
    if (reading === 'url' || reading === 'none') continue;
    if (reading !== 'unclear' && reading.kind === 'file') files.push(reading.path);
    else if (isConditional) conditional.push(name);
    else if (reading === 'unclear') unclear.push(name);
    else engines.push(reading.engine);
  }
  return { files, serverEngine: engines[0] ?? null, unclear: [...new Set(unclear)], conditional: [...new Set(conditional)], usesUrl };
}

/** `DATABASES = {…}` and `DATABASES['a'] = …`, one by one; `DATABASES = …` of any other kind as a whole. */
function namedDatabases(settings: string): readonly NamedDatabase[] {
  const assignments = settings.matchAll(/^([ \t]*)DATABASES[ \t]*(?:\[[ \t]*['"]([\w-]+)['"][ \t]*\][ \t]*)?(?::[^=\n]+)?=(?!=)[ \t]*/gm);
  return [...assignments].flatMap((match) => {
    const [assigned, indent, alias] = match;
    const expression = expressionAt(settings, match.index + assigned.length);
    const isConditional = indent !== '';
    if (alias !== undefined) return [{ name: `DATABASES['${alias}']`, expression, isConditional }];
    const entries = dictEntries(expression);
    if (entries === null) return [{ name: 'DATABASES', expression, isConditional }];
    return entries.map(([key, value]) => ({ name: key === '' ? 'DATABASES' : `DATABASES['${key}']`, expression: value, isConditional }));
  });
}

function read(expression: string, directory: string, lookup: Lookup): Reading {
  const call = URL_CALL.exec(expression)?.[1];
  if (call !== undefined) return readUrlCall(call, directory, lookup);
  const entries = dictEntries(expression);
  if (entries === null) return 'unclear';
  const block = new Map(entries);
  const engine = textOf(block.get('ENGINE') ?? '', lookup)
    ?.split('.')
    .at(-1);
  if (engine === undefined) return 'unclear';
  if (SERVERS.test(engine)) return { kind: 'server', engine };
  if (engine === 'dummy') return 'none';
  if (engine !== 'sqlite3') return 'unclear';
  const name = block.get('NAME') ?? '';
  if (textOf(name, lookup) === ':memory:') return 'none';
  const path = pathOf(name, directory, lookup);
  return path === null ? 'unclear' : { kind: 'file', path };
}

/** A `DATABASE_URL` that is set is read elsewhere, for everything that may use it. */
function readUrlCall(call: string, directory: string, lookup: Lookup): Reading {
  const given = splitOutside(call, ',').map((argument) => /^(?:(\w+)\s*=\s*)?([^]*)$/.exec(argument) ?? []);
  const value = (name: string): string | undefined => given.find(([, key]) => key === name)?.[2];
  const variable = stringOf(value('env') ?? value('var') ?? given.find(([, key]) => key === undefined)?.[2] ?? '') ?? 'DATABASE_URL';
  const set = lookup(variable);
  if (set !== null && set !== '') return variable === 'DATABASE_URL' ? 'url' : readUrl(set, directory);
  const fallback = value('default');
  if (fallback === undefined) return 'unclear';
  const url = stringOf(fallback);
  if (url !== null) return readUrl(url, directory);
  const made = sqliteUrl(fallback);
  const path = made === null ? null : pathOf(made, directory, lookup);
  return path === null ? 'unclear' : { kind: 'file', path };
}

function readUrl(text: string, directory: string): Reading {
  const url = parseDatabaseUrl(text);
  if (url === null) return 'none';
  if (url.kind === 'sqlite') return { kind: 'file', path: resolve(directory, url.path) };
  if (url.kind === 'postgres') return { kind: 'server', engine: 'postgresql' };
  return url.kind === 'other' ? { kind: 'server', engine: url.scheme } : 'unclear';
}

/** The path's expression in `f'sqlite:///{BASE_DIR}/a'` and `'sqlite:///' + str(BASE_DIR / 'a')`. */
function sqliteUrl(expression: string): string | null {
  const formatted = /^f(['"])sqlite:\/\/\/\{(.+)\}([^{}'"]*)\1$/.exec(expression);
  if (formatted !== null) {
    const below = (formatted[3] ?? '').replace(/^\//, '');
    return below === '' ? (formatted[2] ?? null) : `${formatted[2] ?? ''} / '${below}'`;
  }
  return /^['"]sqlite:\/\/\/['"]\s*\+\s*(.+)$/s.exec(expression)?.[1] ?? null;
}

const VARIABLE =
  /^(?:os\.environ\.get|os\.getenv|env|config|env\.str|env\.path)\(\s*['"](\w+)['"]\s*(?:,\s*(?:default\s*=\s*)?(.+))?\)$|^os\.environ\[\s*['"](\w+)['"]\s*\]$/s;

/** A literal, or a variable of the environment with its default. */
function textOf(expression: string, lookup: Lookup): string | null {
  const variable = VARIABLE.exec(expression.trim());
  if (variable === null) return stringOf(expression);
  return lookup(variable[1] ?? variable[3] ?? '') ?? (variable[2] === undefined ? null : textOf(variable[2], lookup));
}

/** The few ways in which settings write a path: literals, `BASE_DIR / 'a'`, `os.path.join(BASE_DIR, 'a')`, variables with a default. */
export function pathOf(expression: string, directory: string, lookup: Lookup): string | null {
  const text = expression.trim().replace(/,$/, '').trim();
  const variable = VARIABLE.exec(text);
  if (variable !== null) {
    const set = lookup(variable[1] ?? variable[3] ?? '');
    if (set !== null) return resolve(directory, set);
    return variable[2] === undefined ? null : pathOf(variable[2], directory, lookup);
  }
  const wrapped = /^(?:str|Path|os\.fspath)\((.+)\)$/s.exec(text)?.[1];
  if (wrapped !== undefined) return pathOf(wrapped, directory, lookup);
  const literal = stringOf(text);
  if (literal !== null) return literal === '' || literal === ':memory:' ? null : resolve(directory, literal);
  const joined = /^os\.path\.join\(\s*(.+)\)$/s.exec(text)?.[1];
  const [first, ...rest] = splitOutside(joined ?? text, joined === undefined ? '/' : ',').filter((part) => part !== '');
  if (first === undefined || !/^(?:str\()?(?:BASE_DIR|PROJECT_ROOT|ROOT_DIR|BASE_PATH)\)?$/.test(first)) return null;
  const names = rest.map((part) => stringOf(part));
  return names.some((name) => name === null || name === '') ? null : resolve(directory, ...names.filter((name) => name !== null));
}
