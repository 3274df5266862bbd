import { resolve } from 'node:path';
import { parseDatabaseUrl } from './project-variables.ts';
import { pathOf, textOf, type Scope } from './python-path.ts';
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
  /** It changes some keys of an entry and is none by itself. */
  readonly isPart?: boolean;
}

type Reading =
  { readonly kind: 'file'; readonly path: string } | { readonly kind: 'server'; readonly engine: string } | 'url' | 'unclear' | 'none';

const SERVERS = /^(?:postgresql|postgis|mysql|oracle)/;
/** Calls of dj-database-url and django-environ that make an entry out of a URL in the environment. */
const URL_CALL = /^(?:dj_database_url\.config|env\.(?:db|db_url|dj_db_url))\((.*)\)$/s;

/** Every database that `DATABASES` names, in whichever way it is assigned. */
export function readDatabases(settings: string, scope: Scope): DjangoDatabases {
  const files: string[] = [];
  const engines: string[] = [];
  const unclear: string[] = [];
  const conditional: string[] = [];
  let usesUrl = false;
  for (const { name, expression, isConditional, isPart } of namedDatabases(settings)) {
    const reading = isPart === true ? readPart(expression, scope) : read(expression, scope);
    if (reading === 'url') usesUrl = true;
    if (reading === 'url' || reading === 'none') continue;
    if (reading !== 'unclear' && reading.kind === 'file') files.push(reading.path);
    else if (isConditional) conditional.push(name);
    else if (reading === 'unclear') unclear.push(name);
    else engines.push(reading.engine);
  }
  return { files, serverEngine: engines[0] ?? null, unclear: [...new Set(unclear)], conditional: [...new Set(conditional)], usesUrl };
}

/** What is done to `DATABASES`, one of its entries, or one key of an entry: up to the value, or the bracket before it. */
const CHANGE =
  /^([ \t]*)DATABASES\b((?:[ \t]*\[[ \t]*['"][\w-]+['"][ \t]*\])*)[ \t]*(?:\.update[ \t]*(?=\()|\|=|(?::[^=\n]+)?=(?!=))[ \t]*/gm;

/** Each entry that is assigned, one by one, and each change of one; what is assigned in any other way as a whole. */
function namedDatabases(settings: string): readonly NamedDatabase[] {
  return [...settings.matchAll(CHANGE)].flatMap((match) => {
    const [begin, indent, subscripts = ''] = match;
    const [alias, key, ...deeper] = [...subscripts.matchAll(/['"]([\w-]+)['"]/g)].map(([, name = '']) => name);
    const written = expressionAt(settings, match.index + begin.length);
    const isUpdate = begin.trimEnd().endsWith('.update');
    const expression = isUpdate ? argumentOf(written) : written;
    const isConditional = indent !== '';
    if (deeper.length > 0) return []; // of OPTIONS and TEST
    if (alias === undefined) {
      const entries = dictEntries(expression);
      if (entries === null) return [{ name: 'DATABASES', expression, isConditional }];
      return entries.map(([of, value]) => ({ name: of === '' ? 'DATABASES' : nameOf(of), expression: value, isConditional }));
    }
    if (key !== undefined) return [{ name: nameOf(alias), expression: `{'${key}': ${expression}}`, isConditional, isPart: true }];
    const isPart = isUpdate || begin.includes('|=');
    return [{ name: nameOf(alias), expression, isConditional, isPart }];
  });
}

function nameOf(alias: string): string {
  return `DATABASES['${alias}']`;
}

/** What `.update(…)` gets; `a=1, b=2` as the dict that it stands for. */
function argumentOf(call: string): string {
  const inner = /^\(([^]*)\)$/.exec(call)?.[1]?.trim() ?? '';
  const named = splitOutside(inner, ',').map((argument) => /^(\w+)\s*=\s*([^=][^]*)$/.exec(argument));
  if (inner === '' || named.some((one) => one === null)) return inner;
  return `{${named.map((one) => `'${one?.[1] ?? ''}': ${one?.[2] ?? ''}`).join(', ')}}`;
}

/** A change of an entry that is read by itself: what it says of another place or kind. */
function readPart(expression: string, scope: Scope): Reading {
  const entries = dictEntries(expression);
  if (entries === null) return read(expression, scope);
  const block = new Map(entries);
  const [engine, name] = [block.get('ENGINE'), block.get('NAME')];
  if (engine !== undefined) return read(expression, scope);
  if (name === undefined) return block.has('') ? 'unclear' : 'none';
  if (textOf(name, scope.lookup) === ':memory:') return 'none';
  const path = pathOf(name, scope);
  return path === null ? 'unclear' : { kind: 'file', path };
}

function read(expression: string, scope: Scope): Reading {
  const call = URL_CALL.exec(expression)?.[1];
  if (call !== undefined) return readUrlCall(call, scope);
  const entries = dictEntries(expression);
  if (entries === null) return 'unclear';
  const block = new Map(entries);
  const engine = textOf(block.get('ENGINE') ?? '', scope.lookup)
    ?.split('.')
    .at(-1);
  if (engine === undefined) return 'unclear';
  if (SERVERS.test(engine)) return { kind: 'server', engine };
  if (engine === 'dummy') return 'none';
  if (engine !== 'sqlite3') return 'unclear';
  const name = block.get('NAME') ?? '';
  if (textOf(name, scope.lookup) === ':memory:') return 'none';
  const path = pathOf(name, scope);
  return path === null ? 'unclear' : { kind: 'file', path };
}

/** A `DATABASE_URL` that is set is read elsewhere, for everything that may use it. */
function readUrlCall(call: string, scope: Scope): Reading {
  const given = splitOutside(call, ',').map((argument) => /^(?:(\w+)\s*=\s*)?([^]*)$/.exec(argument) ?? []);
  const value = (name: string): string | undefined => given.find(([, key]) => key === name)?.[2];
  const variable = stringOf(value('env') ?? value('var') ?? given.find(([, key]) => key === undefined)?.[2] ?? '') ?? 'DATABASE_URL';
  const set = scope.lookup(variable);
  if (set !== null && set !== '') return variable === 'DATABASE_URL' ? 'url' : readUrl(set, scope.directory);
  const fallback = value('default');
  if (fallback === undefined) return 'unclear';
  const url = stringOf(fallback);
  if (url !== null) return readUrl(url, scope.directory);
  const made = sqliteUrl(fallback);
  const path = made === null ? null : pathOf(made, scope);
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
