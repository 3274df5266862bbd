import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** What of Django's settings can be read without running them. Paths are absolute; null: not said, or said in a way that only Python understands. */
export interface DjangoSettings {
  readonly settingsPackage: string | null;
  readonly mediaRoot: string | null;
  readonly staticRoot: string | null;
  /** SQLite databases. */
  readonly databases: readonly string[];
  /** `DATABASES` names PostgreSQL, MySQL or Oracle. */
  readonly serverEngine: string | null;
}

type Lookup = (name: string) => string | null;

/** Null without a manage.py. `lookup` gives variables of the project's environment. */
export async function readDjangoSettings(directory: string, lookup: Lookup): Promise<DjangoSettings | null> {
  const manage = await readText(join(directory, 'manage.py'));
  if (manage === null) return null;
  const module = lookup('DJANGO_SETTINGS_MODULE') ?? /DJANGO_SETTINGS_MODULE['"]\s*,\s*['"]([\w.]+)['"]/.exec(manage)?.[1] ?? null;
  const text = module === null ? '' : await settingsText(directory, module);
  const value = (name: string): string | null => {
    const expression = new RegExp(`^${name}\\s*=\\s*(.+)$`, 'm').exec(text)?.[1];
    return expression === undefined ? null : pathOf(expression, directory, lookup);
  };
  const blocks = databaseBlocks(text);
  return {
    settingsPackage: module === null || !module.includes('.') ? null : (module.split('.')[0] ?? null),
    mediaRoot: value('MEDIA_ROOT'),
    staticRoot: value('STATIC_ROOT'),
    databases: blocks.filter(({ engine }) => engine.endsWith('sqlite3')).flatMap(({ name }) => pathOf(name, directory, lookup) ?? []),
    serverEngine:
      blocks.map(({ engine }) => engine.split('.').at(-1) ?? '').find((engine) => /^(?:postgresql|postgis|mysql|oracle)/.test(engine)) ??
      null,
  };
}

/** The module itself, or all files of the package where settings are one. */
async function settingsText(directory: string, module: string): Promise<string> {
  const base = join(directory, ...module.split('.'));
  const files = [`${base}.py`, join(base, '__init__.py'), join(base, '..', 'base.py'), join(base, 'base.py')];
  if (module.split('.').length > 2) {
    const folder = join(base, '..');
    for (const name of await readdir(folder).catch(() => [])) if (/^(?:base|common)\.py$/.test(name)) files.push(join(folder, name));
  }
  const texts: string[] = [];
  for (const file of new Set(files)) texts.push((await readText(file)) ?? '');
  return texts.join('\n');
}

/** `'ENGINE': '…'` with the `'NAME': …` that follows or precedes it in the same braces. */
function databaseBlocks(text: string): readonly { readonly engine: string; readonly name: string }[] {
  const start = text.search(/^DATABASES\s*=/m);
  if (start < 0) return [];
  const blocks: { engine: string; name: string }[] = [];
  for (const [, body = ''] of text.slice(start, start + 20_000).matchAll(/\{([^{}]*)\}/g)) {
    const engine = /['"]ENGINE['"]\s*:\s*['"]([\w.]+)['"]/.exec(body)?.[1];
    const name = /['"]NAME['"]\s*:\s*(.+?),?\s*(?:#.*)?$/m.exec(body)?.[1];
    if (engine !== undefined) blocks.push({ engine, name: name ?? '' });
  }
  return blocks;
}

/** The few ways in which settings write a path: literals, `BASE_DIR / 'a'`, `os.path.join(BASE_DIR, 'a')`, variables with a default. */
function pathOf(expression: string, directory: string, lookup: Lookup): string | null {
  const text = expression.trim().replace(/,$/, '').trim();
  const variable =
    /^(?:os\.environ\.get|os\.getenv|env|config|env\.str|env\.path)\(\s*['"](\w+)['"]\s*(?:,\s*(?:default\s*=\s*)?(.+))?\)$/.exec(text);
  if (variable !== null) {
    const set = lookup(variable[1] ?? '');
    if (set !== null) return resolve(directory, set);
    return variable[2] === undefined ? null : pathOf(variable[2], directory, lookup);
  }
  const wrapped = /^(?:str|Path|os\.fspath)\((.+)\)$/.exec(text)?.[1];
  if (wrapped !== undefined) return pathOf(wrapped, directory, lookup);
  const literal = /^['"]([^'"]*)['"]$/.exec(text)?.[1];
  if (literal !== undefined) return literal === '' || literal === ':memory:' ? null : resolve(directory, literal);
  const joined = /^os\.path\.join\(\s*(.+)\)$/.exec(text)?.[1];
  const parts = joined === undefined ? text.split('/').map((part) => part.trim()) : joined.split(',').map((part) => part.trim());
  const [first, ...rest] = parts.filter((part) => part !== '');
  if (first === undefined || !/^(?:str\()?(?:BASE_DIR|PROJECT_ROOT|ROOT_DIR|BASE_PATH)\)?$/.test(first)) return null;
  const names = rest.map((part) => /^['"]([^'"]+)['"]$/.exec(part)?.[1]);
  return names.some((name) => name === undefined) ? null : resolve(directory, ...names.filter((name) => name !== undefined));
}

async function readText(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}
