import { isUtf8 } from 'node:buffer';
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { FileRole, ReferencedFile, Where } from '../domain/compose-model.ts';
import type { Finding } from '../domain/finding.ts';
import { refuse } from './problems.ts';
import type { Problem } from './problems.ts';

/** What one call of `loadCompose` gathers on its way. */
export interface Loading {
  readonly home: string;
  readonly problems: Problem[];
  readonly findings: Map<string, Finding>;
  readonly files: Map<string, ReferencedFile>;
  readonly stdin: () => Promise<string>;
}

/** Notes a file that a capture of the configuration needs. The first role counts, a required file stays required. */
export function noteFile(loading: Loading, path: string, role: FileRole, required: boolean): void {
  if (path === '-') return;
  const known = loading.files.get(path);
  loading.files.set(path, { path, role: known?.role ?? role, required: required || known?.required === true });
}

export function warn(loading: Loading, code: string, subject: string, message: string, hint?: string): void {
  const key = `${code}\n${subject}`;
  if (!loading.findings.has(key)) loading.findings.set(key, { severity: 'warning', code, subject, message, hint });
}

export function warnUnset(loading: Loading, name: string, where: Where): void {
  const message = `the variable ${name} is not set and becomes an empty string (first at ${where.file}:${where.line}:${where.column})`;
  warn(loading, 'variable-unset', name, message, `set ${name} in .env or in the environment, or write $$${name} for the text itself`);
}

/** The text of a file; a problem of reading it is one of the place that names it. */
export async function readText(path: string, where: Where | null, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    return refuse(where, `${what} ${path} cannot be read: ${reasonOf(error)}`);
  }
}

/** The text of a YAML file, which must be UTF-8: replaced characters would be other names and other paths. */
export async function readYaml(path: string, where: Where | null, what: string): Promise<string> {
  let content: Buffer;
  try {
    content = await readFile(path);
  } catch (error) {
    return refuse(where, `${what} ${path} cannot be read: ${reasonOf(error)}`);
  }
  if (!isUtf8(content)) refuse({ file: path, line: 1, column: 1 }, `${what} ${path} is not UTF-8 text`, 'save it as UTF-8');
  return content.toString('utf8');
}

export async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => !found.isDirectory(),
    () => false,
  );
}

/** A path as Compose resolves it: `~` is the home directory, all else is relative to `base`. */
export function absolutePath(loading: Loading, base: string, path: string): string {
  if (path.startsWith('~')) return resolve(loading.home, `./${path.slice(1)}`);
  return resolve(base, path);
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'it does not exist';
  if (code === 'EISDIR') return 'it is a directory';
  if (code === 'EACCES') return 'permission denied';
  return error instanceof Error ? error.message : String(error);
}
