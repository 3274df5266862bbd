import type { Project } from '../domain/plan.ts';
import type { FileAttributes } from '../domain/host-writer.ts';
import type { Engine, HostFile, HostFiles } from '../domain/ports.ts';
import type { Finding } from '../domain/finding.ts';
import type { JsonObject, JsonValue } from '../domain/byte-stream.ts';
import { McadsError, stopsRun } from '../errors.ts';
import { injectedFiles, injectedName } from './injected-files.ts';

/** One file of the configuration, named inside the archive: `project/…` below the project directory, `host/…` elsewhere. */
export interface ConfigFile extends FileAttributes {
  readonly name: string;
  readonly path: string;
  readonly role: string;
  readonly bytes: Uint8Array;
}

export interface ConfigFiles {
  readonly files: readonly ConfigFile[];
  readonly findings: readonly Finding[];
  /** `model.json`: the resolved model and the variables from the process environment. */
  readonly resolved: JsonObject;
}

interface Wanted {
  readonly path: string;
  readonly role: string;
  readonly required: boolean;
}

/** Reads the Compose files, everything that they name and the configured globs; through the engine where we may not. */
export async function gatherConfig(
  project: Project,
  patterns: readonly string[],
  host: HostFiles,
  engine: Engine | null,
  signal: AbortSignal,
): Promise<ConfigFiles> {
  const findings: Finding[] = [];
  const files: ConfigFile[] = [];
  for (const wanted of await wantedFiles(project, patterns, host)) {
    signal.throwIfAborted();
    const file = await readAnywhere(wanted.path, project, host, engine, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      if (!isAboutThatFile(error)) throw error;
      findings.push(unreadable(wanted.path, error));
      return 'unreadable' as const;
    });
    if (file === 'unreadable') continue;
    if (file === null) {
      if (wanted.required)
        findings.push({
          severity: 'warning',
          code: 'config-file-missing',
          subject: 'config',
          message: `${wanted.path} (${wanted.role}) is named by the project and does not exist`,
        });
      continue;
    }
    files.push({ ...file, name: archiveName(wanted.path, project.directory), role: wanted.role });
  }
  if (engine !== null) {
    const missed = (path: string, error: unknown): void => {
      signal.throwIfAborted();
      if (!isAboutThatFile(error)) throw error;
      findings.push(unreadable(path, error));
    };
    for await (const { file, ...injected } of injectedFiles(project, engine, missed, signal))
      files.push({ ...file, name: injectedName(injected), role: 'injected' });
  }
  const listed = await host.withAccessList(
    files.filter(({ role }) => role !== 'injected').map(({ path }) => path),
    signal,
  );
  for (const [index, file] of files.entries()) {
    if (file.role === 'injected' || !listed.has(file.path)) continue;
    files[index] = { ...file, mode: file.mode & ~0o070 };
    findings.push(listNotKept(file.path));
  }
  if (files.length > 0 || findings.some(({ code }) => code === 'config-file-unreadable'))
    return { files, findings, resolved: resolvedModel(project, files) };
  const told = project.modelError !== null; // that they cannot be read here: once is enough
  const others = told ? findings.filter(({ code }) => code !== 'config-file-missing') : findings;
  const none: Finding = {
    severity: told ? 'info' : 'warning',
    code: 'config-not-readable',
    subject: 'config',
    message:
      project.host === undefined
        ? 'no Compose file can be read here: the snapshot holds none'
        : 'no configuration file is found here: the snapshot holds none',
    hint: 'run in the project directory, or mount it at the same path',
  };
  return { files, findings: [...others, none], resolved: resolvedModel(project, files) };
}

async function wantedFiles(project: Project, patterns: readonly string[], host: HostFiles): Promise<readonly Wanted[]> {
  const wanted = new Map<string, Wanted>();
  const add = (path: string, role: string, required: boolean): void => {
    if (path !== '-' && !wanted.has(path)) wanted.set(path, { path, role, required });
  };
  for (const path of project.host?.configFiles ?? []) add(path, 'file', false);
  if (project.model === null && project.host === undefined) {
    for (const path of project.engine?.configFiles ?? []) add(absolute(path, project), 'compose', true);
    for (const path of project.engine?.environmentFiles ?? []) add(absolute(path, project), 'dotenv', false);
    if (project.directory !== null) add(`${project.directory}/.env`, 'dotenv', false);
  } else {
    for (const file of project.model?.referencedFiles ?? []) add(file.path, file.role, file.required);
    // What the containers were started from may be more, or other files.
    for (const path of project.engine?.configFiles ?? []) add(absolute(path, project), 'compose', false);
    for (const path of project.engine?.environmentFiles ?? []) add(absolute(path, project), 'dotenv', false);
  }
  if (project.directory !== null && patterns.length > 0) {
    for (const path of await host.glob(project.directory, patterns)) add(path, 'file', false);
  }
  return [...wanted.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** Compose v1 writes relative paths into its labels. */
function absolute(path: string, project: Project): string {
  return path.startsWith('/') || project.directory === null ? path : `${project.directory}/${path}`;
}

async function readAnywhere(
  path: string,
  project: Project,
  host: HostFiles,
  engine: Engine | null,
  signal: AbortSignal,
): Promise<HostFile | null> {
  let denied: McadsError | null = null;
  try {
    const file = await host.readFile(path);
    if (file !== null) return file;
  } catch (error) {
    if (!(error instanceof McadsError) || error.code !== 'forbidden') throw error;
    denied = error;
  }
  // A container without the files asks the daemon's host; a member of group docker may not read root's files but the helper may.
  if (engine !== null && path.startsWith('/') && (denied !== null || project.model === null)) {
    const bytes = await engine.readHostFile(path, signal);
    if (bytes !== null) return { path, bytes, mode: 0o600, owner: null, mtime: '0' };
  }
  if (denied !== null) throw denied;
  return null;
}

/** With its list a file is open to whom that names; without, the same mode would open it to its whole group. */
function listNotKept(path: string): Finding {
  const message = `${path} has an access list (ACL), which is not kept: it comes back without, and closed to its group`;
  return { severity: 'warning', code: 'config-acl', subject: path, message, hint: 'after a restore give it its list again with setfacl' };
}

/** A lost engine or repository is about all of them, and what has no code is a defect of ours. */
function isAboutThatFile(error: unknown): boolean {
  if (error instanceof McadsError) return error.code === 'forbidden' || !stopsRun(error);
  return error instanceof Error && 'code' in error;
}

/** One file that we may not read is no reason to leave the others without a backup. */
function unreadable(path: string, error: unknown): Finding {
  const message = `${error instanceof Error ? error.message : String(error)}: it is NOT in this snapshot`;
  const hint = error instanceof McadsError ? error.hint : undefined;
  return { severity: 'error', code: 'config-file-unreadable', subject: path, message, hint };
}

function archiveName(path: string, directory: string | null): string {
  if (directory !== null && path.startsWith(`${directory}/`)) return `project/${path.slice(directory.length + 1)}`;
  return `host/${path.replace(/^\/+/, '')}`;
}

function resolvedModel(project: Project, files: readonly ConfigFile[]): JsonObject {
  const roles: Record<string, JsonValue> = {};
  for (const file of files) roles[file.name] = file.role;
  return {
    project: project.name,
    directory: project.directory,
    composeFiles: project.model?.composeFiles ?? project.engine?.configFiles ?? [],
    environment: project.model?.environmentUsed ?? {},
    files: roles,
    model: project.model?.document ?? null,
  };
}
