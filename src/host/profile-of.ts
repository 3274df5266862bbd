import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostProfile } from '../domain/host.ts';
import { readDjangoSettings } from './django-settings.ts';
import { isSqliteFile } from './sqlite-files.ts';

/** Files that say: this is an application. */
export const PROJECT_MARKS = [
  'manage.py',
  'package.json',
  'pyproject.toml',
  'requirements.txt',
  'setup.py',
  'Gemfile',
  'go.mod',
  'composer.json',
  'pom.xml',
  'mcads.yaml',
];

/** At a glance, by names in the directory alone. */
export async function profileOf(directory: string, anyDirectory: boolean): Promise<HostProfile | null> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const names = entries.map(({ name }) => name);
  if (names.includes('manage.py')) return 'django';
  if (names.some((name) => PROJECT_MARKS.includes(name) || /^(?:docker-)?compose(?:\.[\w.-]+)?\.ya?ml$/.test(name))) return 'generic';
  for (const entry of entries) {
    if (entry.isFile() && /\.(?:sqlite3?|db3?)$/.test(entry.name) && (await isSqliteFile(join(directory, entry.name)))) return 'generic';
  }
  return anyDirectory && names.length > 0 ? 'generic' : null;
}

export async function settingsPackage(directory: string): Promise<string | null> {
  return (await readDjangoSettings(directory, () => null))?.settingsPackage ?? null;
}
