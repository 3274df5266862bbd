import type { JsonObject } from '../domain/byte-stream.ts';
import type { PlannedFile, PlannedRestore, RestoreAction, RestorePlan } from '../domain/restore.ts';
import { printable } from './escape.ts';
import { counted, humanBytes, localTime } from './human.ts';
import { ageOf, field, namesOf, proofJson, proofText, spanOf } from './restore-words.ts';
import type { Proof } from './restore-words.ts';
import type { Style } from './style.ts';
import { renderTable } from './table.ts';

/** Below this many columns the action has to be enough. */
const NARROW = 54;

/** What is shown of a plan beside the plan itself. */
export interface RestorePlanFacts {
  readonly proof: Proof;
  readonly keepOldMs: number;
  readonly now: Date;
}

export function restorePlanJson(plan: RestorePlan, { proof, keepOldMs }: RestorePlanFacts): JsonObject {
  const { recreation } = plan;
  return {
    snapshot: { name: plan.snapshot, takenAt: plan.takenAt, completeness: plan.completeness, proof: proofJson(proof) },
    project: plan.project,
    engine: plan.engine,
    directory: plan.directory,
    beside: plan.beside,
    fresh: plan.fresh,
    components: plan.components.map(({ id, action, how, bytes, target }) => ({
      id,
      kind: target.kind,
      action,
      how,
      bytes,
      ...(target.kind === 'tree' ? { swaps: target.report.swaps } : {}),
      ...(target.kind === 'config' ? { files: target.files.map((file) => ({ path: file.path, action: file.action })) } : {}),
    })),
    services: plan.services.map(({ name, container, stops, ran, starts }) => ({
      name,
      container,
      stops,
      ran,
      ...(starts === undefined ? {} : { starts }),
    })),
    creates: {
      containers: recreation?.containers.map(({ name }) => name) ?? [],
      networks: recreation?.networks.map(({ name }) => name) ?? [],
      volumes: recreation?.volumes.map(({ name }) => name) ?? [],
    },
    changes: [...(recreation?.changes ?? [])],
    missingImages: plan.missingImages.map(({ image, services, command }) => ({ image, services: [...services], command })),
    safety: [...plan.safety],
    keepOldSeconds: keepOldMs / 1000,
  };
}

/** All that somebody has to know before they agree. */
export function restorePlanText(plan: RestorePlan, facts: RestorePlanFacts, style: Style): string {
  const taken = new Date(plan.takenAt);
  const state = plan.completeness === 'partial' ? style.yellow('partial') : plan.completeness;
  const head = [
    field('Project', `${style.bold(printable(plan.project))}${projectNote(plan)}`, style),
    field(plan.onHost === true ? 'Host' : 'Engine', printable(plan.engine), style),
    field('Directory', printable(plan.directory), style),
    field('Snapshot', `${printable(plan.snapshot)}, ${state}`, style),
    field('Taken', `${localTime(taken)}, ${style.bold(ageOf(taken, facts.now))}`, style),
    field('Proof', proofText(facts.proof, facts.now), style),
  ];
  return [...head, '', componentsTable(plan, style), '', ...consequences(plan, facts, style)].join('\n');
}

function projectNote({ beside, fresh, onHost }: RestorePlan): string {
  if (onHost === true) return '';
  if (beside) return ', a new project beside the original';
  return fresh ? ', nothing of it is on this engine' : ', which is on this engine';
}

/** What happens to each; the recorded state is only read. */
function componentsTable(plan: RestorePlan, style: Style): string {
  const shown = plan.components.filter(({ target }) => target.kind !== 'state');
  const painted: Readonly<Record<RestoreAction, Style['red']>> = {
    create: style.green,
    fill: style.green,
    replace: style.yellow,
    overwrite: style.red,
    keep: style.dim,
  };
  return renderTable(
    [
      { title: 'COMPONENT', shrinkTo: 16 },
      { title: 'ACTION' },
      { title: 'SIZE', align: 'right' },
      ...(style.width < NARROW ? [] : [{ title: 'WHAT HAPPENS', shrinkTo: 14 }]),
    ],
    shown.map(({ id, action, how, bytes }) => [printable(id), action, humanBytes(bytes), printable(how)]),
    style.width,
    (text, row, column) => {
      const action = shown[row]?.action;
      if (action === undefined) return style.dim(text);
      return column === 1 ? painted[action](text) : text;
    },
  );
}

