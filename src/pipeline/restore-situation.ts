import { posix } from 'node:path';
import { isJsonObject, type JsonValue } from '../domain/byte-stream.ts';
import type { ComposeModel } from '../domain/compose-model.ts';
import type { EngineProject, EngineState } from '../domain/engine-model.ts';
import type { Manifest } from '../domain/manifest.ts';
import type { Project } from '../domain/plan.ts';
import type { SnapshotRepository } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import type { RestorePorts, RestoreRequest } from './restore-requests.ts';
import { isWithin } from './foreign-users.ts';
import { artifactsOf } from './select-components.ts';
import { serviceViews, type ServiceView } from './service-views.ts';

/** What is there now and what was recorded: all that a plan is made from. */
export interface RestoreSituation {
  /** The project that is restored onto. */
  readonly project: string;
  readonly beside: boolean;
  /** Where its files are, or go, as this process sees it. */
  readonly directory: string;
  /** The same on the engine's host: in a container those are two paths. */
  readonly hostDirectory: string;
  /** Where they were. */
  readonly recordedDirectory: string | null;
  readonly view: EngineProject;
  readonly views: readonly ServiceView[];
  readonly model: ComposeModel | null;
  /** Null where the snapshot holds none. */
  readonly state: EngineState | null;
  /** Nothing of the project is on the engine. */
  readonly fresh: boolean;
}

const LARGEST_STATE = 256 * 1024 * 1024;

/** The project that a snapshot is restored onto. */
export function targetProject({ as, projectName }: Pick<RestoreRequest, 'as' | 'projectName'>, { sealed }: Manifest): string {
  return as ?? projectName ?? sealed.project;
}

/** Looks at engine and files. Rejects `usage` for a project beside that is there already. */
export async function lookAround(
  request: RestoreRequest,
  manifest: Manifest,
  repository: SnapshotRepository,
  ports: RestorePorts,
  signal: AbortSignal,
): Promise<RestoreSituation> {
  const beside = request.as !== null;
  const project = targetProject(request, manifest);
  const view = await ports.engine.viewProject(project, signal);
  const fresh = !view.containers.some(({ oneOff }) => !oneOff) && view.volumes.length === 0;
  if (beside && (!fresh || view.containers.length > 0)) {
    throw new McadsError('usage', `the engine has a project ${project} already; nothing is restored over it with --as`, {
      hint: `choose another name, or remove it: docker compose -p ${project} down --volumes`,
    });
  }
  const model = await loadedModel(ports);
  // The files here are the original's: of a project beside nothing is known but what was recorded.
  const used = beside ? null : model;
  const directory = beside ? await directoryBeside(request, manifest, ports, signal) : request.directory;
  const known: Project = {
    name: project,
    strategy: 'docker',
    directory,
    model: used,
    engine: view,
    engineInfo: ports.engine.info,
    modelError: null,
  };
  return {
    project,
    beside,
    directory,
    hostDirectory: hostDirectoryOf(directory, manifest, request, ports),
    recordedDirectory: manifest.sealed.workingDirectory,
    view,
    views: serviceViews(known, ports.settingsFor(used)),
    model: used,
    state: await recordedState(manifest, repository, signal),
    fresh,
  };
}

/** In a container: through its mounts; what is not mounted into it lies where it was recorded, or beside that. Its own working directory is the repository. */
function hostDirectoryOf(directory: string, { sealed }: Manifest, { as, neverTouch }: RestoreRequest, { engine }: RestorePorts): string {
  const own = engine.info.ownContainer;
  if (own === undefined) return directory;
  const isRepository = neverTouch.some((path) => isWithin(directory, path));
  const [mount] = (isRepository ? [] : own.mounts)
    .filter(({ type, target }) => type === 'bind' && isWithin(directory, target))
    .toSorted((a, b) => b.target.length - a.target.length);
  if (mount !== undefined) return posix.join(mount.source, posix.relative(mount.target, directory));
  if (sealed.workingDirectory === null) return directory;
  return as === null ? sealed.workingDirectory : posix.join(posix.dirname(sealed.workingDirectory), as);
}

async function loadedModel(ports: RestorePorts): Promise<ComposeModel | null> {
  try {
    return await ports.loadCompose();
  } catch (error) {
    if (error instanceof McadsError) return null; // files that are missing or broken are what a restore is for
    throw error;
  }
}

/** Never the original's own directory: a folder beside it that is named as the new project. */
async function directoryBeside(
  { directory, as }: RestoreRequest,
  manifest: Manifest,
  { engine }: RestorePorts,
  signal: AbortSignal,
): Promise<string> {
  const original = await engine.viewProject(manifest.sealed.project, signal);
  const taken = [manifest.sealed.workingDirectory, original.workingDirectory];
  return taken.includes(directory) && as !== null ? posix.join(posix.dirname(directory), as) : directory;
}

/** The inspect JSON of the whole project as `capture-component.ts` stored it. */
async function recordedState(manifest: Manifest, repository: SnapshotRepository, signal: AbortSignal): Promise<EngineState | null> {
  const component = manifest.components.find(({ id }) => id === 'state');
  if (component === undefined) return null;
  const { data } = artifactsOf(component);
  if (data.bytes > LARGEST_STATE) throw new McadsError('damaged', `the recorded state of ${manifest.name} is too large to be one`);
  const parts: Uint8Array[] = [];
  for await (const bytes of repository.read(data, signal)) parts.push(bytes);
  return toState(JSON.parse(Buffer.concat(parts).toString('utf8')) as JsonValue, manifest.name); // foreign JSON, checked below
}

function toState(value: JsonValue, snapshot: string): EngineState {
  if (!isJsonObject(value)) throw new McadsError('damaged', `the recorded state of ${snapshot} is none`);
  const list = (key: string): EngineState['containers'] => {
    const found = value[key];
    if (!Array.isArray(found)) throw new McadsError('damaged', `the recorded state of ${snapshot} names no ${key}`);
    return found.filter((one) => isJsonObject(one));
  };
  const engine = value['engine'];
  return {
    engine: isJsonObject(engine) ? engine : {},
    containers: list('containers'),
    volumes: list('volumes'),
    networks: list('networks'),
    images: list('images'),
  };
}
