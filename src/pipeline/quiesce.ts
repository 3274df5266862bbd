import { type EngineContainer, isUp } from '../domain/engine-model.ts';
import type { EventSink } from '../domain/events.ts';
import type { Finding } from '../domain/finding.ts';
import type { BackupPlan, CaptureGroup } from '../domain/plan.ts';
import type { Engine, ProjectClaim, UndoStep } from '../domain/ports.ts';
import { McadsError, messageOf } from '../errors.ts';
import { findContainer } from './undo-restore.ts';

/** The engine's, where the container has none of its own. */
const DEFAULT_GRACE_SECONDS = 10;
const STOP_SLACK_MS = 60_000;

export interface QuiesceOptions {
  readonly healthTimeoutMs: number;
  readonly events: EventSink;
}

/** A group's services, stopped or paused. */
export interface Frozen extends AsyncDisposable {
  /**
   * Once; resolves with an error finding for each service that is down by it, which stays in the journal. What was captured is good whatever comes
   * of this. Left to the disposal (where capturing has failed) that rejects instead.
   */
  bringBack(): Promise<readonly Finding[]>;
}

/** Of a service that a backup had to bring back and could not. */
export const SERVICE_DOWN = 'service-down';

/**
 * Freezes a group's containers and returns its own undo. What to bring back is written into the engine before the first one is touched,
 * so that a run that dies here is undone by the next command. The undo does not take the run's signal: it has its own time limit.
 */
export async function quiesce(
  group: CaptureGroup,
  engine: Engine,
  claim: ProjectClaim,
  options: QuiesceOptions,
  signal: AbortSignal,
): Promise<Frozen> {
  const running: EngineContainer[] = [];
  for (const id of group.containers) {
    const container = await engine.inspectContainer(id, signal);
    if (container.state === 'running') running.push(container);
  }
  if (running.length === 0) return { bringBack: async () => [], [Symbol.asyncDispose]: async () => {} };
  const mode = group.quiesce;
  const undo = running
    .toReversed()
    .map((container): UndoStep =>
      mode === 'pause'
        ? { action: 'unpause', container: container.id, name: container.name }
        : { action: 'start', container: container.id, name: container.name, waitHealthy: wasWell(container) },
    );
  const clear = await claim.recordUndo(undo);
  let isBack = false;
  const bringBack = async (): Promise<readonly Finding[]> => {
    isBack = true;
    return undoSteps(undo, engine, clear, options);
  };
  const orThrow = async (): Promise<void> => {
    if (isBack) return;
    const [first, ...others] = await bringBack();
    if (first === undefined) return;
    throw new McadsError('engine-failed', [first, ...others].map(({ message }) => message).join('; '), { hint: first.hint });
  };
  try {
    for (const container of running) {
      signal.throwIfAborted();
      options.events({ type: 'service', name: container.name, action: mode === 'pause' ? 'pausing' : 'stopping' });
      await (mode === 'pause' ? engine.pause(container.id, limitOf(container)) : engine.stop(container.id, limitOf(container)));
      options.events({ type: 'service', name: container.name, action: mode === 'pause' ? 'paused' : 'stopped' });
    }
    signal.throwIfAborted();
  } catch (error) {
    await orThrow();
    throw error;
  }
  return { bringBack, [Symbol.asyncDispose]: orThrow };
}

/**
 * At the end of a run: services that a group had frozen, that ran before, and that have died since they were started again, which a container without
 * a health check does unseen. One that has ended well had one thing to do. `told`: what is known of already.
 */
export async function downSince({ project, groups }: BackupPlan, told: readonly Finding[], engine: Engine): Promise<readonly Finding[]> {
  const modes = new Map(groups.flatMap(({ quiesce: mode, containers }) => containers.map((id) => [id, mode])));
  const ran = (project.engine?.containers ?? []).filter((one) => (modes.get(one.id) ?? 'none') !== 'none' && one.state === 'running');
  const findings: Finding[] = [];
  for (const before of ran.filter(({ name }) => !told.some(({ subject }) => subject === name))) {
    let now: EngineContainer | null;
    try {
      now = await findContainer(engine, before, AbortSignal.timeout(STOP_SLACK_MS));
    } catch (error) {
      const message = `whether ${before.name} still runs is not known: ${messageOf(error)}`;
      findings.push({ severity: 'error', code: SERVICE_DOWN, subject: before.name, message, hint: 'look at `docker ps`' });
      continue;
    }
    if (now === null || isUp(now) || now.exitCode === 0) continue;
    const isOurs = modes.get(before.id) === 'stop';
    const message = `${now.name} ${isOurs ? 'was started again and' : 'was thawed, or stopped by somebody, and'} has ended with ${now.exitCode}`;
    const hint = `look at \`docker logs ${now.name}\``;
    findings.push({ severity: isOurs ? 'error' : 'warning', code: SERVICE_DOWN, subject: now.name, message, hint });
  }
  return findings;
}

/** What was not well before is started and not waited for: it would be told every night as something that the backup had broken. */
function wasWell({ health }: EngineContainer): boolean {
  return health === 'healthy' || health === 'starting';
}

/**
 * Not the run's signal: an engine goes on stopping when the call is given up, and an undo that came before that end would find the
 * container still running, take that for done, and leave it to go down.
 */
function limitOf({ stopTimeoutSeconds }: EngineContainer): AbortSignal {
  return AbortSignal.timeout(Math.max(stopTimeoutSeconds ?? DEFAULT_GRACE_SECONDS, 0) * 1000 + STOP_SLACK_MS);
}

/** Every step is tried; the journal is cleared only when all are done. */
async function undoSteps(
  steps: readonly UndoStep[],
  engine: Engine,
  clear: () => Promise<void>,
  options: QuiesceOptions,
): Promise<readonly Finding[]> {
  const own = AbortSignal.timeout(options.healthTimeoutMs + 60_000 * steps.length);
  const failures: Finding[] = [];
  for (const step of steps) {
    try {
      await undoStep(step, engine, options, own);
    } catch (error) {
      const message = `${step.name} did not come back: ${messageOf(error)}`;
      const hint = `\`mcads-orchestrate recover\` tries again; docker logs ${step.name} tells more`;
      failures.push({ severity: 'error', code: SERVICE_DOWN, subject: step.name, message, hint });
    }
  }
  if (failures.length === 0) await clear();
  return failures;
}

async function undoStep(step: UndoStep, engine: Engine, { events, healthTimeoutMs }: QuiesceOptions, signal: AbortSignal): Promise<void> {
  const { name } = step;
  // Compose may have made it anew since; one that somebody has removed has nothing to come back to.
  const container = await findContainer(engine, { id: step.container, name }, signal);
  if (container === null) {
    events({ type: 'log', level: 'warn', message: `${name} was removed meanwhile` });
    return;
  }
  if (step.action === 'unpause' && container.state !== 'paused') {
    if (!isUp(container))
      events({ type: 'log', level: 'warn', message: `${name} was stopped by somebody while it was paused, and stays so` });
    return;
  }
  events({ type: 'service', name, action: 'starting' });
  if (step.action === 'unpause') await engine.unpause(container.id, signal);
  else {
    await engine.start(container.id, signal);
    if (step.waitHealthy) await engine.waitHealthy(container.id, healthTimeoutMs, signal);
  }
  events({ type: 'service', name, action: 'running' });
}