function consequences(plan: RestorePlan, facts: RestorePlanFacts, style: Style): readonly string[] {
  const lines: string[] = [];
  const tell = (label: string, text: string): void => void lines.push(field(label, text, style));
  const { recreation } = plan;
  if (recreation !== null) {
    const made = [
      [recreation.networks, 'network'],
      [recreation.volumes, 'volume'],
      [recreation.containers, 'container'],
    ] as const;
    const counts = made.filter(([list]) => list.length > 0).map(([list, noun]) => counted(list.length, noun));
    if (counts.length > 0) tell('Created', counts.join(', '));
  }
  const stopping = plan.services.filter(({ stops, ran }) => stops && ran);
  tell('Stops', stopping.length === 0 ? 'no service' : `${namesOf(distinct(stopping.map(({ name }) => name)))}, while the data is swapped`);
  const starting = plan.services.filter(({ starts }) => starts === true);
  if (recreation !== null && recreation.containers.length > 0)
    tell('Starts', starting.length === 0 ? 'nothing of what is made' : namesOf(distinct(starting.map(({ name }) => name))));
  for (const [label, text] of configurationLines(plan)) tell(label, text);
  if (recreation !== null && recreation.changes.length > 0)
    tell(plan.beside ? 'Dropped' : 'Not as it was', recreation.changes.map(printable).join('; '));
  const inPlace = plan.components.filter(overwritesInPlace);
  if (inPlace.length > 0)
    tell('Not swapped', `${namesOf(inPlace.map(({ id }) => id))}: ${style.yellow('overwritten in place')}, which no rollback brings back`);
  if (plan.safety.length > 0) tell('Saved first', `${namesOf(plan.safety)}, as a snapshot of their own`);
  for (const { image, services, command } of plan.missingImages)
    tell('Image missing', `${printable(image)} of ${namesOf(services)}: ${printable(command)}`);
  tell('Way back', wayBack(plan, facts, style));
  return lines;
}

function configurationLines(plan: RestorePlan): readonly (readonly [string, string])[] {
  const files = plan.components.flatMap(({ target }) => (target.kind === 'config' ? target.files : []));
  const named = (action: PlannedFile['action']): readonly string[] =>
    files.filter((file) => file.action === action).map(({ path }) => path);
  const [kept, replaced, created] = [named('keep'), named('replace'), named('create')];
  return [
    ...(kept.length === 0 ? [] : [['Configuration', `differs and is kept (--with-config replaces it): ${namesOf(kept)}`] as const]),
    ...(replaced.length === 0 ? [] : [['Configuration', `differs and is replaced: ${namesOf(replaced)}`] as const]),
    ...(created.length === 0 ? [] : [['Configuration', `is missing and is created: ${namesOf(created)}`] as const]),
  ];
}

function wayBack(plan: RestorePlan, { keepOldMs }: RestorePlanFacts, style: Style): string {
  if (!plan.components.some(({ action }) => action === 'replace')) return 'nothing is swapped out; a restore that fails is undone';
  return keepOldMs > 0
    ? `what is replaced is kept for ${spanOf(keepOldMs)}: mcads-orchestrate rollback puts it back`
    : style.yellow('what is replaced is dropped once the restore is proven (--keep-old 0)');
}

function overwritesInPlace({ action, target }: PlannedRestore): boolean {
  return action === 'overwrite' || (target.kind === 'tree' && !target.report.swaps && action === 'replace');
}

function distinct(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}
