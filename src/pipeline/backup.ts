import type { Manifest } from '../domain/manifest.ts';
import type { ExportReport } from '../domain/archive.ts';
import type { Finding } from '../domain/finding.ts';
import type { ProjectClaim, PruneDecision, SnapshotRepository, SnapshotWriter } from '../domain/ports.ts';
import { isStored, type Outcome } from '../domain/outcome.ts';
import type { BackupPlan, CaptureGroup, PlannedComponent, Project } from '../domain/plan.ts';
import { sizeFinding, unusualSize } from '../domain/size-check.ts';
import { snapshotName } from '../domain/snapshot-name.ts';
import type { SnapshotSummary } from '../domain/snapshot-summary.ts';
import { McadsError, messageOf, stopsRun } from '../errors.ts';
import { assembleManifest } from './assemble-manifest.ts';
import { captureComponent, type CaptureContext } from './capture-component.ts';
import { rotatingDisks } from './data-paths.ts';
import { discover } from './discover.ts';
import { plan as makePlan } from './plan.ts';
import { otherPlace, sharedNameFinding } from './other-place.ts';
import { downSince, quiesce } from './quiesce.ts';
import { OpenedTrees } from './opened-trees.ts';
import { rawDatabase } from './raw-database.ts';
import { placeFindings } from './repository-place.ts';
import type { BackupPorts, BackupRequest, BackupResult } from './requests.ts';
import { runAll } from './run-all.ts';
import { vanishedFindings } from './vanished.ts';

/**
 * discover → plan → capture → store → commit → verify → report, as design §3 has it.
 * A component that fails leaves the others alone; what fails the engine, the repository or the lease ends the run with nothing committed.
 */
export async function backup(request: BackupRequest, ports: BackupPorts, signal: AbortSignal): Promise<BackupResult> {
  const startedAt = ports.now();
  const { events } = ports;
  events({ type: 'stage', stage: 'discover' });
  const found = await discover(request, ports, signal);
  await using claim = await claimProject(found, ports, signal);
  // What another run had stopped, alive until a moment ago or dead, runs again now: look once more.
  const project = ports.engine === null && claim.undone.length === 0 ? found : await discover(request, ports, signal);
  events({ type: 'stage', stage: 'plan', detail: project.name });
  const made = await makePlan(project, ports.engine, request, ports, signal);
  assertSomethingToDo(made);
  await using trees = ports.engine === null ? null : new OpenedTrees(ports.engine, made, request);
  trees?.openAhead(signal);
  const old = await ports.discardOld(project.name);
  const place = await placeFindings(request.repository, made, ports.host);
  const plan = { ...made, findings: [...made.findings, ...claim.notUndone, ...place, ...old] };

  const { manifest, outcomes, down, location } = await captureSnapshot(plan, claim, trees, request, ports, startedAt, signal);
  // The run's own lease on the repository is gone by now: retention wants it for itself.
  const archived = manifest !== null && request.archive === true ? await writeArchive(manifest, ports, signal) : NO_ARCHIVE;
  const complete = manifest?.sealed.completeness === 'complete';
  const retention = complete && request.prune ? await applyRetention(project, ports, signal) : NOTHING_PRUNED;
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'failed' ? outcome.findings : []));
  const died = ports.engine === null ? [] : await downSince(plan, down, ports.engine);
  return {
    manifest,
    plan,
    outcomes,
    findings: [
      ...(manifest?.sealed.findings ?? [...plan.findings, ...failures]),
      ...down,
      ...died,
      ...archived.findings,
      ...retention.findings,
    ],
    uncovered: plan.uncovered,
    archive: archived.report,
    pruned: retention.pruned,
    repository: location,
    seconds: (ports.now().getTime() - startedAt.getTime()) / 1000,
  };
}

interface Archived {
  readonly report: ExportReport | null;
  readonly findings: readonly Finding[];
}

/** From the commit on no signal undoes anything. */
const LATE = 'the signal came when the snapshot was committed, which it stays';

const NO_ARCHIVE: Archived = { report: null, findings: [] };

/** The snapshot exists by now: an archive that cannot be written is told beside it. */
async function writeArchive({ name }: Manifest, ports: BackupPorts, signal: AbortSignal): Promise<Archived> {
  try {
    return { report: await ports.exportArchive(name), findings: [] };
  } catch (error) {
    const late = signal.aborted ? LATE : null;
    if (late === null && !(error instanceof McadsError)) throw error;
    const own = late === null && error instanceof McadsError ? error.hint : undefined;
    const hint = own ?? `write it later: export ${name}`;
    const message = `the snapshot is there, its classic archive is not: ${late ?? messageOf(error)}`;
    return { ...NO_ARCHIVE, findings: [{ severity: 'error', code: 'not-archived', subject: name, message, hint }] };
  }
}

interface Retention {
  readonly pruned: readonly PruneDecision[];
  readonly findings: readonly Finding[];
}

const NOTHING_PRUNED: Retention = { pruned: [], findings: [] };

