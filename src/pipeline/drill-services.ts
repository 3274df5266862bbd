import type { CopiedContainer } from '../domain/drill-ports.ts';
import { McadsError } from '../errors.ts';
import type { CopyTools } from './drill-copy.ts';

/** Level 6: what ran when the snapshot was made starts in the copy, in order, each healthy before the next. Nothing more is started after one that fails. */
export async function startServices(
  containers: readonly CopiedContainer[],
  tools: CopyTools,
  healthTimeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  for (const container of containers) {
    if (!container.wasRunning) continue;
    const isHealthy = await tools.log.attempt(6, 'service', nameOf(container), async () => {
      const found = await tools.copy.start(container, signal);
      try {
        await tools.engine.waitHealthy(found.id, healthTimeoutMs, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof McadsError) || error.code !== 'engine-failed') throw error;
        const log = await tools.copy.logOf(found);
        throw new McadsError('proof-failed', `${nameOf(container)} does not come up: ${error.message}${log}`, { cause: error });
      }
      const { health } = await tools.copy.look(container, signal);
      return health === 'healthy' ? 'healthy' : 'runs; it has no health check';
    });
    if (!isHealthy) return;
  }
}

function nameOf({ service, number }: CopiedContainer): string {
  return number === 1 ? service : `${service} ${number}`;
}
