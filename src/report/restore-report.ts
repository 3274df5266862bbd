import type { JsonObject } from '../domain/byte-stream.ts';
import type { RestoredComponent, RestoreResult, ServiceResult } from '../domain/restore.ts';
import { quoted } from './backup-report.ts';
import { printable } from './escape.ts';
import { counted, humanBytes, humanDuration, localTime } from './human.ts';
import { ageOf, field, namesOf, sentence } from './restore-words.ts';
import type { Style } from './style.ts';
import { renderTable } from './table.ts';

/** `verification`: path of the file with the proof; null where it could not be written. */
export function restoreJson(result: RestoreResult, verification: string | null): JsonObject {
  const { plan } = result;
  return {
    snapshot: { name: plan.snapshot, takenAt: plan.takenAt, completeness: plan.completeness },
    project: plan.project,
    engine: plan.engine,
    directory: plan.directory,
    beside: plan.beside,
    components: result.components.map(({ id, outcome, detail, bytes, seconds }) => ({ id, outcome, detail, bytes, seconds })),
    services: servicesJson(result.services),
    databases: result.databases.map(({ component, name, tables, rows, rowsEqual }) => ({ component, name, tables, rows, rowsEqual })),
    files: result.files.map(({ component, entries, bytes, hashed }) => ({ component, entries, bytes, hashed })),
    rolledBack: false,
    keptUntil: result.keptUntil,
    safetySnapshot: result.safetySnapshot,
    verification,
    stats: { bytes: restoredBytes(result), seconds: result.seconds },
  };
}

export function servicesJson(services: readonly ServiceResult[]): readonly JsonObject[] {
  return services.map(({ name, state, health, downSeconds }) => ({ name, state, health, downSeconds }));
}

