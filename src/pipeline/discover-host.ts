import type { ComposeModel } from '../domain/compose-model.ts';
import type { EngineProject } from '../domain/engine-model.ts';
import type { Finding, Uncovered } from '../domain/finding.ts';
import type { HostApplication, HostRuntime, HostSettings } from '../domain/host.ts';
import type { Project } from '../domain/plan.ts';
import type { McadsError } from '../errors.ts';
import type { DiscoverPorts, PastBackup, PlanRequest } from './requests.ts';

interface Loaded {
  readonly model: ComposeModel | null;
  readonly error: McadsError | null;
}

/** The application in this directory as a project; null where the survey finds nothing. */
export async function discoverHost(
  request: PlanRequest,
  name: string,
  loaded: Loaded,
  said: 'info' | 'loudly',
  ports: DiscoverPorts,
  signal: AbortSignal,
): Promise<Project | null> {
  const host = await survey(request, loaded.model, request.strategy === 'host', ports, signal);
  if (host === null) return null;
  return {
    name,
    strategy: 'host',
    directory: host.directory,
    model: loaded.model,
    engine: null,
    engineInfo: null,
    modelError: null,
    host,
    choice: {
      findings: [...choiceFinding(name, host, said), ...modelFinding(loaded.error)],
      uncovered: declaredVolumes(loaded.model, host),
    },
  };
}

export function hasHostSettings({ profile, databases, components, services }: HostSettings): boolean {
  return profile !== null || databases.length + services.length + Object.keys(components).length > 0;
}

/** Packages of settings that are called so in one project after the other, by tutorials and templates. */
const USUAL_PACKAGES = /^(?:api|app|backend|conf|config|core|django|main|mysite|project|server|settings|site|src|web|website)$/;
/** Of `/srv/shop/releases/42` and `/srv/shop/current` the application is what holds them. */
const RELEASE_FOLDER = /^(?:\d+|current|releases)$/;

/** `-p` and settings, a `name:` in the Compose files, Django's settings package, the newest classic archive, the directory. */
export async function nameOnHost(
  { projectName, directory }: PlanRequest,
  model: ComposeModel | null,
  history: readonly PastBackup[],
  ports: DiscoverPorts,
): Promise<string> {
  if (projectName !== null) return projectName;
  if (model !== null && model.nameFrom !== 'directory') return model.name;
  const [fromSettings, fromFolder] = await namesOf(directory, ports.hostRuntime);
  const fromArchive = history.findLast(({ isClassic }) => isClassic)?.project;
  return [fromSettings, fromArchive ?? '', fromFolder].find((one) => one !== '') ?? 'host';
}

/** What an application is called by its settings and by its folder; empty where that says nothing. */
export async function namesOf(
  directory: string,
  runtime: Pick<HostRuntime, 'settingsPackage'> | null,
): Promise<readonly [settings: string, folder: string]> {
  const settingsPackage = normalised((await runtime?.settingsPackage(directory)) ?? '');
  return [USUAL_PACKAGES.test(settingsPackage) ? '' : settingsPackage, normalised(folderName(directory))];
}

function folderName(directory: string): string {
  const names = directory.split('/').filter((name) => name !== '');
  return names.findLast((name) => !RELEASE_FOLDER.test(name)) ?? names.at(-1) ?? '';
}

/** The data of a project on the engine that lies on this host beside it. */
export async function hostBeside(
  request: PlanRequest,
  model: ComposeModel | null,
  engine: EngineProject | null,
  ports: DiscoverPorts,
  signal: AbortSignal,
): Promise<NonNullable<Project['choice']>> {
  const host = await survey(request, model, false, ports, signal);
  const binds = (engine?.containers ?? []).flatMap(({ mounts }) =>
    mounts.filter(({ type }) => type === 'bind').map(({ source }) => source),
  );
  const isBound = (path: string): boolean => binds.some((bind) => path === bind || path.startsWith(`${bind}/`));
  const left = [...(host?.databases ?? []), ...(host?.trees ?? [])].filter(({ path }) => !isBound(path));
  return {
    findings: [],
    uncovered: left.map(({ id, path }) => ({
      subject: id,
      reason: `${path} lies on this host, outside of the containers (--strategy host captures it)`,
    })),
  };
}

async function survey(
  request: PlanRequest,
  model: ComposeModel | null,
  anyDirectory: boolean,
  ports: DiscoverPorts,
  signal: AbortSignal,
): Promise<HostApplication | null> {
  const { directory, hostSettings, exclude, neverCapture, logDirectory, projectName } = request;
  const asked = { directory, model, settings: hostSettings, anyDirectory, exclude, neverCapture, logDirectory, projectName };
  return (await ports.hostRuntime?.survey(asked, signal)) ?? null;
}

function choiceFinding(name: string, { directory, profile }: HostApplication, said: 'info' | 'loudly'): readonly Finding[] {
  if (said === 'info') return [];
  return [
    {
      severity: 'warning',
      code: 'host-strategy',
      subject: name,
      message: `Docker runs here and knows nothing of ${directory}: the files of this host are captured (${profile} profile), NOT containers or volumes`,
      hint: 'say --strategy host to have it so without this warning, or start the project and back up again',
    },
  ];
}

/** Without an engine, files that do not load are captured as they are. */
function modelFinding(error: McadsError | null): readonly Finding[] {
  if (error === null) return [];
  const message = `the Compose files do not load: ${error.message}`;
  return [{ severity: 'warning', code: 'compose-files-unreadable', subject: 'config', message, hint: error.hint }];
}

function declaredVolumes(model: ComposeModel | null, { uncovered }: HostApplication): readonly Uncovered[] {
  return Object.values(model?.volumes ?? {})
    .map(({ key }) => ({ subject: `volume ${key}`, reason: 'a Docker volume: it is read through Docker only' }))
    .filter(({ subject }) => !uncovered.some((one) => one.subject === subject));
}

function normalised(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, '')
    .replace(/^[_-]+/, '');
}
