import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathOf, readDatabases, type DjangoDatabases } from './django-databases.ts';

/** What of Django's settings can be read without running them. Paths are absolute; null: not said, or said in a way that only Python understands. */
export interface DjangoSettings {
  readonly settingsPackage: string | null;
  readonly mediaRoot: string | null;
  readonly staticRoot: string | null;
  readonly databases: DjangoDatabases;
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
  return {
    settingsPackage: module === null || !module.includes('.') ? null : (module.split('.')[0] ?? null),
    mediaRoot: value('MEDIA_ROOT'),
    staticRoot: value('STATIC_ROOT'),
    databases: readDatabases(text, directory, lookup),
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

async function readText(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}