/** Tables of what became of components, databases and services, and what was compared. */
export function restoreTables(result: RestoreResult, style: Style): string {
  return [
    componentsTable(result.components, style),
    databasesTable(result, style),
    servicesTable(result.services, style),
    filesLine(result, style),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function componentsTable(components: readonly RestoredComponent[], style: Style): string {
  const paint = { restored: style.green, kept: style.yellow, skipped: style.dim, failed: style.red };
  return renderTable(
    [
      { title: 'COMPONENT', shrinkTo: 16 },
      { title: 'OUTCOME' },
      { title: 'SIZE', align: 'right' },
      { title: 'TIME', align: 'right', dropRank: 1 },
      { title: 'HOW', shrinkTo: 12, dropRank: 2 },
    ],
    components.map(({ id, outcome, detail, bytes, seconds }) => [
      printable(id),
      outcome,
      humanBytes(bytes),
      seconds > 0 ? humanDuration(seconds) : '',
      printable(detail),
    ]),
    style.width,
    (text, row, column) => {
      const outcome = components[row]?.outcome;
      return outcome === undefined ? style.dim(text) : column === 1 ? paint[outcome](text) : text;
    },
  );
}

/** How the rows of a restored database compare with those that were recorded. */
export function comparedWords(rowsEqual: boolean | null): string {
  return rowsEqual === null ? 'intact, no rows recorded' : rowsEqual ? 'equal' : 'DIFFERENT';
}

function databasesTable({ databases }: RestoreResult, style: Style): string {
  if (databases.length === 0) return '';
  return renderTable(
    [{ title: 'DATABASE', shrinkTo: 12 }, { title: 'TABLES', align: 'right' }, { title: 'ROWS', align: 'right' }, { title: 'COMPARED' }],
    databases.map(({ component, tables, rows, rowsEqual }) => [
      printable(component),
      String(tables),
      String(rows),
      comparedWords(rowsEqual),
    ]),
    style.width,
    (text, row, column) => {
      const one = databases[row];
      return one === undefined
        ? style.dim(text)
        : column !== 3 || one.rowsEqual === null
          ? text
          : one.rowsEqual
            ? style.green(text)
            : style.red(text);
    },
  );
}

/** Empty where there is none. */
export function servicesTable(services: readonly ServiceResult[], style: Style): string {
  if (services.length === 0) return '';
  return renderTable(
    [{ title: 'SERVICE', shrinkTo: 12 }, { title: 'STATE' }, { title: 'HEALTH' }, { title: 'DOWN FOR', align: 'right', dropRank: 1 }],
    services.map(({ name, state, health, downSeconds }) => [
      printable(name),
      printable(state),
      printable(health === 'none' ? '-' : health),
      downSeconds === null ? '-' : humanDuration(downSeconds),
    ]),
    style.width,
    (text, row, column) => {
      const one = services[row];
      if (one === undefined) return style.dim(text);
      if (column === 1) return one.state === 'running' ? style.green(text) : style.yellow(text);
      return column === 2 && one.health === 'unhealthy' ? style.red(text) : text;
    },
  );
}

function filesLine({ files }: RestoreResult, style: Style): string {
  if (files.length === 0) return '';
  const entries = files.reduce((sum, one) => sum + one.entries, 0);
  const hashed = files.reduce((sum, one) => sum + one.hashed, 0);
  const text = `${counted(entries, 'entry', 'entries')} in ${counted(files.length, 'place')} compared with what was recorded, ${hashed} hashed again in place`;
  return sentence(`Files: ${text}`, style);
}

export interface RestoreClosing {
  readonly program: string;
  readonly verification: string | null;
  readonly now: Date;
}

/** The verdict and the three lines: what is back and where, what is not, how to go back. */
export function restoreClosing(result: RestoreResult, { program, verification, now }: RestoreClosing, style: Style): string {
  const { plan } = result;
  const taken = new Date(plan.takenAt);
  const down = Math.max(0, ...result.services.map(({ downSeconds }) => downSeconds ?? 0));
  const verdict = result.findings.some(({ severity }) => severity === 'error')
    ? style.yellow('Restored, not all of it')
    : style.green('Restored');
  const total = `${humanBytes(restoredBytes(result))} in ${humanDuration(result.seconds)}`;
  const notStarted = toBeStarted(result);
  return [
    sentence(`${verdict}: ${total}${down > 0 ? `, no service down for longer than ${humanDuration(down)}` : ''}`, style),
    ...(result.safetySnapshot === null ? [] : [field('Saved first:', printable(result.safetySnapshot), style)]),
    ...(verification === null ? [] : [field('Proof:', printable(verification), style)]),
    field(
      'Where it is:',
      `${printable(plan.project)} on ${printable(plan.engine)}, in ${printable(plan.directory)}, as of ${localTime(taken)} (${ageOf(taken, now)})`,
      style,
    ),
    field('Not back:', notBack(result), style),
    field('Go back:', goBack(result, program), style),
    ...(notStarted === null ? [] : [field('Start:', notStarted, style)]),
  ].join('\n');
}

function notBack({ plan, findings, components }: RestoreResult): string {
  const withoutImage = new Set(findings.filter(({ code }) => code === 'image-missing').map(({ subject }) => subject));
  const images = plan.missingImages
    .filter(({ services }) => services.some((service) => withoutImage.has(service)))
    .map(({ image, services, command }) => `${namesOf(services)} (no image ${printable(image)}: ${printable(command)})`);
  const failed = components
    .filter(({ outcome }) => outcome === 'failed')
    .map(({ id, detail }) => `${printable(id)} (${printable(detail)})`);
  const left = findings.filter(({ code }) => code === 'not-restored').map(({ subject }) => printable(subject));
  const kept = plan.components
    .flatMap(({ target }) => (target.kind === 'config' ? target.files : []))
    .filter(({ action }) => action === 'keep')
    .map(({ path }) => path);
  const configuration = kept.length === 0 ? [] : [`configuration that differs and was kept: ${namesOf(kept)}`];
  const all = [...images, ...failed, ...left, ...configuration];
  return all.length === 0 ? 'nothing that was asked for' : all.join('; ');
}

function goBack({ keptUntil, plan }: RestoreResult, program: string): string {
  if (keptUntil !== null) return `${program} rollback -p ${quoted(plan.project)} (until ${localTime(new Date(keptUntil))})`;
  return plan.fresh ? 'nothing of it was there before' : 'nothing that was there is kept';
}

/** The command for what ran in the snapshot and does not run now; null where all of it does. */
function toBeStarted({ plan, services, findings }: RestoreResult): string | null {
  const running = new Set(services.filter(({ state }) => state === 'running').map(({ name }) => name));
  const down = (plan.recreation?.containers ?? []).filter(({ name, wasRunning }) => wasRunning && !running.has(name));
  if (down.length === 0) return null;
  // Compose would give the copy the ports and names of the original again.
  const noImage = findings.some(({ code }) => code === 'image-missing') ? ', once its images are there' : '';
  return plan.beside
    ? `docker start ${down.map(({ name }) => quoted(name)).join(' ')}${noImage}`
    : `cd ${quoted(plan.directory)} && docker compose up -d${noImage}`;
}

function restoredBytes({ components }: RestoreResult): number {
  return components.filter(({ outcome }) => outcome === 'restored').reduce((sum, { bytes }) => sum + bytes, 0);
}
