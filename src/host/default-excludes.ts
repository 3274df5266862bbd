import { OWN_LOG_GLOBS, RAW_DATABASE_SUFFIX } from '../domain/host.ts';
import { escapeGlob } from '../stream/exclude-globs.ts';
import { STAGING_PREFIX } from '../stream/restore-commands.ts';

/** Folders that are made again by themselves, by name. */
const KINDS: readonly (readonly [reason: string, names: readonly string[]])[] = [
  ['compiled Python: made again when it runs', ['__pycache__']],
  ['history of a version control system: its server has it', ['.git', '.hg', '.svn']],
  ['a virtual environment: made again from its requirements', ['.venv', 'virtualenv', '.virtualenv']],
  ['packages: installed again from the lock file', ['node_modules']],
  ['a cache', ['.cache', '.pytest_cache', '.mypy_cache', '.ruff_cache', '.tox', '.nox', '.ipynb_checkpoints', '.npm']],
];

export const EXCLUDED_NAMES: readonly string[] = KINDS.flatMap(([, names]) => names);

export function excludedGlobs(): readonly string[] {
  return [...EXCLUDED_NAMES.map((name) => `**/${name}`), `**/${STAGING_PREFIX}*`, `**/*${RAW_DATABASE_SUFFIX}`];
}

export function reasonFor(name: string): string {
  return KINDS.find(([, names]) => names.includes(name))?.[0] ?? 'left out';
}

/** This tool's own logs in a tree: one of them is being written. */
export function ownLogs(tree: string, logDirectory: string): readonly string[] {
  if (logDirectory !== tree && !logDirectory.startsWith(`${tree}/`)) return [];
  const below = logDirectory === tree ? '' : `${escapeGlob(logDirectory.slice(tree.length + 1))}/`;
  return OWN_LOG_GLOBS.map((glob) => `${below}${glob}`);
}
