import { join, resolve } from 'node:path';
import { loadConfig } from '../config/config.ts';
import type { Config } from '../config/config.ts';
import { readSettingsFile } from '../config/settings-file.ts';
import type { ComposeModel } from '../domain/compose-model.ts';
import type { SettingsLookup } from '../pipeline/requests.ts';
import { McadsError } from '../errors.ts';
import type { CommandOptions } from './command-options.ts';
import type { ComposeRequest, EngineRequest, RunSetup, Services } from './services.ts';

/** The project of the current directory (or the flags) and all of its settings, before anything is asked of the engine. */
export interface ProjectContext {
  readonly config: Config;
  /** Null: no Compose files here, or they do not load. */
  readonly model: ComposeModel | null;
  readonly modelError: McadsError | null;
  /** Absolute; from the Compose files, the flags, or the engine's label for a project that was named with -p. */
  readonly directory: string;
  /** From -p, the settings or the files; null: to be found otherwise. */
  readonly name: string | null;
  /** Absolute. */
  readonly repository: string;
  readonly engine: EngineRequest;
  setup(): RunSetup;
}

export interface ProjectSources {
  readonly options: CommandOptions;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
  readonly services: Services;
  readonly signal: AbortSignal;
}

/** Loads Compose files and settings. Rejects `config` for wrong global settings; files that do not load are kept as `modelError`. */
export async function openProject(sources: ProjectSources): Promise<ProjectContext> {
  const { options, environment, workingDirectory, services } = sources;
  const absolute = (path: string): string => (path === '-' ? path : resolve(workingDirectory, path));
  const givenDirectory = options.text('projectDirectory') ?? nonEmpty(environment['MCADS_PROJECT_DIRECTORY']);
  const projectDirectory = givenDirectory === null ? null : absolute(givenDirectory);
  const compose: ComposeRequest = {
    workingDirectory,
    files: options.list('file').map(absolute),
    projectName: options.text('projectName') ?? nonEmpty(environment['MCADS_PROJECT']),
    projectDirectory,
    envFiles: options.list('envFile').map(absolute),
  };
  const loaded = await loadModel(services, compose);
  const nearby = loaded.model?.workingDirectory ?? projectDirectory ?? workingDirectory;
  const named = options.text('config') ?? nonEmpty(environment['MCADS_CONFIG']);
  const file = await readSettingsFile(named === null ? null : absolute(named), nearby);
  const config = await loadConfig({ flags: options.settings(), environment, model: loaded.model, file, workingDirectory });
  const { settings } = config;
  const engineIn = (directory: string): EngineRequest => ({
    context: settings.context,
    strategy: settings.strategy,
    host: { directory, settings: config.host },
  });
  const name = settings.project ?? loaded.model?.name ?? null;
  const directory =
    loaded.model === null && projectDirectory === null && settings.project !== null
      ? ((await directoryFromEngine(sources, engineIn(nearby), settings.project)) ?? nearby)
      : nearby;
  const engine = engineIn(directory);
  const repository = settings.repository ?? join(directory, 'backups');
  return {
    config,
    ...loaded,
    directory,
    name,
    repository,
    engine,
    setup: () => ({
      engine,
      repository,
      lockTimeoutMs: settings.lockTimeoutMs,
      keep: settings.keep,
      loadCompose: () => (loaded.model === null ? Promise.reject(loaded.error) : Promise.resolve(loaded.model)),
      settingsFor: (): SettingsLookup => config,
    }),
  };
}

async function loadModel(
  services: Services,
  request: ComposeRequest,
): Promise<{ readonly model: ComposeModel | null; readonly modelError: McadsError | null; readonly error: McadsError }> {
  try {
    return { model: await services.loadCompose(request), modelError: null, error: new McadsError('nothing-found', 'no Compose file') };
  } catch (error) {
    if (!(error instanceof McadsError) || (error.code !== 'nothing-found' && error.code !== 'config')) throw error;
    return { model: null, modelError: error.code === 'config' ? error : null, error };
  }
}

async function directoryFromEngine(sources: ProjectSources, engine: EngineRequest, name: string): Promise<string | null> {
  const projects = await sources.services.listProjects(engine, sources.signal);
  return projects?.find((project) => project.project === name)?.workingDirectory ?? null;
}

function nonEmpty(value: string | undefined): string | null {
  return value === undefined || value === '' ? null : value;
}
