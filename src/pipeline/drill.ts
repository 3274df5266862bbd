import { notDrillable, type Assertion } from '../domain/drill.ts';
import type { Manifest } from '../domain/manifest.ts';
import { McadsError, messageOf } from '../errors.ts';
import { compareWithLive } from './drill-live-files.ts';
import { proveAssertions } from './drill-assertions.ts';
import { DrillClock } from './drill-clock.ts';
import { DrillCopy, type CopyTools } from './drill-copy.ts';
import { proveFixpoint, restoreDatabases } from './drill-databases.ts';
import { evidenceOf, keepEvidence } from './drill-evidence.ts';
import { ensureImages } from './drill-images.ts';
import { DrillLog } from './drill-log.ts';
import { assertionsOf, planDrill, type DrillPlan } from './drill-plan.ts';
import { checkSizes, readStored, type ReadDumps } from './drill-read.ts';
import type { DrillPorts, DrillRequest, DrillResult } from './drill-requests.ts';
import { startServices } from './drill-services.ts';
import { restoreTrees } from './drill-trees.ts';

/**
 * open → clone the project in isolation → restore into it → prove → tear down → report, as design §3 has it. What does not hold becomes a failed
 * check of the evidence; only what keeps a drill from being made at all (no engine, no repository, a wrong argument) is thrown.
 *
 * Decision: a drill does not hold the live project's claim. It only reads the live project, and a nightly backup must not wait for it.
 */
export async function drill(request: DrillRequest, ports: DrillPorts, signal: AbortSignal): Promise<DrillResult> {
  const { engine, events, run } = ports;
  events({ type: 'stage', stage: 'open', detail: request.snapshot });
  await using repository = await ports.openRepository();
  await using lease = await repository.lease('shared', 'drill', signal);
  const manifest = await repository.manifest(request.snapshot);
  assertOfDocker(manifest);
  const limit = AbortSignal.timeout(request.maxDurationMs);
  const bounded = AbortSignal.any([signal, limit, ...(lease === null ? [] : [lease.signal])]);
  const log = new DrillLog(events, bounded);
  const clock = new DrillClock(ports.now());
  await sweep(ports, log, signal);

  const settings = ports.settingsFor(await modelOrNull(ports));
  events({ type: 'stage', stage: 'plan', detail: request.snapshot });
  const plan = await planDrill(request, manifest, repository, ports, settings, bounded);
  events({ type: 'planned', components: plan.selected.map(({ id, data }) => ({ id, bytes: data.bytes })) });
  const assertions = [...ports.assertions, ...assertionsOf(plan, settings)];
  const copy = plan.copy === null || request.level < 2 ? null : new DrillCopy(plan.copy, engine);
  let isKept = false;
  try {
    const dumps = await read(request, plan, { ports, repository, log }, bounded);
    for (const id of log.failed ? [] : plan.homeless)
      log.add({ level: 2, name: 'server', subject: id, ok: false, detail: 'no container of its service is recorded' });
    if (copy !== null && !log.failed)
      await inCopy(request, plan, assertions, dumps, { engine, repository, copy, log, run }, clock, ports, bounded);
  } catch (error) {
    if (!limit.aborted || signal.aborted) throw error;
    log.interrupted(`the drill took longer than ${Math.round(request.maxDurationMs / 1000)} s`);
  } finally {
    isKept = copy !== null && request.keepForMs > 0 && !signal.aborted && (await keep(copy, request, ports, log));
    if (copy !== null && !isKept) {
      events({ type: 'stage', stage: 'tear down', detail: copy.plan.copy });
      await copy.tearDown(log);
    }
  }
  const evidence = evidenceOf(request, plan, log, clock, ports);
  const kept = await keepEvidence(evidence, repository, log);
  const until = new Date(ports.now().getTime() + request.keepForMs).toISOString();
  return {
    evidence: { ...evidence, findings: log.findings },
    kept,
    copy: isKept && copy !== null ? { project: copy.plan.copy, until } : null,
  };
}

