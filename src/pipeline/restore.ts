import type { Finding } from '../domain/finding.ts';
import type { RestorePlan, RestoreResult } from '../domain/restore.ts';
import type { ProjectClaim } from '../domain/ports.ts';
import { McadsError, messageOf } from '../errors.ts';
import { applyRestore } from './apply-restore.ts';
import { discardExpired } from './kept-restores.ts';
import { planRestore } from './plan-restore.ts';
import { targetProject } from './restore-situation.ts';
import type { RestorePorts, RestoreRequest } from './restore-requests.ts';
import { undoToolsOf } from './restore-undo-tools.ts';

/** What is removed may be large. */
const TIDY_MS = 600_000;

/**
 * open → plan → check → apply → prove → report, as design §3 has it. All or nothing: whatever fails after the first change is undone in
 * reverse before the error is thrown, with `rolledBack` in its context.
 */
export async function restore(request: RestoreRequest, ports: RestorePorts, signal: AbortSignal): Promise<RestoreResult> {
  const startedAt = ports.now();
  const { events } = ports;
  events({ type: 'stage', stage: 'open', detail: request.snapshot });
  await using repository = await ports.openRepository();
  const manifest = await repository.manifest(request.snapshot);
  events({ type: 'stage', stage: 'plan', detail: request.snapshot });
  // Nobody holds the project while somebody reads what would happen to it.
  const shown = request.asks ? await planRestore(request, repository, manifest, ports, signal) : null;
  if (shown !== null) await ports.confirm(shown);
  await using lease = await repository.lease('shared', `restore of ${request.snapshot}`, signal);
  void lease; // held until the end, so that no prune takes away what is being restored
  await using claimed = await claimProject(targetProject(request, manifest), ports, signal);
  // What another run had left is undone by now, and time went by meanwhile: looked at once more.
  const plan = await planRestore(request, repository, manifest, ports, signal);
  if (shown === null) await ports.confirm(plan);
  else assertAsShown(shown, plan);
  events({ type: 'planned', components: plan.components.map(({ id, bytes }) => ({ id, bytes })) });
  const safetySnapshot = await saveFirst(plan, claimed.claim, ports, signal);
  const applied = await applyRestore({ plan, request, manifest, repository, claim: claimed.claim, ports, startedAt }, signal);
  const old = [
    ...(await tidy(plan.project, request, ports)),
    ...(signal.aborted ? [tooLate(plan.project, applied.keptUntil !== null)] : []),
  ];
  return {
    plan,
    ...applied,
    findings: distinct([...plan.findings, ...applied.findings, ...old]),
    safetySnapshot,
    startedAt: startedAt.toISOString(),
    seconds: (ports.now().getTime() - startedAt.getTime()) / 1000,
  };
}

/** The restore is in force by now: no signal and no engine that goes away makes it one that failed. */
async function tidy(project: string, request: RestoreRequest, ports: RestorePorts): Promise<readonly Finding[]> {
  try {
    const limit = AbortSignal.timeout(TIDY_MS);
    return await discardExpired(ports.engine, project, undoToolsOf(request, ports), ports.now(), limit, ports.run);
  } catch (error) {
    const message = `what earlier restores replaced is still there: ${messageOf(error)}`;
    return [{ severity: 'warning', code: 'old-state-left', subject: project, message, hint: 'the next run tries again' }];
  }
}

function tooLate(project: string, isKept: boolean): Finding {
  const message = 'the signal came when everything was restored and proven: it cancelled nothing, and what was restored is live';
  return { severity: 'warning', code: 'cancelled-late', subject: project, message, hint: isKept ? 'rollback goes back' : undefined };
}

/** What a server says of itself is told by the plan and again when it is asked before the build. */
function distinct(findings: readonly Finding[]): readonly Finding[] {
  return [...new Map(findings.map((one) => [JSON.stringify([one.code, one.subject, one.message]), one])).values()];
}

interface Claimed extends AsyncDisposable {
  readonly claim: ProjectClaim;
}

/** One writer per project; what a dead run left is brought back first, and without that nothing else is begun. */
async function claimProject(project: string, ports: RestorePorts, signal: AbortSignal): Promise<Claimed> {
  const { claim, undone } = await ports.engine.claimProject(project, 'restore', signal);
  for (const what of undone.undone) ports.events({ type: 'undone', what });
  if (undone.failed.length > 0) {
    await claim[Symbol.asyncDispose]();
    throw new McadsError('engine-failed', `what an earlier run left could not be brought back: ${undone.failed.join('; ')}`, {
      hint: 'mend that first; `mcads-orchestrate recover` tries again',
    });
  }
  return { claim, [Symbol.asyncDispose]: () => claim[Symbol.asyncDispose]() };
}

/** What was agreed to is what is done. */
function assertAsShown(shown: RestorePlan, plan: RestorePlan): void {
  const of = ({ components, services, recreation, safety }: RestorePlan): string =>
    JSON.stringify([
      components.map(({ id, action, target }) => [id, action, target.kind === 'tree' ? target.place : null]),
      services.map(({ container, stops }) => [container, stops]),
      recreation?.containers.map(({ name }) => name) ?? [],
      safety,
    ]);
  if (of(shown) === of(plan)) return;
  throw new McadsError('usage', `${plan.project} has changed since the plan was shown; nothing was done`, {
    hint: 'run the command again',
  });
}

async function saveFirst(plan: RestorePlan, claim: ProjectClaim, ports: RestorePorts, signal: AbortSignal): Promise<string | null> {
  if (plan.safety.length === 0) return null;
  ports.events({ type: 'stage', stage: 'safety backup', detail: plan.safety.join(', ') });
  try {
    return await ports.safetyBackup(plan.safety, claim, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof McadsError)) throw error;
    throw new McadsError(error.code, `the safety backup failed, so nothing was restored: ${error.message}`, {
      hint: [error.hint, 'or go without it: --no-safety-backup'].filter((hint) => hint !== undefined).join('\n'),
      cause: error,
    });
  }
}
