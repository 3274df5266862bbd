import { ARCHIVE_MANIFEST } from '../domain/archive.ts';
import { componentId, decodeIdPart, kindOf, type ComponentId } from '../domain/component.ts';
import { DJANGO_PARTS } from '../domain/host.ts';
import type { ManifestArtifact, StrategyName } from '../domain/manifest.ts';

/** `system_info.txt`: what the old scripts wrote about the machine. */
export const SYSTEM_INFO = 'system_info.txt';
const TREE = '.tar.gz';
const MAIN_DATABASE = 'db.sqlite3';
const APPLICATION = 'app_code';
const PARTS: readonly string[] = DJANGO_PARTS;

export interface ArchivePlace {
  readonly file: string;
  /** What stands before every name in the tree's tar, with a slash at the end. */
  readonly prefix: string;
}

const EXTENSIONS: Readonly<Record<ManifestArtifact['format'], string>> = {
  tar: TREE,
  pgdump: '.dump',
  sql: '.sql',
  json: '.json',
  jsonl: '.jsonl',
  sqlite: '.sqlite3',
};

/**
 * Where a component stands in a classic archive. The parts that the old scripts knew have their places and their relative paths (`media/…` in
 * `media.tar.gz`); everything else lies in a folder of its kind. Ids are safe as paths: what is not plain is percent-encoded in them.
 */
export function placeOf(id: ComponentId, format: ManifestArtifact['format'], strategy: StrategyName): ArchivePlace {
  const rest = id.slice(id.indexOf('/') + 1);
  const extension = EXTENSIONS[format];
  switch (kindOf(id)) {
    case 'config':
    case 'state':
      return { file: `${id}${extension}`, prefix: '' };
    case 'files':
      if (strategy === 'host' && PARTS.includes(rest)) return { file: `${rest}${TREE}`, prefix: `${rest}/` };
      return { file: strategy === 'host' && rest === APPLICATION ? `${rest}${TREE}` : `files/${rest}${extension}`, prefix: '' };
    case 'sqlite':
      return { file: rest === MAIN_DATABASE ? rest : `sqlite/${rest}`, prefix: '' };
    case 'database':
      return { file: `databases/${rest}${extension}`, prefix: '' };
    case 'globals':
      return { file: `databases/${rest}/globals${extension}`, prefix: '' };
    case 'volume':
      return { file: `volumes/${rest}${extension}`, prefix: '' };
    case 'bind':
      return { file: `binds/${rest}${extension}`, prefix: '' };
    case 'image':
      return { file: `images/${rest}${extension}`, prefix: '' };
  }
}

/** What an archive of the old scripts calls a file of this name; null: nothing that they are known to write. */
export function classicComponent(file: string): { readonly id: ComponentId; readonly format: ManifestArtifact['format'] } | null {
  if (file === MAIN_DATABASE || /^[^/]+\.(?:sqlite3?|db)$/.test(file)) return { id: componentId('sqlite', file), format: 'sqlite' };
  if (file === `config${TREE}`) return { id: componentId('config'), format: 'tar' };
  if (file === SYSTEM_INFO) return { id: componentId('state'), format: 'json' };
  if (!file.includes('/') && file.endsWith(TREE) && file.length > TREE.length)
    return { id: componentId('files', file.slice(0, -TREE.length)), format: 'tar' };
  return null;
}

/** The name of the folder that a tree's own paths begin with in the old scripts' archives; null: they begin below the project's directory. */
export function classicPrefix(id: ComponentId): string | null {
  const name = decodeIdPart(id.slice(id.indexOf('/') + 1));
  return kindOf(id) === 'files' && name !== APPLICATION ? name : null;
}

export function isTree(file: string): boolean {
  return file.endsWith(TREE);
}

/** True for what an archive may hold beside its components. */
export function isForPeople(file: string): boolean {
  return file === ARCHIVE_MANIFEST || file === SYSTEM_INFO;
}
