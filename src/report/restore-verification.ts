import type { RestorePlan, RestoreResult } from '../domain/restore.ts';
import type { McadsError } from '../errors.ts';
import { printable, printableLines } from './escape.ts';
import { counted, humanBytes, humanDuration } from './human.ts';
import { comparedWords } from './restore-report.ts';

/** Where the restore was run. Sizes in bytes. */
export interface SystemFacts {
  readonly tool: string;
  readonly host: string;
  readonly platform: string;
  readonly node: string;
  readonly processors: number;
  readonly memory: { readonly total: number; readonly free: number };
  /** Filesystems of the project directory and the repository. */
  readonly disks: readonly { readonly path: string; readonly total: number; readonly free: number }[];
}

export interface RestoreRecord {
  readonly plan: RestorePlan;
  /** Null: it failed. */
  readonly result: RestoreResult | null;
  readonly error: McadsError | null;
  readonly repository: string;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly facts: SystemFacts;
}

/** The text of `restore_<time>_verification.txt`: what was proven, for people and their files. Times are UTC. */
export function restoreVerificationText(record: RestoreRecord): string {
  const { plan, result, error, startedAt, finishedAt, facts } = record;
  const seconds = (finishedAt.getTime() - startedAt.getTime()) / 1000;
  return [
    `Restore of          ${printable(plan.snapshot)} (${plan.completeness}, taken ${plan.takenAt})`,
    `Outcome             ${outcomeOf(record)}`,
    `Project             ${printable(plan.project)}${plan.beside ? ' (beside the original)' : ''}`,
    `Directory           ${printable(plan.directory)}`,
    `Repository          ${printable(record.repository)}`,
    `Started             ${startedAt.toISOString()}`,
    `Finished            ${finishedAt.toISOString()} (${humanDuration(seconds)})`,
    ...(result === null || result.safetySnapshot === null ? [] : [`Saved first         ${printable(result.safetySnapshot)}`]),
    ...(result === null
      ? []
      : [`Way back            ${result.keptUntil === null ? 'nothing is kept' : `rollback, until ${result.keptUntil}`}`]),
    '',
    'System',
    `  tool              ${printable(facts.tool)}, Node.js ${printable(facts.node)}`,
    `  host              ${printable(facts.host)}, ${printable(facts.platform)}, ${counted(facts.processors, 'processor')}`,
    `  engine            ${printable(plan.engine)}`,
    `  memory            ${humanBytes(facts.memory.free)} free of ${humanBytes(facts.memory.total)}`,
    ...facts.disks.map(
      ({ path, total, free }) => `  disk              ${humanBytes(free)} free of ${humanBytes(total)} at ${printable(path)}`,
    ),
    ...(error === null ? [] : failureLines(error)),
    ...(result === null ? plannedLines(plan) : provenLines(result)),
    '',
  ].join('\n');
}

function outcomeOf({ result, error }: RestoreRecord): string {
  if (result !== null)
    return result.findings.some(({ severity }) => severity === 'error') ? 'restored, with errors (see Findings)' : 'restored and proven';
  switch (error?.context['rolledBack']) {
    case true:
      return 'FAILED; everything was brought back to what it was before';
    case false:
      return 'FAILED; NOT everything could be brought back: run `mcads-orchestrate recover`';
    default:
      return 'FAILED before anything was changed';
  }
}

function failureLines(error: McadsError): readonly string[] {
  return [
    '',
    'What failed',
    `  ${error.code}: ${indented(error.message)}`,
    ...(error.hint === undefined ? [] : [`  what to do: ${indented(error.hint)}`]),
  ];
}

function plannedLines(plan: RestorePlan): readonly string[] {
  return section(
    `What was to be restored (${counted(plan.components.length, 'component')})`,
    plan.components.map(({ id, action, bytes }) => `  ${printable(id)}: ${action}, ${humanBytes(bytes)}`),
  );
}

function provenLines(result: RestoreResult): readonly string[] {
  return [
    ...section(
      `Components (${result.components.length})`,
      result.components.map(({ id, outcome, bytes, detail }) => `  ${printable(id)}: ${outcome}, ${bytes} bytes, ${printable(detail)}`),
    ),
    ...section(
      'Files present: compared with what was recorded by type, owner, mode, size, time and target; a sample hashed again in place',
      result.files.map(
        ({ component, entries, bytes, hashed }) =>
          `  ${printable(component)}: ${counted(entries, 'entry', 'entries')}, ${bytes} bytes, ${hashed} hashed`,
      ),
    ),
    ...section(
      'Databases intact: rows of every table compared with what was counted at backup',
      result.databases.map(
        ({ component, tables, rows, rowsEqual }) =>
          `  ${printable(component)}: ${counted(tables, 'table')}, ${counted(rows, 'row')}, ${comparedWords(rowsEqual)}`,
      ),
    ),
    ...section(
      'Services',
      result.services.map(
        ({ name, state, health, downSeconds }) =>
          `  ${printable(name)}: ${printable(state)}${health === 'none' ? ', no health check' : `, ${printable(health)}`}${downSeconds === null ? '' : `, was down for ${humanDuration(downSeconds)}`}`,
      ),
    ),
    ...section(
      'Findings',
      result.findings.map((one) => `  ${one.severity} ${one.code} ${printable(one.subject)}: ${indented(one.message)}`),
    ),
  ];
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', title, ...lines];
}

function indented(text: string): string {
  return printableLines(text).replaceAll('\n', '\n    ');
}
