import { release } from 'node:os';
import type { EngineInfo } from '../domain/engine-model.ts';
import type { Engine, UndoRestore } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import * as actions from './container-actions.ts';
import { resolveEndpoint, type Endpoint, type EndpointOptions } from './endpoint.ts';
import type { ContainerJson, InfoJson, PingVersion } from './engine-api.ts';
import { EngineClient } from './engine-client.ts';
import { readState, saveImage, volumeSizes } from './engine-state.ts';
import { copyLogs, keepCopy, makeCopy, putIntoCopy } from './drill-copies.ts';
import { exec } from './exec.ts';
import { claimProject } from './claim-project.ts';
import { recover } from './recover.ts';
import { readHostFile } from './archive-tree.ts';
import { putFiles, readContainerFile } from './container-files.ts';
import { isolatedCopy, recordedContainers } from './isolated-copy.ts';
import { removeCopy, sweepCopies } from './sweep-copies.ts';
import { HelperImages } from './helper-images.ts';
import { openTarget, probePlace, removeEmptyFolders, removeFolder } from './open-place.ts';
import { openTree } from './open-tree.ts';
import { describeSelf } from './owner.ts';
import { loadImage, pullImage } from './receive-images.ts';
import * as recreate from './recreate.ts';
import { recreation } from './recreation.ts';
import { keepRestore, keptRestores, type UndoJournal } from './restore-records.ts';
import { removeRecord } from './engine-records.ts';
import { runThrowaway } from './throwaway.ts';
import { toMounts } from './to-engine-container.ts';
import type { TreeContext } from './tree-context.ts';
import { findOwnContainer } from './own-container.ts';
import { findContainer, inspectContainer, inspectImage, listProjects, viewProject, viewVolumes } from './view-project.ts';

export interface OpenEngineOptions extends EndpointOptions {
  readonly ownVersion: string;
  readonly logger?: (level: 'debug' | 'info' | 'warn', message: string) => void;
  /** Without it, restores that dead runs left cannot be undone and are told as failed. */
  readonly undoRestore?: UndoRestore;
}

/**
 * Finds the engine as the docker CLI does, connects and negotiates the API version.
 * Rejects `engine-unreachable` with the cure, `config` for a context or address that makes no sense.
 */
