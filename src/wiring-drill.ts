import { randomBytes } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import type { RunSetup } from './cli/services.ts';
import type { DrillRepository } from './domain/drill-repository.ts';
import type { Assertion } from './domain/drill.ts';
import type { EventSink } from './domain/events.ts';
import type { Engine } from './domain/ports.ts';
import type { DrillPorts, DrillRequest, DrillResult } from './pipeline/drill-requests.ts';

export async function runDrill(
  request: DrillRequest,
  assertions: readonly Assertion[],
  setup: RunSetup,
  engine: Engine,
  openRepository: () => Promise<DrillRepository>,
  version: string,
  events: EventSink,
  signal: AbortSignal,
): Promise<DrillResult> {
  const [{ drill }, { databaseAdapters }] = await Promise.all([import('./pipeline/drill.ts'), import('./databases/registry.ts')]);
  const ports: DrillPorts = {
    engine,
    adapters: databaseAdapters,
    assertions,
    openRepository,
    loadCompose: () => setup.loadCompose(),
    settingsFor: (model) => setup.settingsFor(model),
    tool: { name: 'mcads-orchestrate', version },
    by: { user: userName(), host: hostname() },
    now: () => new Date(),
    run: randomBytes(6).toString('hex'),
    events,
  };
  return drill(request, ports, signal);
}

/** A container's user may have no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? ''}`;
  }
}
