import { componentId, componentIdOfName } from '../domain/component.ts';
import type { JsonValue } from '../domain/byte-stream.ts';
import type { EngineContainer, EngineMount } from '../domain/engine-model.ts';
import type { Finding, Uncovered } from '../domain/finding.ts';
import type { Because } from '../domain/manifest.ts';
import type { PlannedComponent, Project, TreeMount } from '../domain/plan.ts';
import type { DatabaseAdapter, DatabaseIo, DatabaseTarget, Detection } from '../domain/database-ports.ts';
import type { Engine } from '../domain/ports.ts';
import { McadsError, messageOf, stopsRun } from '../errors.ts';
import { becauseOf } from './because.ts';
import type { PlanPorts } from './requests.ts';
import { declaredMounts, hooksOf, mainContainer, replicaName, type ServiceView } from './service-views.ts';

/** What the databases' plan means for the mount that holds a cluster's files. */
export interface ClusterMount {
  /** Engine volume name or host path. */
  readonly key: string;
  /** dumped: not captured raw. cold: captured, nothing runs. crash: captured although nobody vouches for it. */
  readonly treatment: 'dumped' | 'cold' | 'crash';
  /** The cluster's directory relative to the mount, `''` when it is the mount. */
  readonly relative: string;
  readonly facts: Readonly<Record<string, JsonValue>>;
}

export interface DatabasePlan {
  readonly components: readonly PlannedComponent[];
  readonly clusterMounts: readonly ClusterMount[];
  readonly uncovered: readonly Uncovered[];
  readonly findings: readonly Finding[];
}

/** Of one running container, or of a service without one. */
interface ContainerPlan extends DatabasePlan {
  readonly reached?: { readonly container: EngineContainer; readonly server: string };
}

const EMPTY: DatabasePlan = { components: [], clusterMounts: [], uncovered: [], findings: [] };

/** Finds every database service and asks the running ones what they hold. */
export async function planDatabases(
  views: readonly ServiceView[],
  project: Project,
  engine: Engine | null,
  ports: PlanPorts,
  signal: AbortSignal,
): Promise<DatabasePlan> {
  if (engine === null) return EMPTY;
  const findings: Finding[] = [];
  const io: DatabaseIo = { engine, runId: ports.runId, signal, warn: (finding) => findings.push(finding) };
  const found: ContainerPlan[] = [];
  for (const view of views) {
    if (view.settings.settings.enable === false) continue;
    found.push(...(await planService(view, project, ports.adapters, io)));
  }
  const plans = found.map((plan) => withoutClient(plan, found));
  return {
    components: plans.flatMap((plan) => plan.components),
    clusterMounts: plans.flatMap((plan) => plan.clusterMounts),
    uncovered: plans.flatMap((plan) => plan.uncovered),
    findings: [...plans.flatMap((plan) => plan.findings), ...findings],
  };
}

async function planService(
  view: ServiceView,
  project: Project,
  adapters: readonly DatabaseAdapter[],
  io: DatabaseIo,
): Promise<readonly ContainerPlan[]> {
  if (view.settings.failure !== null) return [failedService(view, view.settings.failure)];
  const wanted = view.settings.settings.engine;
  if (wanted === 'none') return [];
  if (wanted !== null && !adapters.some((adapter) => adapter.engine === wanted)) {
    const hint = `mcads.engine is one of: none, ${adapters.map((adapter) => adapter.engine).join(', ')}`;
    return [failedService(view, { reason: `no adapter named ${wanted}`, hint })];
  }
  const real = mainContainer(view);
  const container = real ?? (await containerFromDeclaration(view, project, io));
  if (container === null) return [];
  const candidates = wanted === null ? adapters : adapters.filter((adapter) => adapter.engine === wanted);
  for (const adapter of candidates) {
    const detection = adapter.detect(container, view.settings.settings);
    if (detection === null) continue;
    if (real === null) return [await planCold(view, container, adapter, detection, io)];
    const running = view.containers.filter((one) => one.state === 'running');
    if (running.length === 0) return [await planCold(view, container, adapter, detection, io)];
    const plans: ContainerPlan[] = [];
    for (const one of running) plans.push(await planRunning(view, one, adapter, detection, io));
    return plans;
  }
  return [];
}

/** A service that shares a server's network and has its programs too (a console, a cron job) is no second server: only the first is dumped. */
function withoutClient(plan: ContainerPlan, all: readonly ContainerPlan[]): DatabasePlan {
  const { reached } = plan;
  if (reached === undefined) return plan;
  const owner = all.find((other) => other.reached?.container.id === reached.container.sharesNetworkOf)?.reached;
  if (owner === undefined || owner.server !== reached.server) return plan;
  return {
    ...EMPTY,
    clusterMounts: plan.clusterMounts,
    findings: [
      {
        severity: 'info',
        code: 'database-client',
        subject: `service ${reached.container.service ?? reached.container.name}`,
        message: `${reached.container.name} is in the network of ${owner.container.name} and reaches the same server: dumped there, once`,
      },
    ],
  };
}

