import type { ContainerSummaryJson } from './engine-api.ts';
import { CLAIM_PROJECT, HELPER } from './labels.ts';
import { removeMark } from './mark.ts';
import { judgeOwner, parseOwner } from './owner.ts';
import type { TreeContext } from './tree-context.ts';
import { labelFilter } from './view-project.ts';

const DAY_SECONDS = 86_400;

/** Helpers end with their makers, but those that were never started, or whose engine died with them, stay. */
export async function removeDeadHelpers(context: TreeContext, signal: AbortSignal): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const { Id: id, Names: names, Labels: labels, State: state, Created: created } of await listMarks(context, HELPER, signal)) {
    const owner = parseOwner(labels);
    if (owner === null || CLAIM_PROJECT in (labels ?? {})) continue;
    const verdict = await judgeOwner(owner, context.owner, context.client, signal);
    const isOld = state !== 'running' && created < Date.now() / 1000 - DAY_SECONDS;
    if (verdict === 'alive' || (verdict === 'unknown' && !isOld)) continue;
    await removeMark(context.client, id, signal);
    removed.push(`removed helper container ${names?.[0]?.slice(1) ?? id.slice(0, 12)}`);
  }
  return removed;
}

/** Containers of ours with that label, also those that never ran. */
export async function listMarks(context: TreeContext, label: string, signal: AbortSignal): Promise<readonly ContainerSummaryJson[]> {
  const query = { all: true, filters: labelFilter(label) };
  return context.client.json<readonly ContainerSummaryJson[]>('GET', '/containers/json', { query }, 'listing our own containers', signal);
}
