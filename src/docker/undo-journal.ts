import { setTimeout as delay } from 'node:timers/promises';
import type { UndoReport, UndoStep } from '../domain/ports.ts';
import { McadsError, messageOf } from '../errors.ts';
import { start, unpause, waitHealthy } from './container-actions.ts';
import type { ContainerJson, ContainerSummaryJson } from './engine-api.ts';
import type { EngineClient } from './engine-client.ts';
import { cancelled } from './engine-errors.ts';
import { CLAIM_PROJECT, HELPER, UNDO_ORDER, UNDO_STEPS } from './labels.ts';
import { createMark, removeMark } from './mark.ts';
import { ownerLabel } from './owner.ts';
import type { TreeContext } from './tree-context.ts';
import { labelFilter } from './view-project.ts';

/** A label may be long, but a proxy or a listing should not choke on it. */
const STEPS_PER_RECORD = 100;
const HEALTHY_TIMEOUT_MS = 120_000;
/** The engine's, where the container has none of its own. */
const DEFAULT_GRACE_SECONDS = 10;
const STOP_SLACK_MS = 1000;
const POLL_MS = 250;

/** Writes steps into the engine: one or more created containers that hold them as labels. Resolves with their ids once all are there. */
export async function writeUndoRecords(
  context: TreeContext,
  project: string,
  steps: readonly UndoStep[],
  order: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let at = 0; at < steps.length; at += STEPS_PER_RECORD) {
    const part = order + at / STEPS_PER_RECORD;
    const labels = {
      [HELPER]: 'undo',
      [CLAIM_PROJECT]: project,
      [UNDO_STEPS]: JSON.stringify(steps.slice(at, at + STEPS_PER_RECORD)),
      [UNDO_ORDER]: String(part),
      ...ownerLabel(context.owner),
    };
    ids.push(await createMark(context, `mcads-undo-${context.owner.run}-${part}`, labels, signal));
  }
  return ids;
}

/**
 * Does what the records of a project say, in start order, and removes a record when all of it succeeded; the others stay for the
 * next run. Only the holder of the project's claim may call this.
 */
export async function replayUndoRecords(context: TreeContext, project: string, signal: AbortSignal): Promise<UndoReport> {
  const undone: string[] = [];
  const failed: string[] = [];
  for (const record of await findUndoRecords(context.client, project, signal)) {
    const failuresBefore = failed.length;
    await awaitStopUnderWay(context.client, record.steps, signal);
    for (const step of record.steps) {
      try {
        const done = await replayStep(context.client, step, signal);
        if (done !== null) undone.push(done);
      } catch (error) {
        if (signal.aborted) throw cancelled(signal);
        if (error instanceof McadsError && error.code === 'engine-lost') throw error;
        failed.push(`${step.name}: ${messageOf(error)}`);
      }
    }
    if (failed.length === failuresBefore) await removeMark(context.client, record.id, signal);
  }
  return { undone, failed };
}

interface UndoRecord {
  readonly id: string;
  readonly steps: readonly UndoStep[];
}

async function findUndoRecords(client: EngineClient, project: string, signal: AbortSignal): Promise<readonly UndoRecord[]> {
  const filters = labelFilter(UNDO_STEPS, `${CLAIM_PROJECT}=${project}`);
  const found = await client.json<readonly ContainerSummaryJson[]>(
    'GET',
    '/containers/json',
    { query: { all: true, filters } },
    'listing undo records',
    signal,
  );
  return found
    .toSorted((a, b) => a.Created - b.Created || orderOf(a) - orderOf(b))
    .map(({ Id: id, Labels: labels }) => ({ id, steps: JSON.parse(labels?.[UNDO_STEPS] ?? '[]') as readonly UndoStep[] })); // written by writeUndoRecords
}

function orderOf(record: ContainerSummaryJson): number {
  return Number(record.Labels?.[UNDO_ORDER] ?? 0);
}

/**
 * A run that died while it stopped a container left the engine stopping it: to the undo it still runs, and would go down afterwards.
 * Containers are stopped one after the other, the last of the start order first, so it can only be the last one that runs.
 */
async function awaitStopUnderWay(client: EngineClient, steps: readonly UndoStep[], signal: AbortSignal): Promise<void> {
  for (const { action, container } of steps.toReversed()) {
    const json = action === 'start' ? await look(client, container, signal) : null;
    if (json?.State.Running !== true) continue;
    const limit = performance.now() + Math.max(json.Config.StopTimeout ?? DEFAULT_GRACE_SECONDS, 0) * 1000 + STOP_SLACK_MS;
    for (let now: ContainerJson | null = json; now?.State.Running === true && performance.now() < limit;) {
      await delay(POLL_MS, undefined, { signal }).catch(() => {
        throw cancelled(signal);
      });
      now = await look(client, container, signal);
    }
    return;
  }
}

/** What was done, null where nothing was to do. */
async function replayStep(client: EngineClient, step: UndoStep, signal: AbortSignal): Promise<string | null> {
  // Compose may have made the container anew since, under the same name.
  const json = (await look(client, step.container, signal)) ?? (await look(client, step.name, signal));
  if (json === null) return null;
  if (step.action === 'unpause') {
    if (json.State.Paused !== true) return null;
    await unpause(client, json.Id, signal);
    return `unpaused ${step.name}`;
  }
  if (json.State.Running) return null;
  await start(client, json.Id, signal);
  if (step.waitHealthy) await waitHealthy(client, json.Id, HEALTHY_TIMEOUT_MS, signal);
  return `started ${step.name}`;
}

async function look(client: EngineClient, container: string, signal: AbortSignal): Promise<ContainerJson | null> {
  return client.find<ContainerJson>(`/containers/${encodeURIComponent(container)}/json`, {}, `looking at container ${container}`, signal);
}
