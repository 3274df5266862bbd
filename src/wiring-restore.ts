import { randomBytes } from 'node:crypto';
import type { RunSetup } from './cli/services.ts';
import type { EventSink } from './domain/events.ts';
import type { Finding } from './domain/finding.ts';
import { NO_HOST_SETTINGS } from './domain/host.ts';
import { isStored } from './domain/outcome.ts';
import type { Engine, ProjectClaim, SnapshotRepository, UndoRestore, UndoStep } from './domain/ports.ts';
import type { KeptRestore, RestorePlan, RestoreResult } from './domain/restore.ts';
import { McadsError } from './errors.ts';
import { SERVICE_DOWN } from './pipeline/quiesce.ts';
import type { BackupRequest, BackupResult } from './pipeline/requests.ts';
import type { RestorePorts, RestoreRequest, RollbackPorts, RollbackRequest, RollbackResult } from './pipeline/restore-requests.ts';
import type { UndoTools } from './pipeline/undo-restore.ts';

/** How long a service may take to become healthy when what a dead run left is undone. */
const HEALTH_TIMEOUT_MS = 120_000;

export interface RestoreWiring {
  openRepository(setup: RunSetup): Promise<SnapshotRepository>;
  /** A backup of the claimed project through this engine. */
  backup(request: BackupRequest, setup: RunSetup, engine: Engine, events: EventSink, signal: AbortSignal): Promise<BackupResult>;
}

/** What the engine calls for a restore that a dead run left. */
export function undoRestoreWith(events: EventSink): UndoRestore {
  return async (engine, journal, signal) => {
    const { finishRestore, undoRestore } = await import('./pipeline/undo-restore.ts');
    const tools = await undoTools(events);
    const { proven, rollbackOf } = journal;
    const report = await (proven === undefined
      ? undoRestore(engine, journal, tools, signal)
      : finishRestore(engine, journal, proven, { tools, now: new Date() }, signal));
    if (rollbackOf !== undefined && report.failed.length === 0) await engine.forgetRestore(rollbackOf, signal);
    const stays = (report.stays ?? []).map((what) => `it stays: ${what}`);
    return { ...report, undone: [...report.undone, ...stays, ...(report.lost ?? [])] };
  };
}

export async function planRestore(
  request: RestoreRequest,
  setup: RunSetup,
  engine: Engine,
  wiring: RestoreWiring,
  events: EventSink,
  signal: AbortSignal,
): Promise<RestorePlan> {
  const layer = await import('./pipeline/plan-restore.ts');
  const ports = await restorePorts(request, setup, engine, wiring, async () => undefined, events);
  await using repository = await wiring.openRepository(setup);
  return await layer.planRestore(request, repository, await repository.manifest(request.snapshot), ports, signal);
}

export async function runRestore(
  request: RestoreRequest,
  setup: RunSetup,
  engine: Engine,
  wiring: RestoreWiring,
  confirm: (plan: RestorePlan) => Promise<void>,
  events: EventSink,
  signal: AbortSignal,
): Promise<RestoreResult> {
  const { restore } = await import('./pipeline/restore.ts');
  return restore(request, await restorePorts(request, setup, engine, wiring, confirm, events), signal);
}

export async function runRollback(
  request: RollbackRequest,
  setup: RunSetup,
  engine: Engine,
  confirm: (kept: KeptRestore) => Promise<void>,
  events: EventSink,
  signal: AbortSignal,
): Promise<RollbackResult> {
  const { rollback } = await import('./pipeline/rollback.ts');
  const { adapters, hostWriter } = await undoTools(events);
  const ports: RollbackPorts = {
    engine,
    adapters,
    hostWriter,
    settingsFor: (model) => setup.settingsFor(model),
    confirm,
    now: () => new Date(),
    events,
  };
  return rollback(request, ports, signal);
}

/** States before earlier restores that nobody may go back to any more. The project is claimed. */
export async function discardOld(engine: Engine, project: string, events: EventSink, signal: AbortSignal): Promise<readonly Finding[]> {
  const { discardExpired } = await import('./pipeline/kept-restores.ts');
  return discardExpired(engine, project, await undoTools(events), new Date(), signal);
}

async function undoTools(events: EventSink): Promise<UndoTools> {
  const [{ databaseAdapters }, { hostWriter }] = await Promise.all([import('./databases/registry.ts'), import('./host/host-writer.ts')]);
  return {
    adapters: databaseAdapters,
    hostWriter: hostWriter(),
    tree: { transport: 'auto', helperImage: null },
    healthTimeoutMs: HEALTH_TIMEOUT_MS,
    events,
  };
}

async function restorePorts(
  request: RestoreRequest,
  setup: RunSetup,
  engine: Engine,
  wiring: RestoreWiring,
  confirm: (plan: RestorePlan) => Promise<void>,
  events: EventSink,
): Promise<RestorePorts> {
  const [{ adapters, hostWriter }, { hostFiles }, { namesOf }, { hostRuntime }] = await Promise.all([
    undoTools(events),
    import('./host/host-files.ts'),
    import('./pipeline/discover-host.ts'),
    import('./host/runtime.ts'),
  ]);
  return {
    engine,
    adapters,
    host: hostFiles(),
    hostWriter,
    openRepository: () => wiring.openRepository(setup),
    loadCompose: () => setup.loadCompose(),
    settingsFor: (model) => setup.settingsFor(model),
    namesOf: (directory) => namesOf(directory, hostRuntime()),
    confirm,
    safetyBackup: (components, claim, signal) => safetyBackup(components, claim, request, setup, engine, wiring, events, signal),
    now: () => new Date(),
    run: randomBytes(6).toString('hex'),
    events,
  };
}

/** The restore holds the project's claim already: the backup is given that one. */
async function safetyBackup(
  components: readonly string[],
  claim: ProjectClaim,
  request: RestoreRequest,
  setup: RunSetup,
  engine: Engine,
  wiring: RestoreWiring,
  events: EventSink,
  signal: AbortSignal,
): Promise<string> {
  const { transport, helperImage, jobs, healthTimeoutMs, directory, projectName, neverTouch } = request;
  const wanted: BackupRequest = {
    directory,
    projectName,
    services: [],
    components,
    images: 'none',
    configFiles: [],
    exclude: [],
    sizes: false,
    neverCapture: neverTouch,
    logDirectory: setup.repository,
    hostSettings: NO_HOST_SETTINGS,
    strategy: setup.engine.strategy,
    transport,
    helperImage,
    rescan: false,
    jobs,
    prune: false,
    healthTimeoutMs,
    repository: setup.repository,
  };
  const heldClaim = {
    recordUndo: (steps: readonly UndoStep[]): Promise<() => Promise<void>> => claim.recordUndo(steps),
    recordRestore: async (): Promise<void> => undefined,
    clearRestore: async (): Promise<void> => undefined,
    [Symbol.asyncDispose]: async (): Promise<void> => undefined,
  };
  const claimed: Engine = { ...engine, claimProject: async () => ({ claim: heldClaim, undone: { undone: [], failed: [] } }) };
  const { manifest, outcomes, findings } = await wiring.backup(wanted, setup, claimed, events, signal);
  const down = findings.find(({ code }) => code === SERVICE_DOWN);
  if (down !== undefined) throw new McadsError('engine-failed', down.message, { hint: down.hint });
  const failed = outcomes.filter((outcome) => !isStored(outcome)).map(({ id }) => id);
  if (manifest === null || failed.length > 0) {
    throw new McadsError('component-failed', `${failed.length === 0 ? 'nothing' : failed.join(', ')} could not be captured`);
  }
  return manifest.name;
}
