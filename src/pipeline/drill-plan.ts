import { decodeIdPart, kindOf, matchesComponent, type ComponentId } from '../domain/component.ts';
import { isJsonObject, type JsonValue } from '../domain/byte-stream.ts';
import type { Assertion } from '../domain/drill.ts';
import type { DatabaseAdapter } from '../domain/database-ports.ts';
import type { IsolatedCopy } from '../domain/drill-ports.ts';
import type { EngineContainer, EngineState } from '../domain/engine-model.ts';
import type { Manifest, ManifestArtifact } from '../domain/manifest.ts';
import { settingsForAccess, type TreeMount } from '../domain/plan.ts';
import type { SnapshotRepository } from '../domain/ports.ts';
import type { DatabaseAccess } from '../domain/restore.ts';
import { McadsError } from '../errors.ts';
import type { DrilledComponent } from './drilled-component.ts';
import { heldFilesOf, type HeldFile } from './drill-held-files.ts';
import type { DrillPorts, DrillRequest } from './drill-requests.ts';
import { mountHolding, mountKey } from './plan-databases.ts';
import type { SettingsLookup } from './requests.ts';
import { artifactsOf } from './select-components.ts';

export interface DrilledTree extends DrilledComponent {
  readonly catalogue: ManifestArtifact;
  /** Recorded volume name or host folder: the key of its place in the copy. */
  readonly recorded: string;
  /** Where it lives at the source. */
  readonly source: TreeMount;
}

export interface DrilledDatabase extends DrilledComponent {
  readonly database: string;
}

export interface DrilledServer {
  readonly service: string;
  readonly adapter: DatabaseAdapter;
  readonly access: DatabaseAccess;
  /** As it was recorded. */
  readonly container: EngineContainer;
  readonly databases: readonly DrilledDatabase[];
  readonly globals: DrilledComponent | null;
}

export interface DrillPlan {
  readonly manifest: Manifest;
  readonly selected: readonly DrilledComponent[];
  /** False: only a part was asked for. */
  readonly isWhole: boolean;
  readonly state: EngineState | null;
  readonly containers: readonly EngineContainer[];
  readonly trees: readonly DrilledTree[];
  /** By the host path that they were mounted from. */
  readonly files: ReadonlyMap<string, HeldFile>;
  readonly servers: readonly DrilledServer[];
  /** Databases that nothing recorded could hold: the state is missing or damaged. */
  readonly homeless: readonly ComponentId[];
  readonly copy: IsolatedCopy | null;
}

/** What there is to drill. Reads the recorded state and configuration, without which the rest is still read; changes nothing. */
export async function planDrill(
  request: DrillRequest,
  manifest: Manifest,
  repository: SnapshotRepository,
  ports: DrillPorts,
  settings: SettingsLookup,
  signal: AbortSignal,
): Promise<DrillPlan> {
  const all = manifest.components.map((component): DrilledComponent => {
    const details = manifest.sealed.components[component.id];
    if (details === undefined) throw new McadsError('damaged', `${manifest.name} says nothing of its component ${component.id}`);
    return { id: component.id, details, ...artifactsOf(component) };
  });
  const isSelected = ({ id }: DrilledComponent): boolean =>
    request.components.length === 0 || request.components.some((glob) => matchesComponent(id, glob));
  const selected = all.filter(isSelected);
  if (selected.length === 0) {
    const ids = manifest.components.map(({ id }) => id).join(', ');
    throw new McadsError('usage', `${manifest.name} holds no component ${request.components.join(', ')}`, { hint: `it holds ${ids}` });
  }
  const stateComponent = all.find(({ id }) => id === 'state');
  const state = stateComponent === undefined ? null : await orWhenDamaged(readState(stateComponent, repository, signal), null);
  const containers = state === null ? [] : ports.engine.recordedContainers(state).filter(({ oneOff }) => !oneOff);
  const files = await orWhenDamaged(heldFilesOf(all, manifest, repository, signal), new Map<string, HeldFile>());
  const trees = selected.flatMap((one) => treeOf(one, files));
  const servers = serversOf(selected, containers, trees, ports.adapters, settings);
  const served = new Set(servers.flatMap(({ databases }) => databases.map(({ id }) => id)));
  const homeless = selected.flatMap(({ id }) => (kindOf(id) === 'database' && !served.has(id) ? [id] : []));
  const plan = { manifest, selected, isWhole: selected.length === all.length, state, containers, trees, files, servers, homeless };
  return { ...plan, copy: state === null ? null : copyOf(state, plan, request, ports) };
}