/** The snapshot exists by now, whatever comes of this: a busy repository is pruned by a later run, any other trouble is told beside it. */
async function applyRetention(project: Project, ports: BackupPorts, signal: AbortSignal): Promise<Retention> {
  try {
    return { ...NOTHING_PRUNED, pruned: await ports.applyRetention(project.name, project.strategy) };
  } catch (error) {
    if (signal.aborted)
      return {
        ...NOTHING_PRUNED,
        findings: [{ severity: 'warning', code: 'not-pruned', subject: 'prune', message: `pruning was left: ${LATE}` }],
      };
    if (!(error instanceof McadsError)) throw error;
    const severity = error.code === 'locked' ? 'warning' : 'error';
    const message = `nothing old was pruned: ${error.message.replace(/^nothing was pruned: /, '')}`;
    return { ...NOTHING_PRUNED, findings: [{ severity, code: 'not-pruned', subject: 'prune', message, hint: error.hint }] };
  }
}

interface Snapshot {
  /** Null when nothing could be captured. */
  readonly manifest: Manifest | null;
  readonly outcomes: readonly Outcome[];
  /** Services that did not come back: the snapshot says nothing of them, it is as good as with them. */
  readonly down: readonly Finding[];
  readonly location: string;
}

async function captureSnapshot(
  plan: BackupPlan,
  claimed: Claimed,
  trees: OpenedTrees | null,
  request: BackupRequest,
  ports: BackupPorts,
  startedAt: Date,
  signal: AbortSignal,
): Promise<Snapshot> {
  await using repository = await ports.openRepository();
  await using writer = await begin(repository, plan, request, ports, signal);
  const running = AbortSignal.any([signal, writer.signal]);
  const components = plan.groups.flatMap((group) => group.components.map(({ id, bytes }) => ({ id, bytes })));
  ports.events({ type: 'planned', components });
  const outcomes: Outcome[] = [];
  const disks = await rotatingDisks(plan, ports.host);
  const context = { plan, writer, request, ports, trees, disks, signal: running };
  const down: Finding[] = [];
  for (const group of plan.groups) {
    const captured = await captureGroup(group, claimed.claim, context);
    outcomes.push(...captured.outcomes);
    down.push(...captured.down);
  }
  if (!outcomes.some(isStored)) return { manifest: null, outcomes, down, location: repository.location };
  const undone = claimed.undone;
  const earlier = await earlierSnapshots(repository);
  const told = { ...plan, findings: [...plan.findings, ...vanishedFindings(plan, earlier)] };
  const made = assembleManifest({ plan: told, outcomes, startedAt, finishedAt: ports.now(), repository, writer, ports, undone });
  const sized = withSizeFinding(made, earlier);
  const manifest = withFindings(sized, [...repository.findings, ...(await sharedName(plan, writer, ports))]);
  ports.events({ type: 'stage', stage: 'commit', detail: manifest.name });
  await writer.commit(manifest, ports.renderVerification(manifest));
  return { manifest, outcomes, down, location: repository.location };
}

/** For a comparison that no backup may fail for. */
async function earlierSnapshots(repository: SnapshotRepository): Promise<readonly SnapshotSummary[]> {
  try {
    return await repository.snapshots();
  } catch (error) {
    if (!(error instanceof McadsError)) throw error;
    return [];
  }
}

/** A set that is much smaller or larger than its forerunners is kept, and said so. */
function withSizeFinding(manifest: Manifest, others: readonly SnapshotSummary[]): Manifest {
  const { sealed, name } = manifest;
  const unusual = unusualSize({ ...sealed, name, bytes: sealed.stats.bytes }, others);
  return unusual === null ? manifest : withFindings(manifest, [sizeFinding(unusual)]);
}

function withFindings(manifest: Manifest, more: readonly Finding[]): Manifest {
  const { sealed } = manifest;
  return more.length === 0 ? manifest : { ...manifest, sealed: { ...sealed, findings: [...sealed.findings, ...more] } };
}

/** Nothing else tells two applications of one name in a repository apart. */
async function sharedName({ project, groups }: BackupPlan, writer: SnapshotWriter, ports: BackupPorts): Promise<readonly Finding[]> {
  const ids = groups.flatMap(({ components }) => components.map(({ id }) => id));
  const before = ids.map((id) => writer.parentOf(id)).filter((manifest) => manifest !== null);
  const newest = before.toSorted((a, b) => (a.sealed.startedAt < b.sealed.startedAt ? 1 : -1))[0];
  if (newest === undefined || project.directory === null) return [];
  const place = await otherPlace(newest, { directory: project.directory, machine: ports.machine.name }, ports.host);
  return place === null ? [] : [sharedNameFinding(project.name, newest.name, place)];
}

function assertSomethingToDo(plan: BackupPlan): void {
  if (plan.groups.some((group) => group.components.length > 0)) return;
  throw new McadsError('nothing-found', `nothing of ${plan.project.name} can be captured`, { hint: 'see what `plan` says about it' });
}

