import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readDatabases, type DjangoDatabases } from './django-databases.ts';
import { assignmentsTo, pathOf, scopeOf, textOf, type Scope } from './python-path.ts';
import { dictEntries } from './python-text.ts';
import { readText, settingsText } from './settings-text.ts';

/** What of Django's settings can be read without running them. Paths are absolute; null: not said, or said in a way that only Python understands. */
export interface DjangoSettings {
  readonly settingsPackage: string | null;
  /** False where manage.py names no settings, or they are not in the directory. */
  readonly areThere: boolean;
  readonly mediaRoot: string | null;
  readonly staticRoot: string | null;
  /** What keeps uploads where they are no files of this machine. */
  readonly uploadsTo: string | null;
  /** Which of the two may be another place than is said here: only Python understands it, or it depends on a condition. */
  readonly unclear: readonly string[];
  readonly databases: DjangoDatabases;
}

type Lookup = (name: string) => string | null;

/** Null without a manage.py. `lookup` gives variables of the project's environment. */
export async function readDjangoSettings(directory: string, lookup: Lookup): Promise<DjangoSettings | null> {
  const manage = await readText(join(directory, 'manage.py'));
  if (manage === null) return null;
  const module = lookup('DJANGO_SETTINGS_MODULE') ?? /DJANGO_SETTINGS_MODULE['"]\s*,\s*['"]([\w.]+)['"]/.exec(manage)?.[1] ?? null;
  const own = module === null ? null : await settingsText(directory, module);
  const text = module === null || own === null ? '' : `${await besides(directory, module)}\n${own}`;
  const scope = scopeOf(text, directory, lookup);
  const storage = storageOf(scope);
  const media = storage.place ?? placeOf('MEDIA_ROOT', text, scope);
  const statics = placeOf('STATIC_ROOT', text, scope);
  return {
    settingsPackage: module === null || !module.includes('.') ? null : (module.split('.')[0] ?? null),
    areThere: own !== null,
    mediaRoot: media.path,
    staticRoot: statics.path,
    uploadsTo: storage.elsewhere,
    unclear: [...(media.isClear ? [] : ['MEDIA_ROOT']), ...(statics.isClear ? [] : ['STATIC_ROOT'])],
    databases: readDatabases(text, scope),
  };
}

interface Place {
  readonly path: string | null;
  readonly isClear: boolean;
}

/** What `STORAGES['default']` says of uploads: a folder of their own, or another kind of storage than files. */
function storageOf(scope: Scope): { readonly place: Place | null; readonly elsewhere: string | null } {
  const entry = (expression: string | null | undefined, key: string): string | null =>
    (dictEntries(expression ?? '') ?? []).find(([name]) => name === key)?.[1] ?? null;
  const storage = entry(scope.valueOf('STORAGES'), 'default');
  const backend = textOf(entry(storage, 'BACKEND') ?? scope.valueOf('DEFAULT_FILE_STORAGE') ?? '', scope.lookup);
  const location = entry(entry(storage, 'OPTIONS'), 'location');
  const isFiles = backend === null || backend.endsWith('FileSystemStorage');
  const path = location === null ? null : pathOf(location, scope);
  return { place: location === null || !isFiles ? null : { path, isClear: path !== null }, elsewhere: isFiles ? null : backend };
}

/** The last one counts, as in Python, and one on a condition may. */
function placeOf(name: string, text: string, scope: Scope): Place {
  let path: string | null = null;
  let isClear = true;
  for (const { expression, isConditional } of assignmentsTo(name, text)) {
    const found = pathOf(expression, scope);
    if (!isConditional) [path, isClear] = [found, found !== null || /^(?:''|""|None)$/.test(expression)];
    else if (found === null || found !== path) isClear = false;
  }
  return { path, isClear };
}

/** Where settings are a package, its common part may be taken over in a way that is not seen. What the module itself says comes after it. */
async function besides(directory: string, module: string): Promise<string> {
  const base = join(directory, ...module.split('.'));
  const files = [join(base, '..', 'base.py'), join(base, 'base.py')];
  if (module.split('.').length > 2) {
    const folder = join(base, '..');
    for (const name of await readdir(folder).catch(() => [])) if (/^(?:base|common)\.py$/.test(name)) files.push(join(folder, name));
  }
  const texts: string[] = [];
  for (const file of new Set(files)) texts.push((await readText(file)) ?? '');
  return texts.join('\n');
}
