import { type EngineContainer, isUp } from '../domain/engine-model.ts';
import type { Finding } from '../domain/finding.ts';
import type { ProjectClaim } from '../domain/ports.ts';
import type { KeptRestore, NamedContainer, RestoreJournal } from '../domain/restore.ts';
import type { Engine } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import { Downtime } from './restore-services.ts';
import type { RollbackPorts, RollbackRequest, RollbackResult } from './restore-requests.ts';
import { type Project, settingsForAccess } from '../domain/plan.ts';
import { foreignUsersOf } from './foreign-users.ts';
import { placeExists } from './place-exists.ts';
import { stopOrder, withSharers } from './plan-groups.ts';
import { whoUses } from './plan-restore-services.ts';
import { serviceViews } from './service-views.ts';
import { cannotSwap, findContainer, startStopped, treeOptionsOf, undoRestore, type UndoTools } from './undo-restore.ts';

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
  const tools: UndoTools = { adapters, hostWriter, events, healthTimeoutMs, tree: { transport: 'auto', helperImage: null } };
  const journal = { ...(await asOfNow(kept.journal, ports, signal)), reachedSwap: true, rollbackOf: kept.id };
  await assertAllKept(kept.journal, engine, tools, signal);
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

/** Who uses now what is put back is stopped for it, also what came since the restore; what runs now runs again afterwards. */
async function asOfNow(journal: RestoreJournal, ports: RollbackPorts, signal: AbortSignal): Promise<RestoreJournal> {
  const { engine } = ports;
  const users: NamedContainer[] = [];
  const running: NamedContainer[] = [];
  for (const container of await usersNow(journal, ports, signal)) {
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

/** In stop order. */
async function usersNow(journal: RestoreJournal, ports: RollbackPorts, signal: AbortSignal): Promise<readonly EngineContainer[]> {
  const { engine, events } = ports;
  const before: EngineContainer[] = [];
  for (const user of journal.users) {
    const container = await findContainer(engine, user, signal);
    if (container !== null) before.push(container);
  }
  if (engine.info.isHost === true) return before; // units are known by their names
  const view = await engine.viewProject(journal.project, signal);
  const known: Project = {
    name: journal.project,
    strategy: 'docker',
    directory: view.workingDirectory,
    model: null,
    engine: view,
    engineInfo: engine.info,
    modelError: null,
  };
  const views = serviceViews(known, ports.settingsFor(null));
  const mounts = journal.trees.map(({ place }) => place.mount);
  const isUser = whoUses(mounts, new Set(journal.databases.map(({ service }) => service)), views, view.volumes);
  const own = engine.info.ownContainer;
  const since = view.containers.filter(
    (one) => one.id !== own?.id && isUser(one) && !before.some(({ id }) => id === one.id) && one.service !== null && !one.oneOff,
  );
  const runs = view.containers.filter((one) => one.oneOff && one.id !== own?.id && isUp(one) && isUser(one)).map(({ name }) => name);
  const others = mounts.flatMap((mount) => foreignUsersOf(mount, view, own?.name)).map(({ container }) => container);
  for (const name of new Set([...runs, ...others])) {
    const message = `${name} is no service of ${journal.project} and is not stopped: it sees its files replaced`;
    events({ type: 'log', level: 'warn', message });
  }
  // Not this tool itself, in its container.
  const services = view.containers.filter(({ id, oneOff }) => id !== own?.id && !oneOff);
  return withSharers(stopOrder([...before, ...since], views), services);
}

/** Half of what a restore replaced is neither of the two states. Rejects before anything is stopped. */
async function assertAllKept(journal: RestoreJournal, engine: Engine, tools: UndoTools, signal: AbortSignal): Promise<void> {
  const { containers } = await engine.viewProject(journal.project, signal);
  const options = { ...treeOptionsOf(tools, journal), projectImages: [...new Set(containers.map(({ imageId }) => imageId))] };
  const gone: string[] = [];
  for (const tree of journal.trees) {
    if (!(await placeExists(engine, tree.place, options, signal))) {
      gone.push(tree.component);
      continue;
    }
    await using target = await engine.openTarget(tree.place, options, signal);
    if (tree.swaps === true && !target.swaps) throw cannotSwap(tree);
    if (!(await target.holdsReplaced(journal.run, signal))) gone.push(tree.component);
  }
  for (const { container: named, adapter: name, service, access } of new Map(
    journal.databases.map((one) => [one.container.name, one]),
  ).values()) {
    const container = await findContainer(engine, named, signal);
    const restorer = tools.adapters.find(({ engine: one }) => one === name)?.restorer;
    const mine = journal.databases.filter((one) => one.container.name === named.name);
    if (container === null || restorer === undefined) gone.push(...mine.map(({ component }) => component));
    else if (container.state === 'running') {
      const io = { engine, runId: journal.run, signal, warn: (): void => undefined };
      const target = { service, container, settings: settingsForAccess(access) };
      const there = await restorer.present(
        target,
        mine.map(({ kept }) => kept),
        io,
      );
      gone.push(...mine.filter(({ kept }) => !there.has(kept)).map(({ component }) => component));
    }
  }
  if (gone.length === 0) return;
  throw new McadsError('component-failed', `nothing was put back: what the restore replaced is not there any more of ${gone.join(', ')}`, {
    hint: 'mount it or move it back; else restore a snapshot of before',
  });
}

function unfinished(failed: readonly string[]): McadsError {
  return new McadsError('engine-failed', `not everything could be brought back: ${failed.join('; ')}`, {
    hint: 'mend that; `mcads-orchestrate recover` goes on',
    context: { rolledBack: false },
  });
}
