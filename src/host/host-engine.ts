import { realpathSync } from 'node:fs';
import { arch, hostname, release } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { EngineContainer, EngineProject } from '../domain/engine-model.ts';
import { serverContainerId, type HostSettings } from '../domain/host.ts';
import type { Engine, ProjectClaim, UndoReport, UndoRestore } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import { findUnits } from './find-units.ts';
import { lockDirectory } from './host-lock.ts';
import { HostState } from './host-state.ts';
import { execHere } from './local-exec.ts';
import { openLocalTarget, probeLocalPlace, removeEmptyLocalFolders, removeLocalFolder } from './local-place.ts';
import { hostContainer, serverContainerOf } from './server-container.ts';
import { stopOrder } from './stop-order.ts';
import { Systemd, type SystemdUnit } from './systemd.ts';

export interface HostEngineOptions {
  /** Absolute: the application's. */
  readonly directory: string;
  readonly settings: HostSettings;
  readonly undoRestore: UndoRestore;
  readonly systemd?: Systemd;
}

const POLL_MS = 250;
/** A unit that is active has to stay so for as long as this: `Type=simple` is active before its program has run a line. */
const STEADY_MS = 2000;

/**
 * This machine in the place of an engine: its services are systemd units, its places are its own folders, and the database server that `.env` names
 * is one more container, whose programs are this machine's. What only containers have is refused, so that restore, rollback and recover work over one port.
 */
export function hostEngine(options: HostEngineOptions): Engine {
  const directory = realPathOf(options.directory);
  const systemd = options.systemd ?? new Systemd();
  const state = new HostState(directory);

  const unitsOf = async (project: string, signal: AbortSignal): Promise<readonly SystemdUnit[]> => {
    const search = { directory, named: options.settings.services, names: [project], places: [] };
    const found = (await findUnits(systemd, search, signal)).map(({ name }) => name);
    const units = await systemd.find(found, signal);
    // What would start a unit by itself has to be stopped before it.
    const triggers = await systemd.find(
      [...new Set(units.flatMap(({ triggeredBy }) => triggeredBy))].filter((name) => !found.includes(name)),
      signal,
    );
    const all = [...triggers, ...units];
    const unknown = all.find(({ active }) => active === null);
    // Taken for one that does not run, it would go on writing into what is swapped.
    if (unknown !== undefined && systemd.isBooted)
      throw new McadsError('engine-failed', `systemd does not say whether ${unknown.name} runs`, {
        hint: `see \`systemctl show ${unknown.name}\``,
      });
    return stopOrder(all.filter(({ active }) => active !== null));
  };

  /** Rejects `component-failed` where it is not the one that `.env` names: what was done to it cannot be undone by nobody knowing of it. */
  const findServer = async (id: string): Promise<EngineContainer> => {
    const server = await serverContainerOf(directory);
    if (server?.id === id) return server;
    throw new McadsError(
      'component-failed',
      `${join(directory, '.env')} ${server === null ? 'names no PostgreSQL server' : `names the server ${server.name}`}, and ${id.slice(serverContainerId('').length)} is wanted`,
      { hint: 'put its DATABASE_URL there' },
    );
  };

  const findContainer = async (name: string, signal: AbortSignal): Promise<EngineContainer | null> => {
    if (name.startsWith(serverContainerId(''))) return findServer(name);
    const [unit] = await systemd.find([name], signal);
    return unit === undefined || unit.active === null ? null : toContainer(unit);
  };

  const recover = async (signal: AbortSignal): Promise<UndoReport> => {
    const foreign = await state.foreignJournal();
    if (foreign !== null) return { undone: [], failed: [foreign] };
    if ((await state.journal()) === null) return { undone: [], failed: [] };
    // A restore in another network namespace may be under way: the lock on the directory does not reach there.
    await using held = await state.hold();
    void held; // until it is done
    const journal = await state.journal();
    if (journal === null) return { undone: [], failed: [] };
    const report = await options.undoRestore(engine, journal, signal);
    if (report.failed.length === 0) await state.clearJournal();
    return report;
  };

  const engine: Engine = {
    info: {
      id: directory,
      name: hostname(),
      version: release(),
      apiVersion: '',
      operatingSystem: process.platform,
      architecture: arch(),
      rootless: false,
      podman: false,
      endpoint: 'this host',
      sharesFilesystem: true,
      isHost: true,
    },
    listProjects: async () => [],
    viewProject: async (project, signal) => ({
      ...emptyProject(project, directory),
      containers: (await unitsOf(project, signal)).map(toContainer),
    }),
    findContainer,
    inspectContainer: async (id, signal) => (await findContainer(id, signal)) ?? notHere(id),
    start: (id, signal) => systemd.start(id, signal),
    stop: (id, signal) => systemd.stop(id, signal),
    waitHealthy: (id, timeoutMs, signal) => waitActive(systemd, id, timeoutMs, signal),
    probePlace: (place, { findsRepositories }) => probeLocalPlace(place, findsRepositories === true),
    openTarget: (place, _, signal) => openLocalTarget(place, signal),
    removeFolder: (path) => removeLocalFolder(path),
    removeEmptyFolders: (topmost, path) => removeEmptyLocalFolders(topmost, path),
    claimProject: async (_, purpose, signal) => {
      const lock = await lockDirectory(directory, purpose);
      try {
        return { claim: claimOf(state, lock), undone: await recover(signal) };
      } catch (error) {
        await lock[Symbol.asyncDispose]();
        throw error;
      }
    },
    recover: async (_, signal) => {
      if ((await state.journal()) === null && (await state.foreignJournal()) === null) return { undone: [], failed: [] };
      await using lock = await lockDirectory(directory, 'recover');
      void lock; // held until it is done: hence the await
      return await recover(signal);
    },
    keptRestores: () => state.kept(),
    keepRestore: (journal, until) =>
      state.keep({ id: `${journal.run}-${until.getTime().toString(16)}`, journal, until: until.toISOString() }),
    forgetRestore: (id) => state.forget(id),
    existingNetworks: async () => new Map(),
    inspectImage: async () => null,
    viewVolumes: async () => [],
    volumeSizes: async () => new Map(),
    readHostFile: async () => null,
    readContainerFile: async () => null,
    putFiles: async () => notHere('a container'),
    removeContainer: async () => undefined,
    removeVolume: async () => undefined,
    removeNetwork: async () => undefined,
    pause: async (id) => notHere(id),
    unpause: async (id) => notHere(id),
    exec: (id, argv, options, signal) => (id.startsWith(serverContainerId('')) ? execHere(argv, options, signal) : notHere(id)),
    runThrowaway: async ({ image }) => notHere(image),
    openTree: async () => notHere('a mount'),
    state: async ({ project }) => notHere(project),
    saveImage: (image) => notHere(image),
    recreation: () => notHere('a recorded project'),
    createNetwork: async ({ name }) => notHere(name),
    createVolume: async ({ name }) => notHere(name),
    createContainer: async ({ name }) => notHere(name),
    loadImage: async () => notHere('an image'),
    pullImage: async (digest) => notHere(digest),
    recordedContainers: () => notHere('a recorded project'),
    isolatedCopy: () => notHere('a copy in isolation'),
    makeCopy: async () => notHere('a copy in isolation'),
    putIntoCopy: async (_, container) => notHere(container),
    copyLogs: async (_, container) => notHere(container),
    keepCopy: async () => notHere('a copy in isolation'),
    removeCopy: async () => ({ undone: [], failed: [] }),
    sweepCopies: async () => ({ undone: [], failed: [] }),
    [Symbol.asyncDispose]: async () => undefined,
  };
  return engine;
}

