import type { JsonObject } from '../domain/byte-stream.ts';
import type { Finding } from '../domain/finding.ts';
import type { BackupPlan, PlannedComponent } from '../domain/plan.ts';
import { printable } from './escape.ts';
import { uncoveredJson } from './findings.ts';
import { counted, humanBytes } from './human.ts';
import { uncoveredText } from './snapshot-report.ts';
import type { Style } from './style.ts';
import { renderTable } from './table.ts';

export function componentsOf(plan: BackupPlan): readonly PlannedComponent[] {
  return plan.groups.flatMap((group) => group.components);
}

export function planJson(plan: BackupPlan): JsonObject {
  return {
    project: { name: plan.project.name, strategy: plan.project.strategy, directory: plan.project.directory },
    components: componentsOf(plan).map(({ id, how, because, bytes, consistency, quiesce, failure }) => ({
      id,
      how,
      because,
      bytes,
      consistency,
      quiesce,
      ...(failure === undefined ? {} : { failure: failure.reason }),
    })),
    uncovered: uncoveredJson(plan.uncovered),
  };
}

/** The plan's own findings and those of its components; a component that cannot be captured is an error. */
export function planFindings(plan: BackupPlan): readonly Finding[] {
  const failures = componentsOf(plan).flatMap((component): readonly Finding[] =>
    component.failure === undefined
      ? component.findings
      : [
          ...component.findings,
          {
            severity: 'error',
            code: 'cannot-capture',
            subject: component.id,
            message: component.failure.reason,
            hint: component.failure.hint,
          },
        ],
  );
  return [...plan.findings, ...failures];
}

export function planText(plan: BackupPlan, repository: string, style: Style): string {
  const components = componentsOf(plan);
  const known = components.filter((component) => component.bytes !== null);
  const total = known.reduce((sum, component) => sum + (component.bytes ?? 0), 0);
  // Of a database the size on disk is known, its dump is often smaller.
  const unknown = components.length - known.length;
  const size = known.length === 0 ? '' : `, about ${humanBytes(total)}${unknown === 0 ? '' : ` and ${unknown} of unknown size`},`;
  const head = [
    `${style.bold(printable(plan.project.name))} (${plan.project.strategy} strategy${engineText(plan)})${plan.project.directory === null ? '' : ` in ${printable(plan.project.directory)}`}`,
    `${counted(components.length, 'component')}${size} into ${printable(repository)}`,
  ];
  const table = renderTable(
    [
      { title: 'COMPONENT', shrinkTo: 16 },
      { title: 'SIZE', align: 'right' },
      { title: 'WHY' },
      { title: 'QUIESCE' },
      { title: 'HOW', shrinkTo: 16 },
    ],
    components.map((one) => [
      printable(one.id),
      one.bytes === null ? '?' : humanBytes(one.bytes),
      one.because,
      one.quiesce,
      printable(one.failure === undefined ? one.how : `CANNOT: ${one.failure.reason}`),
    ]),
    style.width,
    (text, row) => (row === -1 ? style.dim(text) : components[row]?.failure === undefined ? text : style.red(text)),
  );
  return [...head, '', table, '', uncoveredText(plan.uncovered, style)].join('\n');
}

function engineText(plan: BackupPlan): string {
  const engine = plan.project.engineInfo;
  return engine === null ? '' : `, engine ${printable(engine.version)} at ${printable(engine.endpoint)}`;
}