async function planRunning(
  view: ServiceView,
  container: EngineContainer,
  adapter: DatabaseAdapter,
  detection: Detection,
  io: DatabaseIo,
): Promise<ContainerPlan> {
  const target: DatabaseTarget = { service: view.name, container, settings: view.settings.settings };
  const name = replicaName(view.name, container);
  const hooks = hooksOf(view, [container]);
  try {
    const listing = await adapter.list(target, io);
    const common = {
      because: because(view, detection),
      users: [container.id],
      quiesce: 'none',
      settings: view.settings.settings,
      hooks,
    } as const;
    const dumps = listing.databases.map((database): PlannedComponent => ({
      ...common,
      id: componentIdOfName('database', name, database.name),
      method: { kind: 'dump', adapter: adapter.engine, service: view.name, container: container.id, database: database.name },
      how: `${adapter.engine} dump through exec in ${container.name} (${detection.why})`,
      bytes: database.bytes,
      consistency: 'dump',
      findings: [],
      facts: listing.facts,
    }));
    const globals: PlannedComponent = {
      ...common,
      id: componentId('globals', name),
      method: { kind: 'globals', adapter: adapter.engine, service: view.name, container: container.id },
      how: `roles and settings of the ${adapter.engine} server in ${container.name}`,
      bytes: null,
      consistency: 'dump',
      findings: listing.findings,
      facts: listing.facts,
    };
    const directories = [listing.dataDirectory, ...(listing.furtherDirectories ?? [])];
    return {
      components: [...dumps, globals],
      clusterMounts: directories.flatMap((directory): ClusterMount[] => {
        const mount = mountHolding(container, directory);
        return mount === null ? [] : [{ key: mountKey(mount.mount), treatment: 'dumped', relative: mount.relative, facts: {} }];
      }),
      uncovered: (listing.notDumped ?? []).map((database) => ({
        subject: componentIdOfName('database', name, database),
        reason: 'it allows no connections, so that nothing can dump it',
      })),
      findings: [],
      ...(listing.server === null ? {} : { reached: { container, server: listing.server } }),
    };
  } catch (error) {
    if (stopsRun(error) || io.signal.aborted) throw error;
    return unreachable(view, container, adapter, detection, error);
  }
}

/** The server runs but cannot be dumped: the dump fails, its raw files are kept as a crash copy. */
function unreachable(
  view: ServiceView,
  container: EngineContainer,
  adapter: DatabaseAdapter,
  detection: Detection,
  error: unknown,
): DatabasePlan {
  const mount = mountHolding(container, adapter.dataDirectory(container));
  return {
    components: [
      failedDump(view, container, adapter, detection, {
        reason: messageOf(error),
        hint: error instanceof McadsError ? error.hint : undefined,
      }),
    ],
    clusterMounts:
      mount === null
        ? []
        : [{ key: mountKey(mount.mount), treatment: 'crash', relative: mount.relative, facts: { dumpFailed: messageOf(error) } }],
    uncovered: [],
    findings: [],
  };
}

async function planCold(
  view: ServiceView,
  container: EngineContainer,
  adapter: DatabaseAdapter,
  detection: Detection,
  io: DatabaseIo,
): Promise<DatabasePlan> {
  const dataDirectory = adapter.dataDirectory(container);
  const found = mountHolding(container, dataDirectory);
  const since = container.id === '' ? 'has no container' : stateOf(container);
  if (found === null) {
    return {
      ...EMPTY,
      components:
        container.id === ''
          ? []
          : [
              failedDump(view, container, adapter, detection, {
                reason: `${view.name} ${since} and its files lie in no volume`,
                hint: `start it: docker compose up -d ${view.name}`,
              }),
            ],
    };
  }
  const mount: TreeMount = treeMountOf(found.mount);
  const key = mountKey(found.mount);
  if (container.state !== 'exited' && container.state !== 'created' && container.state !== 'dead') {
    const reason = `${view.name} ${since}; a dump needs it running`;
    return {
      ...EMPTY,
      components: [failedDump(view, container, adapter, detection, { reason, hint: `docker compose ps ${view.name}` })],
      clusterMounts: [{ key, treatment: 'crash', relative: found.relative, facts: { dumpFailed: reason } }],
    };
  }
  try {
    const cold = await adapter.coldState({ container, settings: view.settings.settings }, mount, found.relative, io);
    if (cold.clean) {
      return {
        ...EMPTY,
        clusterMounts: [{ key, treatment: 'cold', relative: found.relative, facts: cold.facts }],
        findings: [
          {
            severity: 'info',
            code: 'database-captured-cold',
            subject: `database/${view.name}`,
            message: `${view.name} ${since}, shut down cleanly (${cold.detail}): its volume is captured cold instead of a dump`,
          },
        ],
      };
    }
    const reason = `${view.name} ${since} and was not shut down cleanly (${cold.detail})`;
    return {
      ...EMPTY,
      components: [
        failedDump(view, container, adapter, detection, {
          reason,
          hint: `start it so that it recovers, then back up again: docker compose up -d ${view.name}`,
        }),
      ],
      clusterMounts: [{ key, treatment: 'crash', relative: found.relative, facts: cold.facts }],
    };
  } catch (error) {
    if (stopsRun(error) || io.signal.aborted) throw error;
    const reason = `${view.name} ${since} and its state cannot be read: ${messageOf(error)}`;
    return {
      ...EMPTY,
      components: [failedDump(view, container, adapter, detection, { reason, hint: error instanceof McadsError ? error.hint : undefined })],
      clusterMounts: [{ key, treatment: 'crash', relative: found.relative, facts: {} }],
    };
  }
}