interface Claimed extends AsyncDisposable {
  readonly claim: ProjectClaim | null;
  /** What a dead run had left and this one brought back. */
  readonly undone: readonly string[];
  /** And what it could not: the data may be a mixture. */
  readonly notUndone: readonly Finding[];
}

/** One writer per project; what a dead run left is brought back first. */
async function claimProject({ name, strategy }: Project, ports: BackupPorts, signal: AbortSignal): Promise<Claimed> {
  const claims = strategy === 'host' ? ports.hostClaims : ports.engine;
  if (claims === null) return { claim: null, undone: [], notUndone: [], [Symbol.asyncDispose]: async () => {} };
  const { claim, undone } = await claims.claimProject(name, 'backup', signal);
  for (const what of undone.undone) ports.events({ type: 'undone', what });
  return {
    claim,
    undone: undone.undone,
    notUndone: undone.failed.map(notUndone),
    [Symbol.asyncDispose]: () => claim[Symbol.asyncDispose](),
  };
}

function notUndone(what: string): Finding {
  return {
    severity: 'error',
    code: 'not-undone',
    subject: 'recover',
    message: `what a run that died had left could not be brought back, so this may be a mixture of two states: ${what}`,
    hint: 'mend that, run `mcads-orchestrate recover`, and back up again',
  };
}

/** Snapshots are named by the second: where the name is taken, the next second is waited for. */
async function begin(
  repository: SnapshotRepository,
  plan: BackupPlan,
  { limitRate }: BackupRequest,
  ports: BackupPorts,
  signal: AbortSignal,
): Promise<SnapshotWriter> {
  for (;;) {
    const name = snapshotName(plan.project.name, plan.project.strategy, ports.now()).full;
    try {
      return await repository.begin(name, plan.project.name, signal, limitRate);
    } catch (error) {
      if (!(error instanceof McadsError) || error.context['nameTaken'] !== true) throw error;
    }
    await nextSecond(ports.now(), signal);
  }
}

async function nextSecond(now: Date, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason instanceof Error ? signal.reason : new McadsError('cancelled', 'cancelled'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, 1000 - now.getMilliseconds());
    signal.addEventListener('abort', stop, { once: true });
  });
}

async function captureGroup(
  group: CaptureGroup,
  claim: ProjectClaim | null,
  context: CaptureContext,
): Promise<Pick<Snapshot, 'outcomes' | 'down'>> {
  const { ports, request, signal } = context;
  if (group.quiesce === 'none' || ports.engine === null || claim === null) {
    return { outcomes: await captureAll(group.components, context), down: [] };
  }
  const options = { healthTimeoutMs: request.healthTimeoutMs, events: ports.events };
  const freezing = await orFailure(quiesce(group, ports.engine, claim, options, signal), signal);
  if (freezing.failure !== null) return { outcomes: notFrozen(group, freezing.failure, ports), down: [] };
  await using frozen = freezing.value;
  const outcomes = await captureAll(group.components, context);
  return { outcomes, down: await frozen.bringBack() };
}

async function orFailure<T>(
  work: Promise<T>,
  signal: AbortSignal,
): Promise<{ readonly value: T; readonly failure: null } | { readonly failure: McadsError }> {
  try {
    return { value: await work, failure: null };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof McadsError) || stopsRun(error)) throw error;
    return { failure: error };
  }
}

/** Services that cannot be frozen are not read as if they were; the other groups go on. */
function notFrozen(group: CaptureGroup, failure: McadsError, ports: BackupPorts): readonly Outcome[] {
  return group.components.map(({ id, findings }): Outcome => {
    const reason = `its services could not be ${group.quiesce === 'pause' ? 'paused' : 'stopped'}: ${failure.message}`;
    const outcome: Outcome = { status: 'failed', id, reason, hint: failure.hint, findings };
    ports.events({ type: 'component-finished', outcome, seconds: 0 });
    return outcome;
  });
}

async function captureAll(components: readonly PlannedComponent[], context: CaptureContext): Promise<readonly Outcome[]> {
  // It waits for other programs (Python lists its packages for 0.2 s), and nothing is to wait for it at the end.
  const isWaiting = ({ method }: PlannedComponent): number => (method.kind === 'host-state' ? 1 : 0);
  const begun = components.toSorted((a, b) => isWaiting(b) - isWaiting(a));
  const work = begun.map((component) => async (signal: AbortSignal): Promise<readonly Outcome[]> => {
    const own = { ...context, signal };
    const outcome = await captureComponent(component, own);
    const raw = rawDatabase(component, outcome);
    return raw === null ? [outcome] : [outcome, await captureComponent(raw, own)];
  });
  const laneOf = (index: number): string | null => context.disks.get(begun[index]?.id ?? '') ?? null;
  const outcomes = await runAll(work, context.request.jobs, context.signal, laneOf);
  return components.flatMap((component) => outcomes[begun.indexOf(component)] ?? []);
}
