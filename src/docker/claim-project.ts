import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ProjectClaim, UndoReport, UndoStep } from '../domain/ports.ts';
import type { RestoreJournal } from '../domain/restore.ts';
import { McadsError, messageOf } from '../errors.ts';
import type { ContainerJson } from './engine-api.ts';
import { cancelled, statusOf } from './engine-errors.ts';
import { CLAIM_PROJECT, CLAIM_PURPOSE, HELPER } from './labels.ts';
import { createMark, removeMark } from './mark.ts';
import { judgeOwner, ownerLabel, parseOwner, type Owner } from './owner.ts';
import type { TreeContext } from './tree-context.ts';
import { removeDeadHelpers } from './dead-helpers.ts';
import { removeRecord } from './engine-records.ts';
import { recordRestore, replayRestoreRecords, type UndoJournal } from './restore-records.ts';
import { replayUndoRecords, writeUndoRecords } from './undo-journal.ts';

const BEAT_MS = 10_000;
const WATCH_MS = 45_000;
const WATCH_STEP_MS = 2_000;
const LARGEST_BEAT = 1_000_000;
const CLEANUP_TIMEOUT_MS = 60_000;

/**
 * What `Engine.claimProject` promises.
 *
 * Decision: a holder is judged by its process where that can be seen (same kernel: pid, start time, or its container). A holder
 * on another host is judged by a heartbeat: it counts up the claim's restart limit, the one number of a created container that
 * can be changed and means nothing for it. Unchanged for 45 seconds of the observer's own clock is dead; one change is alive.
 */
export async function claimProject(
  context: TreeContext,
  project: string,
  purpose: string,
  undoJournal: UndoJournal | null,
  signal: AbortSignal,
): Promise<{ readonly claim: ProjectClaim; readonly undone: UndoReport }> {
  const id = await takeClaim(context, project, purpose, signal);
  const claim = new HeldClaim(context, project, id);
  try {
    await claim.beat(signal);
    const undone = await undoLeft(context, project, undoJournal, signal);
    const removed = await removeDeadHelpers(context, signal);
    if (removed.length > 0) context.log('info', removed.join(', '));
    return { claim, undone };
  } catch (error) {
    await claim[Symbol.asyncDispose]();
    throw error;
  }
}

/** Data first: nothing is started on files that could not be put back. */
async function undoLeft(context: TreeContext, project: string, undoJournal: UndoJournal | null, signal: AbortSignal): Promise<UndoReport> {
  const restores = await replayRestoreRecords(context, project, undoJournal, signal);
  if (restores.failed.length > 0) return restores;
  const steps = await replayUndoRecords(context, project, signal);
  return { undone: [...restores.undone, ...steps.undone], failed: steps.failed };
}

/** The name of the container that is a project's mutex. */
export function claimName(project: string): string {
  if (/^[a-z0-9][a-z0-9_-]{0,60}$/.test(project)) return `mcads-claim-${project}`;
  return `mcads-claim-${createHash('sha256').update(project).digest('hex').slice(0, 32)}`;
}

async function takeClaim(context: TreeContext, project: string, purpose: string, signal: AbortSignal): Promise<string> {
  const labels = { [HELPER]: 'claim', [CLAIM_PROJECT]: project, [CLAIM_PURPOSE]: purpose, ...ownerLabel(context.owner) };
  for (;;) {
    try {
      return await createMark(context, claimName(project), labels, signal);
    } catch (error) {
      if (statusOf(error) !== 409) throw error;
    }
    const holder = await look(context, claimName(project), signal);
    if (holder === null) continue; // released since
    const owner = parseOwner(holder.Config.Labels);
    if (owner === null || !(await isDead(context, holder, owner, signal))) throw locked(project, holder, owner);
    context.log('info', `taking over the claim on ${project} of a dead run (${owner.host}, pid ${owner.pid})`);
    await removeMark(context.client, holder.Id, signal); // by id: another run may have taken the name by now
  }
}

