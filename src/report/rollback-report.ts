import type { JsonObject } from '../domain/byte-stream.ts';
import type { Finding } from '../domain/finding.ts';
import type { KeptRestore, ServiceResult } from '../domain/restore.ts';
import type { UndoReport } from '../domain/ports.ts';
import { printable } from './escape.ts';
import { counted, humanAge, localTime } from './human.ts';
import { servicesJson, servicesTable } from './restore-report.ts';
import { field, namesOf, sentence } from './restore-words.ts';
import type { Style } from './style.ts';

/** What a rollback ended with. */
export interface RollbackReport {
  readonly kept: KeptRestore;
  readonly report: UndoReport;
  readonly services: readonly ServiceResult[];
}

/** What a rollback goes back to. */
export function keptJson({ journal, until }: KeptRestore): JsonObject {
  return {
    project: journal.project,
    snapshot: journal.snapshot,
    restoredAt: journal.startedAt,
    keptUntil: until,
    components: componentsOf(journal),
    files: journal.files.map(({ path }) => path),
    removes: removedBy(journal),
    stops: journal.users.map(({ name }) => name),
  };
}

export function rollbackJson({ kept, report, services }: RollbackReport): JsonObject {
  return {
    ...keptJson(kept),
    undone: [...report.undone],
    failed: [...report.failed],
    stays: [...(report.stays ?? [])],
    services: servicesJson(services),
    rolledBack: true,
  };
}

/** All that somebody has to know before they agree. */
export function keptText({ journal, until }: KeptRestore, now: Date, style: Style): string {
  const restored = new Date(journal.startedAt);
  const files = journal.files.map(({ path }) => path);
  const removes = removedBy(journal);
  return [
    field('Project', style.bold(printable(journal.project)), style),
    field('Back to', `what was there before ${printable(journal.snapshot)} was restored`, style),
    field('Restored', `${localTime(restored)}, ${humanAge(restored, now)}`, style),
    field('Kept until', localTime(new Date(until)), style),
    field('Puts back', namesOf(componentsOf(journal)) || 'no component', style),
    ...(files.length === 0 ? [] : [field('Configuration', `${counted(files.length, 'file')}: ${namesOf(files)}`, style)]),
    ...(removes.length === 0
      ? []
      : [field('Removes', `${namesOf(removes)}: made by the restore; stays where it was changed since`, style)]),
    field('Stops', journal.users.length === 0 ? 'no service' : `${namesOf(journal.users.map(({ name }) => name))}, meanwhile`, style),
    field('Lost by it', style.yellow('what was written since the restore'), style),
  ].join('\n');
}

export function rollbackText({ kept, report, services }: RollbackReport, style: Style): string {
  return [
    ...(services.length === 0 ? [] : [servicesTable(services, style), '']),
    ...report.undone.map((what) => `  ${printable(what)}`),
    sentence(closing(kept, report, style), style),
  ].join('\n');
}

/** Of what an earlier version kept it is not known whether the restore had made anything. */
function closing({ journal }: KeptRestore, { stays = [] }: UndoReport, style: Style): string {
  const before = `before ${printable(journal.snapshot)} was restored`;
  if (journal.made === undefined || stays.length > 0)
    return `${style.green('Back')}: what ${printable(journal.project)} had ${before} is there again${stays.length === 0 ? '' : `; ${counted(stays.length, 'thing')} that it did not have ${stays.length === 1 ? 'stays' : 'stay'}`}`;
  return `${style.green('Back')}: ${printable(journal.project)} is what it was ${before}`;
}

/** What a rollback leaves behind. */
export function staysFindings({ kept, report }: RollbackReport): readonly Finding[] {
  const subject = kept.journal.project;
  return [
    ...(report.lost ?? []).map((message): Finding => ({ severity: 'error', code: 'not-back', subject, message })),
    ...(report.stays ?? []).map((message): Finding => ({
      severity: 'warning',
      code: 'made-by-restore-stays',
      subject,
      message: `it stays: ${message}`,
      hint: 'remove it yourself where it is not wanted',
    })),
  ];
}

function removedBy({ made = [] }: KeptRestore['journal']): string[] {
  return made.flatMap(({ what, local }) => (local === null ? [] : [what]));
}

function componentsOf({ trees, databases }: KeptRestore['journal']): readonly string[] {
  return [...databases, ...trees].map(({ component }) => component);
}
