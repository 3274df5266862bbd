import type { ComposeModel } from '../domain/compose-model.ts';
import type { EngineProject, EngineProjectSummary } from '../domain/engine-model.ts';
import type { Finding } from '../domain/finding.ts';
import type { Project } from '../domain/plan.ts';
import { McadsError } from '../errors.ts';
import { chooseStrategy } from './choose-strategy.ts';
import { discoverHost, hasHostSettings, hostBeside, nameOnHost } from './discover-host.ts';
import { startedElsewhere } from './started-elsewhere.ts';
import type { DiscoverPorts, PastBackup, PlanRequest, ProjectRequest } from './requests.ts';

/**
 * Joins what the Compose files say with what the engine knows (either alone is enough), or looks at this host: design §7 says when.
 * Rejects `nothing-found` with the projects that do run, `config` where the files do not load and the engine knows nothing,
 * `engine-unreachable` where a project that is backed up through Docker would be without it.
 */
export async function discover(request: PlanRequest, ports: DiscoverPorts, signal: AbortSignal): Promise<Project> {
  const loaded = await loadModel(ports);
  const summaries = ports.engine === null ? [] : await ports.engine.listProjects(signal);
  const history = await ports.history();
  const name = request.projectName ?? loaded.model?.name ?? nameWithoutFiles(request, history, summaries);
  const here = ports.engine === null || name === null ? null : await ports.engine.viewProject(name, signal);
  const known = here !== null && knowsProject(here) ? here : null;
  const hostName = await nameOnHost(request, loaded.model, history, ports);
  const choice = chooseStrategy({
    wanted: request.strategy,
    engine: ports.engine === null ? 'absent' : 'answers',
    onEngine: known !== null,
    hasComposeFiles: loaded.model !== null || loaded.error !== null,
    profile: (await ports.hostRuntime?.profileOf(request.directory, request.strategy === 'host')) ?? null,
    hasHostSettings: hasHostSettings(request.hostSettings),
    newest: history.findLast(({ project, isClassic }) => !isClassic && (project === name || project === hostName))?.strategy ?? null,
  });
  if (choice.strategy === null) throw refused(choice.why, name ?? hostName, loaded.error, request, summaries, ports);
  if (choice.strategy === 'host') {
    const found = await discoverHost(request, hostName, loaded, choice.said, ports, signal);
    if (found === null) throw nothingFound(request, summaries, ports);
    return found;
  }
  if (name === null || (loaded.model === null && known === null)) {
    if (loaded.error !== null) throw loaded.error;
    throw nothingFound(request, summaries, ports);
  }
  const engineProject = known ?? (here !== null && loaded.model !== null ? here : null);
  const directory = loaded.model?.workingDirectory ?? known?.workingDirectory ?? null;
  const elsewhere = known === null ? null : await startedElsewhere(known, loaded.model, ports.host);
  const others = await otherRepositories(directory, engineProject, request, ports);
  return {
    name,
    strategy: 'docker',
    directory,
    otherRepositories: others,
    model: loaded.model,
    engine: engineProject === null ? null : await withDeclaredVolumes(engineProject, loaded.model, ports, signal),
    engineInfo: ports.engine?.info ?? null,
    modelError: findingAboutFiles(name, loaded.error, loaded.model, known),
    ...withFindings(choice.listsHost ? await hostBeside(request, loaded.model, known, ports, signal) : null, [
      ...(known === null ? otherName(name, loaded.model?.workingDirectory ?? request.directory, summaries) : []),
      ...others.map(leftOut),
      ...(elsewhere === null ? [] : [elsewhere]),
    ]),
  };
}

/** Where a repository is likely to lie among files that are captured, as far as those are this machine's. */
async function otherRepositories(
  directory: string | null,
  engine: EngineProject | null,
  { neverCapture }: PlanRequest,
  { host, engine: of }: DiscoverPorts,
): Promise<readonly string[]> {
  if (of?.info.sharesFilesystem !== true) return [];
  const binds = (engine?.containers ?? []).flatMap(({ mounts }) => mounts.flatMap(({ type, source }) => (type === 'bind' ? [source] : [])));
  const found: string[] = [];
  for (const folder of new Set([...(directory === null ? [] : [directory]), ...binds])) found.push(...(await host.repositoriesIn(folder)));
  return [...new Set(found)].filter((path) => !neverCapture.includes(path));
}

function withFindings(choice: Project['choice'] | null, findings: readonly Finding[]): Pick<Project, 'choice'> {
  if (findings.length === 0) return choice === null || choice === undefined ? {} : { choice };
  return { choice: { findings: [...(choice?.findings ?? []), ...findings], uncovered: choice?.uncovered ?? [] } };
}

/** What was started from here under another name (`-p`, COMPOSE_PROJECT_NAME) is not what the files call it, and would be in no snapshot. */
function otherName(name: string, directory: string, summaries: readonly EngineProjectSummary[]): readonly Finding[] {
  const others = summaries.filter(({ project, workingDirectory }) => project !== name && workingDirectory === directory);
  const [first] = others;
  if (first === undefined) return [];
  const runs = others.map(({ project }) => project).join(', ');
  return [
    {
      severity: 'error',
      code: 'other-project-name',
      subject: name,
      message: `the engine knows nothing of ${name}; what was started from ${directory} runs as ${runs}`,
      hint: `back up with -p ${first.project}, or set \`name:\` in the Compose file`,
    },
  ];
}

function leftOut(folder: string): Finding {
  const message = 'a repository of this tool is left out, and stays as it is in a restore';
  return { severity: 'info', code: 'other-repository', subject: folder, message };
}

function refused(
  why: 'no-engine' | 'never-falls-back' | 'nothing-found',
  name: string,
  modelError: McadsError | null,
  request: PlanRequest,
  summaries: readonly EngineProjectSummary[],
  ports: DiscoverPorts,
): McadsError {
  switch (why) {
    case 'no-engine':
      return new McadsError(
        'engine-unreachable',
        'there is no Docker here: no DOCKER_HOST, no context and no socket in the default places',
        {
          hint: 'start Docker, or say where it is with DOCKER_HOST or --context',
        },
      );
    case 'never-falls-back':
      return new McadsError(
        'engine-unreachable',
        `the newest snapshot of ${name} was made through Docker, and there is no Docker here now`,
        {
          hint: 'start Docker, or say where it is with DOCKER_HOST or --context; --strategy host backs up what lies on this host, without what is in volumes',
        },
      );
    case 'nothing-found':
      return modelError ?? nothingFound(request, summaries, ports);
  }
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
function nameWithoutFiles(
  request: ProjectRequest,
  history: readonly PastBackup[],
  summaries: readonly EngineProjectSummary[],
): string | null {
  const here = summaries.filter((summary) => summary.workingDirectory === request.directory);
  if (here.length === 1 && here[0] !== undefined) return here[0].project;
  if (here.length > 1) {
    throw new McadsError('usage', `several projects were started from ${request.directory}: ${here.map((one) => one.project).join(', ')}`, {
      hint: 'choose one with -p NAME',
    });
  }
  const stored = [...new Set(history.filter(({ isClassic }) => !isClassic).map(({ project }) => project))];
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

function nothingFound(request: ProjectRequest, summaries: readonly EngineProjectSummary[], ports: DiscoverPorts): McadsError {
  if (ports.engine === null) {
    return new McadsError('nothing-found', `nothing to back up in ${request.directory}: no Compose file, no application, no database`, {
      hint: 'go to the directory of the application, or name it with --project-directory DIR; there is no Docker here',
    });
  }
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