export async function openEngine(options: OpenEngineOptions, signal: AbortSignal): Promise<Engine> {
  const { endpoint } = await resolveEndpoint(options);
  const client = await EngineClient.connect(endpoint, options.environment['DOCKER_API_VERSION'], signal);
  const own = await findOwnContainer(client, signal);
  const { info, sharesKernel } = await readInfo(client, endpoint, own, signal);
  const log = options.logger ?? (() => undefined);
  const context: TreeContext = {
    client,
    info,
    sharesKernel,
    own,
    owner: await describeSelf(own, options.ownVersion),
    images: new HelperImages(client, own, info.architecture, log),
    environment: options.environment,
    log,
  };
  log('debug', `engine ${info.version} at ${info.endpoint} (${endpoint.from}), API ${info.apiVersion}`);
  const { undoRestore } = options;
  const undoJournal: UndoJournal | null =
    undoRestore === undefined ? null : async (journal, signal) => undoRestore(engine, journal, signal);
  const engine: Engine = {
    info,
    listProjects: async (signal) => listProjects(client, signal),
    viewProject: async (project, signal) => viewProject(client, project, signal),
    inspectContainer: async (id, signal) => inspectContainer(client, id, signal),
    findContainer: async (reference, signal) => findContainer(client, reference, signal),
    inspectImage: async (reference, signal) => inspectImage(client, reference, signal),
    viewVolumes: async (names, signal) => viewVolumes(client, names, signal),
    volumeSizes: async (signal) => volumeSizes(client, signal),
    exec: async (container, argv, options, signal) => exec(client, container, argv, options, signal),
    state: async (project, signal) => readState(client, project, signal),
    saveImage: (image, signal) => saveImage(client, image, signal),
    pause: async (container, signal) => actions.pause(client, container, signal),
    unpause: async (container, signal) => actions.unpause(client, container, signal),
    stop: async (container, signal) => actions.stop(client, container, signal),
    start: async (container, signal) => actions.start(client, container, signal),
    waitHealthy: async (container, timeoutMs, signal) => actions.waitHealthy(client, container, timeoutMs, signal),
    runThrowaway: async (spec, signal) => runThrowaway(context, spec, signal),
    openTree: async (mount, options, signal) => openTree(context, mount, options, signal),
    probePlace: async (place, options, signal) => probePlace(context, place, options, signal),
    openTarget: async (place, options, signal) => openTarget(context, place, options, signal),
    removeFolder: async (path, options, signal) => removeFolder(context, path, options, signal),
    removeEmptyFolders: async (topmost, path, options, signal) => removeEmptyFolders(context, topmost, path, options, signal),
    readHostFile: async (path, signal) => readHostFile(context, path, signal),
    readContainerFile: async (container, path, signal) => readContainerFile(client, container, path, signal),
    putFiles: async (container, tar, signal) => putFiles(client, container, tar, signal),
    recreation,
    createNetwork: async (network, signal) => recreate.createNetwork(client, network, signal),
    createVolume: async (volume, signal) => recreate.createVolume(client, volume, signal),
    createContainer: async (container, signal) => recreate.createContainer(client, container, signal),
    removeContainer: async (name, signal) => recreate.removeContainer(client, name, signal),
    removeVolume: async (name, signal) => recreate.removeVolume(client, name, signal),
    removeNetwork: async (name, signal) => recreate.removeNetwork(client, name, signal),
    existingNetworks: async (names, signal) => recreate.existingNetworks(client, names, signal),
    loadImage: async (tar, signal) => loadImage(client, tar, signal),
    pullImage: async (digest, tags, signal) => pullImage(client, digest, tags, signal),
    keptRestores: async (project, signal) => keptRestores(context, project, signal),
    keepRestore: async (journal, until, signal) => keepRestore(context, journal, until, signal),
    forgetRestore: async (id, signal) => removeRecord(client, id, signal),
    claimProject: async (project, purpose, signal) => claimProject(context, project, purpose, undoJournal, signal),
    recover: async (project, signal) => recover(context, project, undoJournal, signal),
    recordedContainers,
    isolatedCopy,
    makeCopy: async (copy, signal) => makeCopy(context, copy, signal),
    putIntoCopy: async (drill, container, tar, signal) => putIntoCopy(context, drill, container, tar, signal),
    copyLogs: async (drill, container, lines, signal) => copyLogs(context, drill, container, lines, signal),
    keepCopy: async (copy, until, signal) => keepCopy(context, copy, until, signal),
    removeCopy: async (drill, signal) => removeCopy(context, drill, signal),
    sweepCopies: async (project, signal) => sweepCopies(context, project, signal),
    [Symbol.asyncDispose]: async () => client[Symbol.dispose](),
  };
  return engine;
}

interface ReadInfo {
  readonly info: EngineInfo;
  /** The engine runs on this machine's kernel, so its clock is ours. */
  readonly sharesKernel: boolean;
}

async function readInfo(client: EngineClient, endpoint: Endpoint, own: ContainerJson | null, signal: AbortSignal): Promise<ReadInfo> {
  const [version, info] = await Promise.all([
    client.json<PingVersion>('GET', '/version', {}, 'asking for the version', signal),
    allowed(client.json<InfoJson>('GET', '/info', {}, 'asking for the engine info', signal)),
  ]);
  const podman = (version.Components ?? []).some(({ Name }) => /podman/i.test(Name));
  const rootless = (info?.SecurityOptions ?? []).some((option) => option.includes('rootless'));
  const operatingSystem = info?.OperatingSystem ?? version.Os ?? 'unknown';
  // Behind a forwarded socket, in a virtual machine or with Docker Desktop the kernels differ.
  const sharesKernel = endpoint.kind === 'unix' && info?.KernelVersion === release() && !/docker desktop/i.test(operatingSystem);
  return {
    sharesKernel,
    info: {
      id: info?.ID || endpoint.printable, // a proxy may forbid /info
      name: info?.Name ?? 'unknown',
      version: version.Version ?? info?.ServerVersion ?? 'unknown',
      apiVersion: client.apiVersion,
      operatingSystem,
      architecture: version.Arch ?? info?.Architecture ?? 'unknown',
      rootless,
      podman,
      unifiedGroups: info?.CgroupVersion === '2',
      endpoint: endpoint.printable,
      sharesFilesystem: sharesKernel && !rootless && own === null,
      ...(own === null ? {} : { ownContainer: { id: own.Id, name: own.Name.replace(/^\//, ''), mounts: toMounts(own) } }),
    },
  };
}

async function allowed<T>(question: Promise<T>): Promise<T | null> {
  try {
    return await question;
  } catch (error) {
    if (error instanceof McadsError && error.code === 'forbidden') return null;
    throw error;
  }
}
