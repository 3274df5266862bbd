import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostProfile } from '../domain/host.ts';
import { EXCLUDED_NAMES } from './default-excludes.ts';

/** Bigger ones are no configuration, they stay with the code. */
const LARGEST_BYTES = 4 * 1024 * 1024;

const NAMES = [
  /^(?:docker-)?compose(?:\.[\w.-]+)?\.ya?ml$/,
  /^Dockerfile(?:\..+)?$/,
  /^\.dockerignore$/,
  /^\.env(?:\..+)?$/,
  /^docker-entrypoint(?:\.\w+)?$/,
  /^entrypoint\.sh$/,
  /^gunicorn(?:_config|\.conf)?\.(?:py|conf)$/,
  /nginx\.conf$/,
  /\.(?:service|socket|timer)$/,
  /^requirements.*\.(?:txt|in)$/,
  /^(?:pyproject\.toml|Pipfile|Pipfile\.lock|poetry\.lock|uv\.lock|setup\.cfg|setup\.py|runtime\.txt|Procfile)$/,
  /^(?:mcads\.ya?ml|supervisord?\.conf|uwsgi\.ini|Caddyfile|crontab)$/,
];
const FOLDERS = ['nginx', 'scripts'];

/** Absolute paths of the configuration of an application. Of other applications than Django's only what no code is. */
export async function configFiles(directory: string, profile: HostProfile): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
    const path = join(directory, entry.name);
    const isNamed = NAMES.some((pattern) => pattern.test(entry.name));
    if (isNamed && (entry.isFile() || (entry.isSymbolicLink() && (await leadsOut(path, directory))))) found.push(path);
    else if (entry.isDirectory() && profile === 'django' && FOLDERS.includes(entry.name)) found.push(...(await filesBelow(path)));
  }
  const sized = await Promise.all(found.map(async (path) => ({ path, bytes: (await stat(path).catch(() => null))?.size ?? 0 })));
  return sized.filter(({ bytes }) => bytes <= LARGEST_BYTES).map(({ path }) => path);
}

/** A symlink to a file that no tree of the application has. A file that we may not look at is told where it is read. */
async function leadsOut(link: string, directory: string): Promise<boolean> {
  try {
    const real = await realpath(link);
    if (!(await stat(real)).isFile()) return false;
    return !real.startsWith(`${directory}/`) || real.split('/').some((name) => EXCLUDED_NAMES.includes(name));
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EACCES';
  }
}

async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && !entry.parentPath.split('/').includes('__pycache__'))
    .map((entry) => join(entry.parentPath, entry.name));
}
