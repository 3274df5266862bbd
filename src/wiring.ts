import { existsSync, readFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { ComposeRequest, EngineRequest, RepositoryService, RunSetup, Services } from './cli/services.ts';
import type { KeepSettings } from './config/setting.ts';
import { ownContainerId } from './docker/own-container.ts';
import type { EngineProject } from './domain/engine-model.ts';
import type { EventSink } from './domain/events.ts';
import type { Engine, PruneDecision } from './domain/ports.ts';
import type { RetentionPolicy } from './domain/retention.ts';
import { parseSnapshotName } from './domain/snapshot-name.ts';
import type { ClassicArchive } from './domain/snapshot-summary.ts';
import type { ServiceState } from './domain/status.ts';
import { McadsError } from './errors.ts';
import { counted, humanBytes } from './report/human.ts';
import type { BackupPorts, BackupRequest, BackupResult, DiscoverPorts, PastBackup, PlanPorts } from './pipeline/requests.ts';
import type { Repository } from './repository/repository.ts';
import { STATE_FOLDER } from './stream/restore-commands.ts';
import type { RestoreWiring } from './wiring-restore.ts';

/** How long an engine may take to answer where it is not what the command is about. */
const ANSWER_TIMEOUT_MS = 3000;

const NEVER = new AbortController().signal;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The composition root: joins what commands need with the layers that do it. Every layer is imported when it is first used, so that a command
 * pays only for its own.
 */
export function createServices(environment: Environment, version: string): Services {
  const engineOf = (request: EngineRequest, events: EventSink, signal: AbortSignal): Promise<Engine | null> =>
    openEngine(request, environment, version, events, signal);
  const engineFor = async (request: EngineRequest, events: EventSink, signal: AbortSignal): Promise<Engine> =>
    (await engineOf(request, events, signal)) ?? refuseWithoutEngine(request);
  /** A snapshot's name says where it belongs. */
  const engineToRestore = async (snapshot: string, request: EngineRequest, events: EventSink, signal: AbortSignal): Promise<Engine> =>
    parseSnapshotName(snapshot)?.strategy === 'host' ? openHostEngine(request, events) : engineFor(request, events, signal);
  const restoreWiring: RestoreWiring = {
    openRepository: (setup) => openRepository(setup.repository, setup.lockTimeoutMs, 'read'),
    backup: (request, setup, engine, events, signal) => runBackup(request, setup, engine, version, events, signal),
  };
  return {
    inContainer: ownContainerId(readMountinfo()) !== null,
    loadCompose: (request) => loadCompose(request, environment),
    listProjects: async (request, signal) => {
      const engine = await orNull(
        engineOf(request, () => undefined, signal),
        signal,
      );
      if (engine === null) return null;
      await using opened = engine;
      return await orNull(opened.listProjects(signal), signal);
    },
    projectServices: async (project, request, signal) => {
      try {
        const engine = await engineOf(request, () => undefined, AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]));
        if (engine === null) return { kind: 'absent' };
        await using opened = engine;
        return { kind: 'services', services: serviceStates(await opened.viewProject(project, signal)) };
      } catch (error) {
        if (!isNoAnswer(error, signal)) throw error;
        return { kind: 'silent', reason: error.message };
      }
    },
    unitStates: async (names, signal) => (await import('./host/unit-states.ts')).unitStates(names, signal),
    plan: async (request, setup, events, signal) => {
      await using engine = await engineOf(setup.engine, events, signal);
      const { discover } = await import('./pipeline/discover.ts');
      const { plan } = await import('./pipeline/plan.ts');
      const project = await discover(request, await discoverPorts(engine, setup), signal);
      return await plan(project, engine, request, await planPorts(setup), signal);
    },
    backup: async (request, setup, events, signal) => {
      await using engine = await engineOf(setup.engine, events, signal);
      return await runBackup(request, setup, engine, version, events, signal);
    },
    planRestore: async (request, setup, events, signal) => {
      await using engine = await engineToRestore(request.snapshot, setup.engine, events, signal);
      const { planRestore } = await import('./wiring-restore.ts');
      return await planRestore(request, setup, engine, restoreWiring, events, signal);
    },
    restore: async (request, setup, confirm, events, signal) => {
      await using engine = await engineToRestore(request.snapshot, setup.engine, events, signal);
      const { runRestore } = await import('./wiring-restore.ts');
      return await runRestore(request, setup, engine, restoreWiring, confirm, events, signal);
    },
    rollback: async (request, setup, confirm, events, signal) => {
      const onHost = await keptOnHost(setup.engine);
      await using engine = onHost === null ? await engineFor(setup.engine, events, signal) : await openHostEngine(setup.engine, events);
      const { runRollback } = await import('./wiring-restore.ts');
      return await runRollback(request, setup, engine, confirm, events, signal);
    },
    drill: async (request, assertions, setup, events, signal) => {
      await using engine = await engineFor(setup.engine, events, signal);
      const { runDrill } = await import('./wiring-drill.ts');
      const repository = (): Promise<Repository> => openRepository(setup.repository, setup.lockTimeoutMs, 'read');
      return await runDrill(request, assertions, setup, engine, repository, version, events, signal);
    },
    undoLeftovers: async (project, request, signal) => {
      const engine = await orNull(
        engineOf(request, () => undefined, AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)])),
        signal,
      );
      if (engine === null) return null;
      await using opened = engine;
      return await orNull(opened.recover(project, signal), signal);
    },
    undoOnHost: async (request, signal) => {
      if (!hasHostState(request)) return null;
      await using engine = await openHostEngine(request, () => undefined);
      return await orNull(engine.recover(null, signal), signal);
    },
    keptOnHost,
    recover: async (project, request, signal) => {
      await using host = await openHostEngine(request, () => undefined);
      const onHost = await host.recover(null, signal);
      await using engine =
        request.strategy === 'docker'
          ? await engineFor(request, () => undefined, signal)
          : await engineOf(request, () => undefined, signal);
      const onEngine = (await engine?.recover(project, signal)) ?? { undone: [], failed: [] };
      return { undone: [...onHost.undone, ...onEngine.undone], failed: [...onHost.failed, ...onEngine.failed] };
    },
    openRepository: (location, lockTimeoutMs) => openForCommands(location, lockTimeoutMs),
    classicArchives: (location) => classicArchivesIn(location),
    importArchive: async (request, { location, lockTimeoutMs }, events, signal) => {
      const open = (): Promise<Repository> => {
        assertMounted(location);
        return openRepository(location, lockTimeoutMs, 'write');
      };
      return (await import('./wiring-archive.ts')).runImport(request, open, version, events, signal);
    },
    openLog: async (directory, command, at, onFailure) => (await import('./logger.ts')).openLog(directory, command, at, version, onFailure),
  };
}