/** Levels 0 and 1; images first, because dumps are read by the tools that wrote them. */
async function read(
  request: DrillRequest,
  plan: DrillPlan,
  { ports, repository, log }: { readonly ports: DrillPorts; readonly repository: CopyTools['repository']; readonly log: DrillLog },
  signal: AbortSignal,
): Promise<ReadDumps> {
  const { engine, events, run } = ports;
  events({ type: 'stage', stage: 'read' });
  const images = await ensureImages(plan, engine, repository, log, signal);
  const told = new Map<string, number>();
  const tell = (id: string, bytes: number): void => {
    if (bytes - (told.get(id) ?? 0) < TOLD_BYTES) return;
    told.set(id, bytes);
    const component = plan.selected.find((one) => one.id === id);
    if (component !== undefined)
      events({ type: 'component-progress', id: component.id, bytes, stored: 0, bytesExpected: component.data.bytes, phase: 'read' });
  };
  await checkSizes(plan, repository, log);
  return readStored(plan, { engine, repository, run, log, events: tell }, (id) => request.level >= 1 && images.has(id), signal);
}

const TOLD_BYTES = 1024 * 1024;

/** Levels 2 to 6. Each level is tried in full; the next one only where nothing has failed. */
async function inCopy(
  request: DrillRequest,
  plan: DrillPlan,
  assertions: readonly Assertion[],
  dumps: ReadDumps,
  tools: CopyTools,
  clock: DrillClock,
  ports: DrillPorts,
  signal: AbortSignal,
): Promise<void> {
  const { level, transport, helperImage, jobs, healthTimeoutMs, serverTimeoutMs } = request;
  const { log, copy } = tools;
  const stage = (name: string): void => ports.events({ type: 'stage', stage: name, detail: copy.plan.copy });
  const tree = { transport, helperImage, projectImages: [...new Set(copy.plan.containers.map(({ imageId }) => imageId))] };
  stage('clone');
  const made = await clock.measure('prepare', () =>
    log.attempt(2, 'copy', copy.plan.copy, async () => {
      await copy.make(plan, signal);
      return `${copy.plan.containers.length} containers and ${copy.plan.volumes.length} volumes on a network of their own`;
    }),
  );
  if (!made) return;
  stage('restore');
  const samples = await clock.measure('files', () => restoreTrees(plan.trees, tools, tree, level >= 3, signal));
  await clock.measure('databases', () => restoreDatabases(plan.servers, tools, { jobs, serverTimeoutMs, proves: level >= 3 }, signal));
  if (log.failed) return;
  clock.restored();
  if (level >= 4) {
    stage('prove');
    await proveFixpoint(plan.servers, dumps, tools, signal);
    await compareWithLive(plan.trees, samples, tools, tree, signal);
    if (log.failed) return;
  }
  const servers = new Set(plan.servers.map(({ service }) => service));
  if (request.services && level >= 6) {
    stage('start services');
    const others = copy.plan.containers.filter(({ service }) => !servers.has(service));
    await clock.measure('services', () => startServices(others, tools, healthTimeoutMs, signal));
    if (log.failed) return;
  }
  const isRunning = (service: string): boolean =>
    servers.has(service) || (request.services && copy.plan.containers.some((one) => one.service === service && one.wasRunning));
  if (level >= 5) await proveAssertions(assertions, plan.servers, isRunning, tools, signal);
}

/** What killed drills left, and copies whose time is over. */
async function sweep({ engine, events }: DrillPorts, log: DrillLog, signal: AbortSignal): Promise<void> {
  const { undone, failed } = await engine.sweepCopies(null, signal);
  for (const what of undone) events({ type: 'undone', what });
  for (const message of failed) log.warn({ severity: 'warning', code: 'not-undone', subject: 'drill', message, hint: 'run `recover`' });
}

/** False where it cannot be marked as kept: it goes then. */
async function keep(copy: DrillCopy, request: DrillRequest, ports: DrillPorts, log: DrillLog): Promise<boolean> {
  try {
    await ports.engine.keepCopy(copy.plan, new Date(ports.now().getTime() + request.keepForMs), AbortSignal.timeout(KEEP_MS));
    return true;
  } catch (error) {
    log.warn({ severity: 'warning', code: 'copy-not-kept', subject: copy.plan.copy, message: messageOf(error) });
    return false;
  }
}

const KEEP_MS = 30_000;

async function modelOrNull(ports: DrillPorts) {
  try {
    return await ports.loadCompose();
  } catch (error) {
    if (error instanceof McadsError) return null; // the snapshot says what the project was
    throw error;
  }
}

function assertOfDocker({ name, sealed }: Manifest): void {
  if (sealed.strategy === 'docker') return;
  throw notDrillable(name);
}