/** Since when is known of what has ended; Docker gives the year 1 for what never was. */
function stateOf({ state, finishedAt }: EngineContainer): string {
  if (state === 'created') return 'was never started';
  const ended = state === 'exited' || state === 'dead' ? finishedAt : '';
  return ended === '' || ended.startsWith('0001-') ? `is ${state}` : `is ${state} since ${ended}`;
}

function failedDump(
  view: ServiceView,
  container: EngineContainer,
  adapter: DatabaseAdapter,
  detection: Detection,
  failure: { readonly reason: string; readonly hint?: string | undefined },
): PlannedComponent {
  return {
    id: componentId('database', view.name),
    method: { kind: 'dump', adapter: adapter.engine, service: view.name, container: container.id, database: '' },
    how: `${adapter.engine} dump (${detection.why})`,
    because: because(view, detection),
    bytes: null,
    consistency: 'dump',
    users: container.id === '' ? [] : [container.id],
    quiesce: 'none',
    findings: [],
    settings: view.settings.settings,
    failure,
  };
}

function failedService(view: ServiceView, failure: { readonly reason: string; readonly hint?: string | undefined }): DatabasePlan {
  return {
    ...EMPTY,
    findings: [
      { severity: 'error', code: 'service-settings', subject: `service ${view.name}`, message: failure.reason, hint: failure.hint },
    ],
  };
}

/** A service without a container, as its declaration and its image describe it; null when there is nothing to go by. */
async function containerFromDeclaration(view: ServiceView, project: Project, io: DatabaseIo): Promise<EngineContainer | null> {
  const declared = view.declared;
  if (declared === null || declared.image === null) return null;
  const image = await io.engine.inspectImage(declared.image, io.signal);
  const mounts = declaredMounts(declared, project);
  if (mounts.length === 0) return null;
  const environment: Record<string, string> = { ...image?.environment };
  for (const [key, value] of Object.entries(declared.environment)) if (value !== null) environment[key] = value;
  return {
    id: '',
    name: view.name,
    project: project.name,
    service: view.name,
    number: 1,
    oneOff: false,
    image: declared.image,
    imageId: image?.id ?? declared.image,
    imageDigests: image?.digests ?? [],
    imageTags: image?.tags ?? [declared.image],
    imageEnvironment: image?.environment ?? {},
    state: 'exited',
    health: 'none',
    startedAt: '',
    finishedAt: '',
    exitCode: 0,
    environment,
    labels: declared.labels,
    mounts,
    tmpfs: [],
    exposedPorts: [],
    dependsOn: {},
    stopTimeoutSeconds: null,
    command: [],
    swarmService: null,
    sharesNetworkOf: null,
    sharesNamespacesOf: [],
  };
}

function because(view: ServiceView, detection: Detection): Because {
  return view.settings.origins?.['engine'] === undefined ? detection.because : becauseOf('engine', view.settings);
}

/** The mount that holds a directory of the container: the longest target that is a prefix of it. */
export function mountHolding(
  container: Pick<EngineContainer, 'mounts'>,
  directory: string,
): { readonly mount: EngineMount; readonly relative: string } | null {
  const holding = container.mounts
    .filter(
      (mount) =>
        (mount.type === 'volume' || mount.type === 'bind') &&
        (directory === mount.target || directory.startsWith(`${mount.target.replace(/\/$/, '')}/`)),
    )
    .toSorted((a, b) => b.target.length - a.target.length)[0];
  if (holding === undefined) return null;
  const inMount = directory.slice(holding.target.replace(/\/$/, '').length).replace(/^\//, '');
  return { mount: holding, relative: [holding.subpath ?? '', inMount].filter((part) => part !== '').join('/') };
}

export function mountKey(mount: EngineMount): string {
  return mount.type === 'volume' && mount.name !== null ? mount.name : mount.source;
}

export function treeMountOf(mount: EngineMount): TreeMount {
  return mount.type === 'volume' && mount.name !== null
    ? { type: 'volume', name: mount.name, driver: mount.driver ?? 'local', subpath: null }
    : { type: 'bind', hostPath: mount.source };
}