/** For questions whose answer a command can do without: null where the engine refuses, is silent or fails. */
async function orNull<T>(question: Promise<T>, signal: AbortSignal): Promise<T | null> {
  try {
    return await question;
  } catch (error) {
    if (isNoAnswer(error, signal)) return null;
    throw error;
  }
}

/** The engine refuses, is silent or fails; throws where we are to stop. */
function isNoAnswer(error: unknown, signal: AbortSignal): error is Error {
  signal.throwIfAborted();
  return error instanceof McadsError || (error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError'));
}

function serviceStates({ containers }: EngineProject): readonly ServiceState[] {
  return containers
    .filter(({ oneOff }) => !oneOff)
    .map(({ service, name, state, health, exitCode }) => ({ service, container: name, state, health, exitCode }))
    .toSorted((a, b) => (a.container < b.container ? -1 : 1));
}

async function loadCompose(request: ComposeRequest, environment: Environment) {
  const compose = await import('./compose/load-compose.ts');
  const { workingDirectory: directory, ...rest } = request;
  return compose.loadCompose({ ...rest, directory, environment, stdin: () => text(process.stdin) });
}

/** Null where Docker is absent and the docker strategy was not asked for. */
async function openEngine(
  request: EngineRequest,
  environment: Environment,
  version: string,
  events: EventSink,
  signal: AbortSignal,
): Promise<Engine | null> {
  const options = { context: request.context, environment, home: homedir() };
  const { findEngine } = await import('./docker/find-engine.ts');
  if (request.strategy === 'host' || (request.strategy === 'auto' && (await findEngine(options)) === 'absent')) return null;
  const [docker, { undoRestoreWith }] = await Promise.all([import('./docker/open-engine.ts'), import('./wiring-restore.ts')]);
  const logger = (level: 'debug' | 'info' | 'warn', message: string): void => events({ type: 'log', level, message });
  return docker.openEngine({ ...options, ownVersion: version, logger, undoRestore: undoRestoreWith(events) }, signal);
}

/** This machine in an engine's place. */
async function openHostEngine({ host }: EngineRequest, events: EventSink): Promise<Engine> {
  const [{ hostEngine }, { undoRestoreWith }] = await Promise.all([import('./host/host-engine.ts'), import('./wiring-restore.ts')]);
  return hostEngine({ ...host, undoRestore: undoRestoreWith(events) });
}

function hasHostState({ host }: EngineRequest): boolean {
  return existsSync(join(host.directory, STATE_FOLDER));
}

async function keptOnHost(request: EngineRequest): Promise<string | null> {
  if (!hasHostState(request)) return null;
  await using engine = await openHostEngine(request, () => undefined);
  const [newest] = await engine.keptRestores(null, NEVER);
  return newest?.journal.project ?? null;
}

function refuseWithoutEngine(request: EngineRequest): never {
  if (request.strategy === 'host') {
    throw new McadsError('usage', 'this takes Docker, and --strategy host does without', { hint: 'leave --strategy host out' });
  }
  throw new McadsError('engine-unreachable', 'there is no Docker here: no DOCKER_HOST, no context and no socket in the default places', {
    hint: 'start Docker, or say where it is with DOCKER_HOST or --context',
  });
}

async function discoverPorts(engine: Engine | null, setup: RunSetup): Promise<DiscoverPorts> {
  const [{ hostRuntime }, { hostFiles }] = await Promise.all([import('./host/runtime.ts'), import('./host/host-files.ts')]);
  return {
    engine,
    loadCompose: () => setup.loadCompose(),
    history: () => history(setup),
    hostRuntime: hostRuntime(),
    host: hostFiles(),
  };
}

async function history(setup: RunSetup): Promise<readonly PastBackup[]> {
  if (!existsSync(join(setup.repository, 'repository.json'))) {
    return (await classicArchivesIn(setup.repository)).map((one) => ({ ...one, isClassic: true }));
  }
  await using repository = await openRepository(setup.repository, setup.lockTimeoutMs, 'read');
  const snapshots = (await repository.snapshots()).map((one) => ({ ...one, isClassic: false }));
  const classic = (await repository.classicArchives()).map((one) => ({ ...one, isClassic: true }));
  return [...snapshots, ...classic].toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
}

async function classicArchivesIn(folder: string): Promise<readonly ClassicArchive[]> {
  return (await import('./repository/classic-archives.ts')).classicArchivesIn(folder);
}

async function planPorts(setup: RunSetup): Promise<PlanPorts> {
  const [{ databaseAdapters }, { recogniseEngine }, { hostFiles }, { randomBytes }] = await Promise.all([
    import('./databases/registry.ts'),
    import('./databases/recognise.ts'),
    import('./host/host-files.ts'),
    import('node:crypto'),
  ]);
  return {
    adapters: databaseAdapters,
    recognise: (container) => recogniseEngine(container)?.engine ?? null,
    settingsFor: (model) => setup.settingsFor(model),
    host: hostFiles(),
    runId: randomBytes(6).toString('hex'),
  };
}

async function runBackup(
  request: BackupRequest,
  setup: RunSetup,
  engine: Engine | null,
  version: string,
  events: EventSink,
  signal: AbortSignal,
): Promise<BackupResult> {
  const [{ backup }, { verificationText }] = await Promise.all([import('./pipeline/backup.ts'), import('./report/verification-text.ts')]);
  const ports: BackupPorts = {
    ...(await discoverPorts(engine, setup)),
    ...(await planPorts(setup)),
    openRepository: async () => {
      assertMounted(setup.repository);
      try {
        return await openRepository(setup.repository, setup.lockTimeoutMs, 'write');
      } catch (error) {
        throw await withReadyPlace(error, setup, request);
      }
    },
    hostClaims: await openHostEngine(setup.engine, events),
    applyRetention: async (project, strategy): Promise<readonly PruneDecision[]> => {
      await using repository = await openRepository(setup.repository, setup.lockTimeoutMs, 'write');
      const report = await repository.prune({ policy: toPolicy(setup.keep), dryRun: false, project, strategy, signal });
      return [...report.snapshots, ...report.classic];
    },
    discardOld: async (project) => {
      const { discardOld } = await import('./wiring-restore.ts');
      const places = [
        ...(engine === null ? [] : [engine]),
        ...(hasHostState(setup.engine) ? [await openHostEngine(setup.engine, events)] : []),
      ];
      const findings = await Promise.all(places.map((place) => discardOld(place, project, events, signal)));
      return findings.flat();
    },
    exportArchive: async (snapshot) => {
      await using repository = await openRepository(setup.repository, setup.lockTimeoutMs, 'read');
      const path = join(setup.repository, snapshot);
      const wanted = { snapshot, path: `${path}.tar.gz`, verificationPath: `${path}_verification.txt` };
      return await (await import('./wiring-archive.ts')).runExport(repository, wanted, events, signal);
    },
    renderVerification: verificationText,
    now: () => new Date(),
    tool: { name: 'mcads-orchestrate', version },
    machine: { name: hostname(), platform: `${process.platform} ${process.arch}`, node: process.versions.node },
    events,
  };
  return backup(request, ports, signal);
}

async function openRepository(path: string, lockTimeoutMs: number, mode: 'read' | 'write'): Promise<Repository> {
  const layer = await import('./repository/open-repository.ts');
  return layer.openRepository({ path, mode, create: mode === 'write', lockTimeoutMs });
}

/** Where the project's folder belongs to somebody else, a place that can be copied into the next command. */
async function withReadyPlace(error: unknown, setup: RunSetup, request: BackupRequest): Promise<unknown> {
  if (!(error instanceof McadsError) || error.code !== 'forbidden' || existsSync(setup.repository)) return error;
  const model = await orNull(setup.loadCompose(), NEVER);
  const name = request.projectName ?? model?.name ?? basename(request.directory);
  return new McadsError('forbidden', error.message, {
    hint: `choose a folder of your own: mcads-orchestrate backup --repository ~/backups/${name}\nor run with sudo`,
    context: error.context,
    cause: error,
  });
}

async function openForCommands(location: string, lockTimeoutMs: number): Promise<RepositoryService> {
  const repository = await openRepository(location, lockTimeoutMs, 'read');
  return {
    repository,
    damagedSnapshots: async () => (await repository.inventory()).damaged,
    verify: async ({ share }, events, signal) => {
      const { randomBytes } = await import('node:crypto');
      const report = await repository.verify({
        readData: share !== null,
        ...(share === null || share === 1 ? {} : { sample: { percent: share * 100, seed: randomBytes(8).toString('hex') } }),
        signal,
        onProgress: ({ chunks, bytes }) =>
          events({ type: 'stage', stage: 'verify', detail: `${counted(chunks, 'chunk')}, ${humanBytes(bytes)}` }),
      });
      return { ...report.checked, damaged: report.damaged, findings: repository.findings };
    },
    prune: async ({ project, keep, dryRun }, _events, signal) => {
      const report = await repository.prune({
        policy: toPolicy(keep),
        dryRun,
        ...(project === null ? {} : { project }),
        sweep: 'always',
        signal,
      });
      return { decisions: [...report.snapshots, ...report.classic], freedBytes: report.freedBytes, findings: [] };
    },
    stats: async (signal) => repository.stats(signal),
    files: async function* (snapshot, selections, signal) {
      yield* (await import('./pipeline/read-tree.ts')).listFiles(repository, snapshot, selections, signal);
    },
    diff: async function* (before, after, components, signal) {
      yield* (await import('./pipeline/read-tree.ts')).diffSnapshots(repository, before, after, components, signal);
    },
    extract: async (request, events, signal) => {
      const [{ extract }, { gnuTarExtractor }] = await Promise.all([import('./pipeline/extract.ts'), import('./host/tar-extract.ts')]);
      await using lease = await repository.lease('shared', `extract of ${request.snapshot}`, signal);
      void lease; // held until the end
      return await extract(repository, request, events, signal, gnuTarExtractor());
    },
    exportSnapshot: async (request, events, signal) => (await import('./wiring-archive.ts')).runExport(repository, request, events, signal),
    [Symbol.asyncDispose]: () => repository[Symbol.asyncDispose](),
  };
}

function toPolicy(keep: KeepSettings): RetentionPolicy {
  return Object.fromEntries(Object.entries(keep).filter(([, value]) => value !== null));
}

/** In a container, a repository in the container's own layer would be gone with it. Rejects `usage`. */
function assertMounted(repository: string): void {
  const mountinfo = readMountinfo();
  if (ownContainerId(mountinfo) === null) return;
  const mounts = mountinfo.split('\n').map((line) => (line.split(' ')[4] ?? '').replaceAll('\\040', ' '));
  const path = resolve(repository);
  if (mounts.some((mount) => mount !== '/' && mount !== '' && (path === mount || path.startsWith(`${mount}/`)))) return;
  throw new McadsError('usage', `the repository ${path} is not on a mount: it would vanish with this container`, {
    hint: `add to this service in the Compose file:\nvolumes:\n  - ./backups:${path}`,
  });
}

/** Empty where there is no Linux. */
function readMountinfo(): string {
  const path = '/proc/self/mountinfo';
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
