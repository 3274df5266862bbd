import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { McadsError } from '../errors.ts';
import { parseDotenv } from './dotenv.ts';
import { isFile, noteFile, readText, warn, warnUnset } from './loading.ts';
import type { Loading } from './loading.ts';
import { refuse } from './problems.ts';
import { remoteKind } from './remote-kind.ts';
import type { ProjectEnvironment } from './project-environment.ts';

export interface FilesRequest {
  readonly directory: string;
  readonly files: readonly string[];
  readonly envFiles: readonly string[];
  readonly projectDirectory: string | null;
  readonly environment: ProjectEnvironment;
}

export interface DiscoveredFiles {
  /** Absolute, in load order; `-` is stdin. */
  readonly composeFiles: readonly string[];
  readonly workingDirectory: string;
  readonly environment: ProjectEnvironment;
}

// `.yml` before `.yaml` for the old name: Compose's own order.
const BASE_NAMES = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'];
const OVERRIDE_NAMES = ['compose.override.yml', 'compose.override.yaml', 'docker-compose.override.yml', 'docker-compose.override.yaml'];

/**
 * Finds the Compose files and reads the project's variables, in Compose's order: process environment, `.env` of the
 * directory, COMPOSE_FILE (which may stand in that `.env`), default names in the directory and its parents, and then the
 * `.env` beside the first file. Rejects with 'nothing-found' where there is no file.
 */
export async function discoverFiles(request: FilesRequest, loading: Loading): Promise<DiscoveredFiles> {
  const explicit = request.files.map((file) => (file === '-' ? file : localPath(request.directory, file)));
  const ownDirectory = request.projectDirectory === null ? undefined : resolve(request.directory, request.projectDirectory);
  const directoryOf = (files: readonly string[]): string => ownDirectory ?? firstDirectory(files) ?? resolve(request.directory);

  const firstPass = await withEnvFiles(request, directoryOf(explicit), request.environment, [], loading);
  const named = explicit.length > 0 ? explicit : fromVariable(request.directory, firstPass.environment);
  const composeFiles = named.length > 0 ? named : await defaultFiles(ownDirectory ?? resolve(request.directory), loading);
  if (composeFiles.length === 0) {
    throw new McadsError('nothing-found', `no Compose file in ${directoryOf([])} or the directories above it`, {
      hint: `expected ${BASE_NAMES.join(', ')}; name another with --file`,
    });
  }
  for (const file of composeFiles) if (file !== '-') await assertReadable(file);

  const workingDirectory = directoryOf(composeFiles);
  const { environment } = await withEnvFiles(request, workingDirectory, firstPass.environment, firstPass.envFiles, loading);
  return { composeFiles, workingDirectory, environment };
}

interface EnvironmentPass {
  readonly environment: ProjectEnvironment;
  readonly envFiles: readonly string[];
}

async function withEnvFiles(
  request: FilesRequest,
  directory: string,
  environment: ProjectEnvironment,
  previous: readonly string[],
  loading: Loading,
): Promise<EnvironmentPass> {
  const chosen = chosenEnvFiles(request, environment);
  const beside = join(directory, '.env');
  let envFiles = chosen;
  if (envFiles === undefined) {
    const wanted = !isDisabled(environment) && (await isFile(beside));
    envFiles = wanted ? [beside] : previous;
  }
  return { environment: environment.with(await readEnvFiles(envFiles, environment, loading)), envFiles };
}

/** The variables of `.env` files, where each sees those before it and the outer environment wins. */
export async function readEnvFiles(
  files: readonly string[],
  environment: ProjectEnvironment,
  loading: Loading,
): Promise<ReadonlyMap<string, string>> {
  const values = new Map<string, string>();
  for (const file of files) {
    noteFile(loading, file, 'dotenv', true);
    const content = await readText(file, null, 'env file');
    const parsed = parseDotenv(content, {
      file,
      lookup: (name) => environment.lookup(name) ?? values.get(name),
      onUnset: (name, where) => warnUnset(loading, name, where),
    });
    for (const [name, value] of parsed) values.set(name, value);
  }
  return values;
}

function chosenEnvFiles(request: FilesRequest, environment: ProjectEnvironment): readonly string[] | undefined {
  const listed = environment.lookup('COMPOSE_ENV_FILES') ?? '';
  const files = request.envFiles.length > 0 ? request.envFiles : listed.split(',').filter((file) => file !== '');
  return files.length === 0 ? undefined : files.map((file) => resolve(request.directory, file));
}

function isDisabled(environment: ProjectEnvironment): boolean {
  const value = environment.lookup('COMPOSE_DISABLE_ENV_FILE');
  if (value === undefined) return false;
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  return refuse(null, `COMPOSE_DISABLE_ENV_FILE must be true or false, not ${JSON.stringify(value)}`);
}

function fromVariable(directory: string, environment: ProjectEnvironment): readonly string[] {
  const value = environment.lookup('COMPOSE_FILE') ?? '';
  if (value === '') return [];
  const chosen = environment.lookup('COMPOSE_PATH_SEPARATOR') ?? '';
  const separator = chosen === '' ? (process.platform === 'win32' ? ';' : ':') : chosen;
  const remote = remoteKind(value);
  if (remote !== undefined) refuseRemote(value, remote);
  return value.split(separator).map((file) => (file === '-' ? file : localPath(directory, file)));
}

async function defaultFiles(start: string, loading: Loading): Promise<readonly string[]> {
  for (let directory = start; ; directory = dirname(directory)) {
    const base = await firstOf(BASE_NAMES, directory, 'Compose files', loading);
    if (base !== undefined) {
      const override = await firstOf(OVERRIDE_NAMES, directory, 'override files', loading);
      return override === undefined ? [base] : [base, override];
    }
    if (dirname(directory) === directory) return [];
  }
}

async function firstOf(names: readonly string[], directory: string, what: string, loading: Loading): Promise<string | undefined> {
  const present: string[] = [];
  for (const name of names) if (await exists(join(directory, name))) present.push(join(directory, name));
  const [winner, ...others] = present;
  if (winner !== undefined && others.length > 0) {
    warn(loading, 'several-compose-files', directory, `several ${what} with default names: ${present.join(', ')}; using ${winner}`);
  }
  return winner;
}

function firstDirectory(files: readonly string[]): string | undefined {
  const first = files.find((file) => file !== '-');
  return first === undefined ? undefined : dirname(first);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function assertReadable(file: string): Promise<void> {
  if (await exists(file)) return;
  throw new McadsError('config', `the Compose file ${file} does not exist`, { where: file, hint: 'check --file and COMPOSE_FILE' });
}

function localPath(directory: string, file: string): string {
  const remote = remoteKind(file);
  if (remote !== undefined) refuseRemote(file, remote);
  return resolve(directory, file);
}

function refuseRemote(reference: string, kind: string): never {
  return refuse(
    null,
    `the Compose file ${reference} is a ${kind}, which is not fetched`,
    'download it and name the local copy with --file',
  );
}
