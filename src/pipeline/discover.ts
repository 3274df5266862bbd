import type { ComposeModel } from '../domain/compose-model.ts';
import type { EngineProject, EngineProjectSummary } from '../domain/engine-model.ts';
import type { Finding } from '../domain/finding.ts';
import type { Project } from '../domain/plan.ts';
import { McadsError } from '../errors.ts';
import type { DiscoverPorts, ProjectRequest } from './requests.ts';

/**
 * Joins what the Compose files say with what the engine knows; either alone is enough.
 * Rejects `nothing-found` with the projects that do run, `config` where the files do not load and the engine knows nothing.
 */
export async function discover(request: ProjectRequest, ports: DiscoverPorts, signal: AbortSignal): Promise<Project> {
  const loaded = await loadModel(ports);
  const summaries = ports.engine === null ? [] : await ports.engine.listProjects(signal);
  const name = request.projectName ?? loaded.model?.name ?? (await nameWithoutFiles(request, ports, summaries));
  const here = ports.engine === null || name === null ? null : await ports.engine.viewProject(name, signal);
  const known = here !== null && knowsProject(here) ? here : null;
  if (name === null || (loaded.model === null && known === null)) {
    if (loaded.error !== null) throw loaded.error;
    throw nothingFound(request, summaries);
  }
  const engineProject = known ?? (here !== null && loaded.model !== null ? here : null);
  return {
    name,
    strategy: 'docker',
    directory: loaded.model?.workingDirectory ?? known?.workingDirectory ?? null,
    model: loaded.model,
    engine: engineProject === null ? null : await withDeclaredVolumes(engineProject, loaded.model, ports, signal),
    engineInfo: ports.engine?.info ?? null,
    modelError: findingAboutFiles(name, loaded.error, loaded.model, known),
  };
}

async function loadModel(ports: DiscoverPorts): Promise<{ model: ComposeModel | null; error: McadsError | null }> {
  try {
    return { model: await ports.loadCompose(), error: null };
  } catch (error) {
    if (!(error instanceof McadsError)) throw error;
    if (error.code === 'nothing-found') return { model: null, error: null };
    if (error.code === 'config') return { model: null, error };
    throw error;
  }
}

/** The project whose containers say they were started from this directory, else the repository's only one. */
async function nameWithoutFiles(
  request: ProjectRequest,
  ports: DiscoverPorts,
  summaries: readonly EngineProjectSummary[],
): Promise<string | null> {
  const here = summaries.filter((summary) => summary.workingDirectory === request.directory);
  if (here.length === 1 && here[0] !== undefined) return here[0].project;
  if (here.length > 1) {
    throw new McadsError('usage', `several projects were started from ${request.directory}: ${here.map((one) => one.project).join(', ')}`, {
      hint: 'choose one with -p NAME',
    });
  }
  const stored = await ports.projectsInRepository();
  return stored.length === 1 ? (stored[0] ?? null) : null;
}

function knowsProject(project: EngineProject): boolean {
  return project.containers.length > 0 || project.volumes.length > 0;
}

/** External volumes carry no project label: ask for the ones that the files name. */
async function withDeclaredVolumes(
  project: EngineProject,
  model: ComposeModel | null,
  ports: DiscoverPorts,
  signal: AbortSignal,
): Promise<EngineProject> {
  if (model === null || ports.engine === null) return project;
  const seen = new Set(project.volumes.map((volume) => volume.name));
  const missing = Object.values(model.volumes)
    .map((volume) => volume.name)
    .filter((volume) => !seen.has(volume));
  if (missing.length === 0) return project;
  const found = await ports.engine.viewVolumes(missing, signal);
  return { ...project, volumes: [...project.volumes, ...found] };
}

function findingAboutFiles(
  name: string,
  error: McadsError | null,
  model: ComposeModel | null,
  engine: EngineProject | null,
): Finding | null {
  if (error !== null) {
    const where = error.where === undefined ? '' : ` (${error.where})`;
    return {
      severity: 'error',
      code: 'compose-files-unreadable',
      subject: 'config',
      message: `the Compose files of ${name} do not load${where}: ${error.message}; captured from the engine's labels and the raw files`,
      hint: error.hint ?? 'mend the file, then run `config validate`',
    };
  }
  if (model === null && engine !== null) {
    return {
      severity: 'warning',
      code: 'compose-files-not-here',
      subject: 'config',
      message: `no Compose file of ${name} can be read here; the project is taken from the engine's labels`,
      hint:
        engine.configFiles.length > 0 ? `its files are ${engine.configFiles.join(', ')}` : 'run in the project directory, or pass -f FILE',
    };
  }
  return null;
}

function nothingFound(request: ProjectRequest, summaries: readonly EngineProjectSummary[]): McadsError {
  const subject = request.projectName === null ? `no Compose project in ${request.directory}` : `no project named ${request.projectName}`;
  if (summaries.length === 0) {
    return new McadsError('nothing-found', `${subject}, and the engine runs none`, {
      hint: 'go to the directory with the docker-compose.yml, or name one with -f FILE or --project-directory DIR',
    });
  }
  const commands = summaries.map(
    (summary) =>
      `  mcads-orchestrate backup -p ${summary.project}${summary.workingDirectory === null ? '' : `   # ${summary.workingDirectory}`}`,
  );
  return new McadsError('nothing-found', subject, { hint: `projects that the engine knows:\n${commands.join('\n')}` });
}
