import type { EngineContainer } from '../domain/engine-model.ts';
import type { EventSink } from '../domain/events.ts';
import type { CaptureGroup } from '../domain/plan.ts';
import type { Engine, ProjectClaim, UndoStep } from '../domain/ports.ts';
import { McadsError, messageOf } from '../errors.ts';

/** The engine's, where the container has none of its own. */
const DEFAULT_GRACE_SECONDS = 10;
const STOP_SLACK_MS = 60_000;

export interface QuiesceOptions {
  readonly healthTimeoutMs: number;
  readonly events: EventSink;
}

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
): Promise<AsyncDisposable> {
  const running: EngineContainer[] = [];
  for (const id of group.containers) {
    const container = await engine.inspectContainer(id, signal);
    if (container.state === 'running') running.push(container);
  }
  if (running.length === 0) return { [Symbol.asyncDispose]: async () => {} };
  const mode = group.quiesce;
  const undo = running
    .toReversed()
    .map((container): UndoStep =>
      mode === 'pause'
        ? { action: 'unpause', container: container.id, name: container.name }
        : { action: 'start', container: container.id, name: container.name, waitHealthy: container.health !== 'none' },
    );
  await claim.recordUndo(undo);
  const bringBack = async (): Promise<void> => undoSteps(undo, engine, claim, options);
  try {
    for (const container of running) {
      signal.throwIfAborted();
      options.events({ type: 'service', name: container.name, action: mode === 'pause' ? 'pausing' : 'stopping' });
      await (mode === 'pause' ? engine.pause(container.id, limitOf(container)) : engine.stop(container.id, limitOf(container)));
      options.events({ type: 'service', name: container.name, action: mode === 'pause' ? 'paused' : 'stopped' });
    }
    signal.throwIfAborted();
  } catch (error) {
    await bringBack();
    throw error;
  }
  return { [Symbol.asyncDispose]: bringBack };
}

/**
 * Not the run's signal: an engine goes on stopping when the call is given up, and an undo that came before that end would find the
 * container still running, take that for done, and leave it to go down.
 */
function limitOf({ stopTimeoutSeconds }: EngineContainer): AbortSignal {
  return AbortSignal.timeout(Math.max(stopTimeoutSeconds ?? DEFAULT_GRACE_SECONDS, 0) * 1000 + STOP_SLACK_MS);
}

/** Every step is tried; the journal is cleared only when all are done. */
async function undoSteps(steps: readonly UndoStep[], engine: Engine, claim: ProjectClaim, options: QuiesceOptions): Promise<void> {
  const own = AbortSignal.timeout(options.healthTimeoutMs + 60_000 * steps.length);
  const failures: McadsError[] = [];
  for (const step of steps) {
    options.events({ type: 'service', name: step.name, action: 'starting' });
    try {
      if (step.action === 'unpause') await engine.unpause(step.container, own);
      else {
        await engine.start(step.container, own);
        if (step.waitHealthy) await engine.waitHealthy(step.container, options.healthTimeoutMs, own);
      }
      options.events({ type: 'service', name: step.name, action: 'running' });
    } catch (error) {
      failures.push(
        new McadsError('engine-failed', `${step.name} did not come back: ${messageOf(error)}`, {
          hint: `\`mcads-orchestrate recover\` tries again; docker logs ${step.name} tells more`,
          cause: error,
        }),
      );
    }
  }
  const [first] = failures;
  if (first !== undefined && failures.length === 1) throw first;
  if (first !== undefined) throw new McadsError('engine-failed', failures.map(messageOf).join('; '), { hint: first.hint, cause: first });
  await claim.clearUndo();
}