function claimOf(state: HostState, lock: AsyncDisposable): ProjectClaim {
  let held: AsyncDisposable | null = null;
  return {
    recordUndo: async () => async () => undefined, // nothing is stopped around a backup
    recordRestore: async (journal) => {
      held ??= await state.hold();
      await state.writeJournal(journal);
    },
    clearRestore: async () => {
      await state.clearJournal();
      await held?.[Symbol.asyncDispose]();
      held = null;
    },
    [Symbol.asyncDispose]: async () => {
      await held?.[Symbol.asyncDispose]();
      await lock[Symbol.asyncDispose]();
    },
  };
}

/** Active, and still so a little later without having been started again; or over, for one that does one thing. Rejects `engine-failed`. */
async function waitActive(systemd: Systemd, name: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const end = performance.now() + timeoutMs;
  let since: { readonly at: number; readonly restarts: number } | null = null;
  for (;;) {
    const [unit] = await systemd.find([name], signal);
    const [state, restarts] = [unit?.active ?? 'gone', unit?.restarts ?? 0];
    if (unit?.isDone === true) return;
    if (state === 'failed' || state === 'inactive' || state === 'gone') throw unhealthy(name, `is ${state}`);
    if (state !== 'active' || (since !== null && since.restarts !== restarts)) since = null;
    else since ??= { at: performance.now(), restarts };
    if (since !== null && performance.now() - since.at >= STEADY_MS) return;
    if (performance.now() > end)
      throw unhealthy(name, `is ${state} (${unit?.subState ?? 'unknown'}) after ${Math.round(timeoutMs / 1000)} s`);
    await delay(POLL_MS, undefined, { signal });
  }
}

function unhealthy(name: string, words: string): McadsError {
  return new McadsError('engine-failed', `${name} ${words}`, { hint: `see \`systemctl status ${name}\` and \`journalctl -u ${name}\`` });
}

function toContainer({ name, active }: SystemdUnit): EngineContainer {
  const isUp = active === 'active' || active === 'activating' || active === 'reloading';
  return {
    ...hostContainer(name),
    state: isUp ? 'running' : active === 'failed' ? 'dead' : 'exited',
    health: isUp ? 'healthy' : 'none',
  };
}

function emptyProject(project: string, directory: string): EngineProject {
  return {
    project,
    containers: [],
    volumes: [],
    networks: [],
    foreignUsers: [],
    foreignBinds: [],
    workingDirectory: directory,
    configFiles: [],
    environmentFiles: [],
  };
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // not made yet
  }
}

function notHere(what: string): never {
  throw new McadsError('unexpected', `${what} is a matter of containers, and this is the host strategy`);
}
