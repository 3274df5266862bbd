import { isUp } from '../domain/engine-model.ts';
import type { Finding } from '../domain/finding.ts';
import type { ProjectClaim } from '../domain/ports.ts';
import type { KeptRestore, NamedContainer, RestoreJournal } from '../domain/restore.ts';
import type { Engine } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import { Downtime } from './restore-services.ts';
import type { RollbackPorts, RollbackRequest, RollbackResult } from './restore-requests.ts';
import { findContainer, startStopped, undoRestore, type UndoTools } from './undo-restore.ts';

/** A step may take as long as a service takes to stop. */
const STEP_MS = 120_000;

/**
 * Back to what was before the newest restore that is kept, by the same steps that undo a failed one: written down first, so that a rollback
 * that is killed is finished by the next run. What the restore had brought is gone afterwards; its snapshot still has it.
 */
export async function rollback(request: RollbackRequest, ports: RollbackPorts, signal: AbortSignal): Promise<RollbackResult> {
  const { engine, events } = ports;
  const shown = await newestKept(request.project, ports, signal);
  await ports.confirm(shown);
  const { claim, undone } = await engine.claimProject(request.project, 'rollback', signal);
  await using held = claim;
  for (const what of undone.undone) events({ type: 'undone', what });
  if (undone.failed.length > 0) throw unfinished(undone.failed);
  const kept = await newestKept(request.project, ports, signal);
  if (kept.journal.run !== shown.journal.run)
    throw new McadsError('usage', `${request.project} was restored again meanwhile; nothing was done`, { hint: 'run the command again' });
  return await goBack(kept, held, request, ports, signal);
}

async function goBack(
  kept: KeptRestore,
  claim: ProjectClaim,
  request: RollbackRequest,
  ports: RollbackPorts,
  signal: AbortSignal,
): Promise<RollbackResult> {
  const { engine, adapters, hostWriter, events } = ports;
  const { healthTimeoutMs } = request;
  const journal = { ...(await asOfNow(kept.journal, engine, signal)), reachedSwap: true, rollbackOf: kept.id };
  const tools: UndoTools = { adapters, hostWriter, events, healthTimeoutMs, tree: { transport: 'auto', helperImage: null } };
  signal.throwIfAborted();
  await claim.recordRestore(journal);
  events({ type: 'stage', stage: 'rollback', detail: kept.journal.snapshot });
  // Half of two states is neither: once begun it is brought to its end, and services up, whatever signal comes. Only its own time is limited.
  const steps = journal.trees.length + journal.databases.length + journal.running.length + journal.users.length + 1;
  const own = AbortSignal.timeout(steps * STEP_MS + healthTimeoutMs);
  const report = await undoRestore(engine, journal, tools, own);
  if (report.untouched === true) {
    const down = await startStopped(engine, journal, tools, own);
    await claim.clearRestore();
    throw new McadsError('engine-failed', `nothing was put back: ${[...report.failed, ...down].join('; ')}`, {
      hint: 'mend that, and roll back again',
    });
  }
  if (report.failed.length > 0) throw unfinished(report.failed);
  await engine.forgetRestore(kept.id, own);
  await claim.clearRestore();
  const containers = (await engine.viewProject(request.project, own)).containers.filter(({ oneOff }) => !oneOff);
  const services = await new Downtime({ engine, events, healthTimeoutMs }).results(containers, own);
  return { kept, report, services, findings: signal.aborted ? [tooLate(request.project)] : [] };
}

function tooLate(project: string): Finding {
  const message = 'the signal came when the rollback had begun: it was brought to its end, and services were started';
  return { severity: 'warning', code: 'cancelled-late', subject: project, message };
}

async function newestKept(project: string, ports: RollbackPorts, signal: AbortSignal): Promise<KeptRestore> {
  const all = await ports.engine.keptRestores(project, signal);
  // One restore may have two records: what can be gone back to, and what only waits to be cleared away.
  const newest = all.find(({ journal, until }) => journal.run === all[0]?.journal.run && Date.parse(until) > ports.now().getTime());
  if (newest !== undefined) return newest;
  throw new McadsError('nothing-found', `there is nothing to go back to: no restore of ${project} is kept`, {
    hint: 'what a restore replaces is kept for --keep-old (7 days unless told otherwise); an older snapshot brings back what was then',
  });
}

/** What runs now runs again afterwards. */
async function asOfNow(journal: RestoreJournal, engine: Engine, signal: AbortSignal): Promise<RestoreJournal> {
  const users: NamedContainer[] = [];
  const running: NamedContainer[] = [];
  for (const user of journal.users) {
    const container = await findContainer(engine, user, signal);
    if (container === null) continue;
    const named = { id: container.id, name: container.name };
    users.push(named);
    if (isUp(container)) running.unshift(named);
  }
  const servers: NonNullable<RestoreJournal['servers']>[number][] = [];
  for (const { container: named } of new Map(journal.databases.map((one) => [one.container.name, one])).values()) {
    const container = await findContainer(engine, named, signal);
    servers.push({ container: named, ran: container !== null && isUp(container) });
  }
  return { ...journal, users, running, servers };
}

function unfinished(failed: readonly string[]): McadsError {
  return new McadsError('engine-failed', `not everything could be brought back: ${failed.join('; ')}`, {
    hint: 'mend that; `mcads-orchestrate recover` goes on',
    context: { rolledBack: false },
  });
}
