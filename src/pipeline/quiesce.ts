import type { EngineContainer } from '../domain/engine-model.ts';
import type { EventSink } from '../domain/events.ts';
import type { CaptureGroup } from '../domain/plan.ts';
import type { Engine, ProjectClaim, UndoStep } from '../domain/ports.ts';
import { McadsError, messageOf } from '../errors.ts';

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
      options.events({ type: 'service', name: container.name, action: mode === 'pause' ? 'pausing' : 'stopping' });
      await (mode === 'pause' ? engine.pause(container.id, signal) : engine.stop(container.id, signal));
      options.events({ type: 'service', name: container.name, action: mode === 'pause' ? 'paused' : 'stopped' });
    }
  } catch (error) {
    await bringBack();
    throw error;
  }
  return { [Symbol.asyncDispose]: bringBack };
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