async function isDead(context: TreeContext, holder: ContainerJson, owner: Owner, signal: AbortSignal): Promise<boolean> {
  const verdict = await judgeOwner(owner, context.owner, context.client, signal);
  if (verdict !== 'unknown') return verdict === 'dead';
  context.log('info', `watching whether the run on ${owner.host} that holds the project still lives (up to ${WATCH_MS / 1000} s)`);
  const first = beatOf(holder);
  for (const end = performance.now() + WATCH_MS; performance.now() < end;) {
    try {
      await delay(WATCH_STEP_MS, undefined, { signal });
    } catch {
      throw cancelled(signal);
    }
    const now = await look(context, holder.Id, signal);
    if (now === null) return true;
    if (beatOf(now) !== first) return false;
  }
  return true;
}

class HeldClaim implements ProjectClaim {
  readonly #context: TreeContext;
  readonly #project: string;
  readonly #id: string;
  readonly #timer: NodeJS.Timeout;
  #restore: string | null = null;
  #order = 0;
  #beat = 0;

  constructor(context: TreeContext, project: string, id: string) {
    this.#context = context;
    this.#project = project;
    this.#id = id;
    this.#timer = setInterval(() => void this.beat(AbortSignal.timeout(BEAT_MS)), BEAT_MS).unref();
  }

  /** Shows other hosts that we live. A missed one is no failure; several and another host may take over. */
  async beat(signal: AbortSignal): Promise<void> {
    this.#beat = (this.#beat % LARGEST_BEAT) + 1;
    const body = { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: this.#beat } };
    try {
      await this.#context.client.send('POST', `/containers/${this.#id}/update`, { body }, 'updating the claim', signal);
    } catch (error) {
      this.#context.log('warn', `the claim on ${this.#project} could not be renewed: ${messageOf(error)}`);
    }
  }

  async recordUndo(steps: readonly UndoStep[]): Promise<() => Promise<void>> {
    const ids = await writeUndoRecords(this.#context, this.#project, steps, this.#order, AbortSignal.timeout(CLEANUP_TIMEOUT_MS));
    this.#order += ids.length;
    return async () => {
      const signal = AbortSignal.timeout(CLEANUP_TIMEOUT_MS);
      for (const id of ids) await removeMark(this.#context.client, id, signal);
    };
  }

  async recordRestore(journal: RestoreJournal): Promise<void> {
    // The newer one counts while there are both.
    const older = this.#restore;
    this.#restore = await recordRestore(this.#context, this.#project, journal, AbortSignal.timeout(CLEANUP_TIMEOUT_MS));
    if (older !== null) await removeRecord(this.#context.client, older, AbortSignal.timeout(CLEANUP_TIMEOUT_MS));
  }

  async clearRestore(): Promise<void> {
    if (this.#restore === null) return;
    await removeRecord(this.#context.client, this.#restore, AbortSignal.timeout(CLEANUP_TIMEOUT_MS));
    this.#restore = null;
  }

  /** Releases the project. An undo that was not cleared stays, for the next run or `recover`. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    try {
      await removeMark(this.#context.client, this.#id, AbortSignal.timeout(CLEANUP_TIMEOUT_MS));
    } catch (error) {
      this.#context.log('warn', `the claim on ${this.#project} is still there, the next run removes it: ${messageOf(error)}`);
    }
  }
}

function locked(project: string, holder: ContainerJson, owner: Owner | null): McadsError {
  const purpose = holder.Config.Labels?.[CLAIM_PURPOSE] ?? 'another run';
  if (owner === null) {
    return new McadsError('locked', `the container ${claimName(project)} is in the way of claiming ${project}`, {
      hint: `It is not of this tool's making; remove it with \`docker rm ${claimName(project)}\`.`,
    });
  }
  return new McadsError(
    'locked',
    `project ${project} is in use: ${purpose} by process ${owner.pid} on ${owner.host}, since ${owner.since}`,
    {
      hint: 'Wait until it is done. If it hangs, end that process; what it left is undone by the next run.',
      context: { host: owner.host, pid: owner.pid, since: owner.since },
    },
  );
}

function beatOf(claim: ContainerJson): number {
  return claim.HostConfig.RestartPolicy?.MaximumRetryCount ?? 0;
}

async function look(context: TreeContext, container: string, signal: AbortSignal): Promise<ContainerJson | null> {
  return context.client.find<ContainerJson>(`/containers/${encodeURIComponent(container)}/json`, {}, 'looking at a claim', signal);
}