function copyOf(state: EngineState, plan: Omit<DrillPlan, 'copy' | 'state'>, request: DrillRequest, ports: DrillPorts): IsolatedCopy {
  const { project } = plan.manifest.sealed;
  const databases = new Set(plan.servers.map(({ service }) => service));
  const ran = new Set(plan.containers.flatMap(({ service, state: was }) => (service !== null && was === 'running' ? [service] : [])));
  const volumes = plan.trees.filter(({ source }) => source.type === 'volume').map(({ recorded }) => recorded);
  const folders = plan.trees.filter(({ source }) => source.type === 'bind').map(({ recorded }) => recorded);
  return ports.engine.isolatedCopy(state, {
    drill: ports.run,
    project,
    copy: `${project}-drill-${ports.run}`,
    services: request.services ? new Set([...databases, ...ran]) : databases,
    filledVolumes: new Set(volumes),
    filledFolders: new Set(folders),
    files: new Set(plan.files.keys()),
    memoryBytes: request.memoryBytes,
  });
}

/** Damage is told by the reading of level 0, which goes over every component. */
async function orWhenDamaged<T>(reading: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof McadsError && error.code === 'damaged') return otherwise;
    throw error;
  }
}

async function readState(component: DrilledComponent, repository: SnapshotRepository, signal: AbortSignal): Promise<EngineState> {
  const parts: Uint8Array[] = [];
  for await (const bytes of repository.read(component.data, signal)) parts.push(bytes);
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8')) as EngineState; // as captureState wrote it, under a checksum
  } catch (error) {
    throw new McadsError('damaged', 'the recorded state of the engine is no JSON', { cause: error });
  }
}

function treeOf(component: DrilledComponent, files: ReadonlyMap<string, HeldFile>): readonly DrilledTree[] {
  const { catalogue, details } = component;
  if (catalogue === null) return [];
  const volume = details.facts['volume'];
  const hostPath = text(details.facts['hostPath']);
  if (isJsonObject(volume)) {
    const name = text(volume['name']);
    const source = { type: 'volume' as const, name, driver: text(volume['driver']) || 'local', subpath: null };
    return [{ ...component, catalogue, recorded: name, source }];
  }
  if (hostPath === '' || files.has(hostPath)) return [];
  return [{ ...component, catalogue, recorded: hostPath, source: { type: 'bind', hostPath } }];
}

/** Servers with dumps, and those whose files came as they lay. */
function serversOf(
  selected: readonly DrilledComponent[],
  containers: readonly EngineContainer[],
  trees: readonly DrilledTree[],
  adapters: readonly DatabaseAdapter[],
  settings: SettingsLookup,
): readonly DrilledServer[] {
  const servers: DrilledServer[] = [];
  for (const container of containers) {
    const { service } = container;
    if (service === null || servers.some((server) => server.service === service)) continue;
    const own = settings.forService(service, container.labels).settings;
    if (own.engine === 'none') continue; // a client that has the server's programs
    const adapter = adapters.find((one) => one.detect(container, settingsForAccess(own.postgres)) !== null);
    if (adapter === undefined) continue;
    const mine = selected.filter(({ id }) => decodeIdPart(id.split('/')[1] ?? '') === service);
    const databases = mine
      .filter(({ id }) => kindOf(id) === 'database')
      .map((one) => ({ ...one, database: decodeIdPart(one.id.split('/')[2] ?? '') }));
    const globals = mine.find(({ id }) => kindOf(id) === 'globals') ?? null;
    const files = mountHolding(container, adapter.dataDirectory(container));
    const isRaw = files !== null && trees.some(({ recorded }) => recorded === mountKey(files.mount));
    if (databases.length > 0 || globals !== null || isRaw)
      servers.push({ service, adapter, access: own.postgres, container, databases, globals });
  }
  return servers;
}

/** Those that labels and service blocks make; each gets the name of its service. */
export function assertionsOf({ containers }: DrillPlan, settings: SettingsLookup): readonly Assertion[] {
  const services = new Map(containers.flatMap(({ service, labels }) => (service === null ? [] : [[service, labels] as const])));
  return [...services].flatMap(([service, labels]) => settings.forService(service, labels).settings.assertions ?? []);
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
