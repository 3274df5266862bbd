import { DRILL_LABEL } from '../domain/drill-ports.ts';
import type { UndoReport } from '../domain/ports.ts';
import type { RestoreRun } from '../domain/restore.ts';
import { messageOf } from '../errors.ts';
import type { ContainerSummaryJson, NetworkJson, VolumeJson } from './engine-api.ts';
import { DRILL_PROJECT, DRILL_UNTIL } from './labels.ts';
import { judgeOwner, parseOwner } from './owner.ts';
import type { TreeContext } from './tree-context.ts';
import { labelFilter } from './view-project.ts';

const DAY_MS = 86_400_000;

interface Part {
  readonly kind: 'containers' | 'networks' | 'volumes';
  /** Id, or a volume's name. */
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What `DrillEngine.removeCopy` promises. */
export async function removeCopy(context: TreeContext, drill: RestoreRun, signal: AbortSignal): Promise<UndoReport> {
  return removeParts(context, drill, await partsOf(context, `${DRILL_LABEL}=${drill}`, signal), signal);
}

/** What `DrillEngine.sweepCopies` promises. */
export async function sweepCopies(context: TreeContext, project: string | null, signal: AbortSignal): Promise<UndoReport> {
  const byDrill = new Map<string, Part[]>();
  for (const part of await partsOf(context, DRILL_LABEL, signal)) {
    const drill = part.labels[DRILL_LABEL] ?? '';
    if (drill === '' || (project !== null && part.labels[DRILL_PROJECT] !== project)) continue;
    byDrill.set(drill, [...(byDrill.get(drill) ?? []), part]);
  }
  const undone: string[] = [];
  const failed: string[] = [];
  for (const [drill, parts] of byDrill) {
    if (!(await isOver(context, parts, signal))) continue;
    const report = await removeParts(context, drill, parts, signal);
    const project = parts[0]?.labels[DRILL_PROJECT] ?? '';
    if (report.undone.length > 0) undone.push(`removed what drill ${drill} of ${project} left: ${report.undone.join(', ')}`);
    failed.push(...report.failed);
  }
  return { undone, failed };
}

/** Kept until a time that has passed, or nobody's any more. */
async function isOver(context: TreeContext, parts: readonly Part[], signal: AbortSignal): Promise<boolean> {
  const until = parts.map(({ labels }) => labels[DRILL_UNTIL]).find((one) => one !== undefined);
  if (until !== undefined) return !(Date.parse(until) > Date.now());
  const owner = parts.map(({ labels }) => parseOwner(labels)).find((one) => one !== null);
  if (owner === undefined || owner === null) return false; // not made by us
  const verdict = await judgeOwner(owner, context.owner, context.client, signal);
  return verdict === 'dead' || (verdict === 'unknown' && Date.parse(owner.since) < Date.now() - DAY_MS);
}

/** Containers, then what they used. Each is looked at again: only what carries this drill's label goes. */
async function removeParts(context: TreeContext, drill: RestoreRun, parts: readonly Part[], signal: AbortSignal): Promise<UndoReport> {
  const undone: string[] = [];
  const failed: string[] = [];
  for (const kind of ['containers', 'networks', 'volumes'] as const) {
    for (const { id, name } of parts.filter((part) => part.kind === kind)) {
      try {
        if (!(await isOfDrill(context, kind, id, drill, signal))) continue;
        const query = kind === 'containers' ? { force: true, v: true } : kind === 'volumes' ? { force: true } : {};
        await context.client.send('DELETE', `/${kind}/${encodeURIComponent(id)}`, { query }, `removing ${name}`, signal, [404]);
        undone.push(name);
      } catch (error) {
        signal.throwIfAborted();
        failed.push(messageOf(error));
      }
    }
  }
  return { undone, failed };
}

async function isOfDrill(context: TreeContext, kind: Part['kind'], id: string, drill: string, signal: AbortSignal): Promise<boolean> {
  const path = `/${kind}/${encodeURIComponent(id)}${kind === 'containers' ? '/json' : ''}`;
  const json = await context.client.find<{ readonly Labels?: Labels; readonly Config?: { readonly Labels?: Labels } }>(
    path,
    {},
    `looking at ${id}`,
    signal,
  );
  return (kind === 'containers' ? json?.Config?.Labels : json?.Labels)?.[DRILL_LABEL] === drill;
}

type Labels = Readonly<Record<string, string>> | null;

async function partsOf(context: TreeContext, label: string, signal: AbortSignal): Promise<readonly Part[]> {
  const { client } = context;
  const filters = labelFilter(label);
  const [containers, networks, volumes] = await Promise.all([
    client.json<readonly ContainerSummaryJson[]>('GET', '/containers/json', { query: { all: true, filters } }, 'listing drills', signal),
    client.json<readonly NetworkJson[]>('GET', '/networks', { query: { filters } }, 'listing drills', signal),
    client.json<{ readonly Volumes?: readonly VolumeJson[] | null }>('GET', '/volumes', { query: { filters } }, 'listing drills', signal),
  ]);
  return [
    ...containers.map(({ Id: id, Names: names, Labels: labels }): Part => ({
      kind: 'containers',
      id,
      name: `container ${names?.[0]?.slice(1) ?? id.slice(0, 12)}`,
      labels: labels ?? {},
    })),
    ...networks.map(({ Id: id, Name: name, Labels: labels }): Part => ({
      kind: 'networks',
      id,
      name: `network ${name}`,
      labels: labels ?? {},
    })),
    ...(volumes.Volumes ?? []).map(({ Name: name, Labels: labels }): Part => ({
      kind: 'volumes',
      id: name,
      name: `volume ${name}`,
      labels: labels ?? {},
    })),
  ];
}
