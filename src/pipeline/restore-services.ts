import { type EngineContainer, isUp } from '../domain/engine-model.ts';
import type { EventSink } from '../domain/events.ts';
import type { Engine } from '../domain/ports.ts';
import type { NamedContainer, ServiceResult } from '../domain/restore.ts';
import { McadsError, messageOf } from '../errors.ts';
import { findContainer } from './undo-restore.ts';

const DEFAULT_GRACE_SECONDS = 10;
const STOP_SLACK_MS = 60_000;

export interface ServiceTools {
  readonly engine: Engine;
  readonly events: EventSink;
  readonly healthTimeoutMs: number;
}

/** Stops and starts containers around a swap and keeps the time that each was down. What to undo is in the journal already. */
export class Downtime {
  readonly #tools: ServiceTools;
  readonly #stoppedAt = new Map<string, number>();
  readonly #downSeconds = new Map<string, number>();
  /** Unhealthy before they were stopped: that they are so afterwards proves nothing. */
  readonly #ill = new Set<string>();

  constructor(tools: ServiceTools) {
    this.#tools = tools;
  }

  /** In the order given. Not the run's signal alone: an engine goes on stopping when the call is given up. */
  async stop(users: readonly NamedContainer[], signal: AbortSignal): Promise<void> {
    const { engine, events } = this.#tools;
    for (const user of users) {
      signal.throwIfAborted();
      const container = await findContainer(engine, user, signal);
      if (container === null || !isUp(container)) continue;
      if (container.health === 'unhealthy') this.#ill.add(container.name);
      if (container.state === 'paused') {
        const message = `${container.name} is paused: it is stopped for the swap, and runs afterwards`;
        events({ type: 'log', level: 'warn', message });
      }
      events({ type: 'service', name: container.name, action: 'stopping' });
      this.#stoppedAt.set(container.name, performance.now());
      await engine.stop(container.id, AbortSignal.timeout(graceOf(container)));
      events({ type: 'service', name: container.name, action: 'stopped' });
    }
    signal.throwIfAborted();
  }

  /** In the order given, each healthy before the next. Rejects `proof-failed` for one that does not become so. */
  async start(containers: readonly NamedContainer[], signal: AbortSignal): Promise<void> {
    const { engine, events, healthTimeoutMs } = this.#tools;
    for (const one of containers) {
      const container = await findContainer(engine, one, signal);
      if (container === null) throw new McadsError('proof-failed', `container ${one.name} is gone`);
      events({ type: 'service', name: container.name, action: 'starting' });
      try {
        await engine.start(container.id, signal);
        if (!this.#ill.has(container.name)) await engine.waitHealthy(container.id, healthTimeoutMs, signal);
      } catch (error) {
        if (!(error instanceof McadsError) || error.code !== 'engine-failed') throw error;
        throw new McadsError('proof-failed', `${container.name} does not come up on the restored data: ${messageOf(error)}`, {
          hint: error.hint,
          cause: error,
        });
      }
      const since = this.#stoppedAt.get(container.name);
      if (since !== undefined) this.#downSeconds.set(container.name, (performance.now() - since) / 1000);
      events({ type: 'service', name: container.name, action: 'running' });
    }
  }

  /** As they are now. */
  async results(containers: readonly EngineContainer[], signal: AbortSignal): Promise<readonly ServiceResult[]> {
    const results: ServiceResult[] = [];
    for (const { id, name } of containers) {
      const now = await findContainer(this.#tools.engine, { id, name }, signal);
      const downSeconds = this.#downSeconds.get(name) ?? null;
      results.push({ name, state: now?.state ?? 'gone', health: now?.health ?? 'none', downSeconds });
    }
    return results;
  }
}

function graceOf({ stopTimeoutSeconds }: EngineContainer): number {
  return Math.max(stopTimeoutSeconds ?? DEFAULT_GRACE_SECONDS, 0) * 1000 + STOP_SLACK_MS;
}
