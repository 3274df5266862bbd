import type { JsonObject } from '../domain/byte-stream.ts';
import type { DrillCheck, DrillEvidence, LevelOutcome, LevelResult } from '../domain/drill.ts';
import { printable } from './escape.ts';
import { findingJson } from './findings.ts';
import { humanDuration, localTime } from './human.ts';
import { ageOf, field, sentence } from './restore-words.ts';
import type { Style } from './style.ts';
import { renderTable } from './table.ts';

export interface DrillFacts {
  /** Path of the evidence, in the repository or where `--output` put it; null where it is nowhere. */
  readonly evidence: string | null;
  readonly copy: { readonly project: string; readonly until: string } | null;
}

export function drillJson(evidence: DrillEvidence, { evidence: path, copy }: DrillFacts): JsonObject {
  return {
    snapshot: evidence.snapshot,
    project: evidence.project,
    level: evidence.level,
    wanted: evidence.wanted,
    levels: evidence.levels.map(({ level, name, proves, outcome }) => ({ level, name, proves, outcome })),
    checks: checksJson(evidence.checks),
    rtoSeconds: evidence.rto?.seconds ?? null,
    rto: evidence.rto === null ? null : { ...evidence.rto },
    rpoSeconds: evidence.rpoSeconds,
    seconds: evidence.seconds,
    changes: evidence.changes,
    evidence: path,
    copy: copy === null ? null : { project: copy.project, until: copy.until },
  };
}

function checksJson(checks: readonly DrillCheck[]): readonly JsonObject[] {
  return checks.map(({ level, name, subject, ok, detail }) => ({ level, name, subject, ok, detail }));
}

/** The file that is kept, also outside of a repository. */
export function evidenceText(evidence: DrillEvidence): string {
  return `${JSON.stringify({ ...evidence, findings: evidence.findings.map(findingJson) }, null, 2)}\n`;
}

/** Levels with what each proves, and every check that did not hold. */
export function drillTables(evidence: DrillEvidence, style: Style): string {
  const shown = evidence.levels.filter(({ level }) => level <= evidence.wanted);
  const table = renderTable(
    [{ title: 'LEVEL' }, { title: 'RESULT' }, { title: 'CHECKS', align: 'right' }, { title: 'PROVES', shrinkTo: 20, dropRank: 1 }],
    shown.map(({ level, name, outcome, proves }) => [`L${level} ${name}`, outcome, countOf(evidence, level), proves]),
    style.width,
    (text, row, column) => {
      const one = shown[row];
      return one === undefined ? style.dim(text) : column === 1 ? painter(one.outcome, style)(text) : text;
    },
  );
  const failed = evidence.checks.filter(({ ok }) => !ok);
  const lines = failed.map(({ level, name, subject, detail }) =>
    sentence(`${style.red(`L${level}`)} ${name} of ${style.bold(printable(subject))}: ${printable(detail)}`, style),
  );
  return lines.length === 0 ? table : [table, '', ...lines].join('\n');
}

function countOf({ checks }: DrillEvidence, level: LevelResult['level']): string {
  const mine = checks.filter((check) => check.level === level);
  const bad = mine.filter(({ ok }) => !ok).length;
  return bad === 0 ? String(mine.length) : `${bad} of ${mine.length} failed`;
}

function painter(outcome: LevelOutcome, style: Style): (text: string) => string {
  switch (outcome) {
    case 'passed':
      return style.green;
    case 'failed':
      return style.red;
    case 'n/a':
    case 'not reached':
      return style.dim;
  }
}

/** The verdict, what is proven of what, and how long bringing it back takes. */
export function drillClosing(evidence: DrillEvidence, facts: DrillFacts, now: Date, style: Style): string {
  const { level, rto, ok } = evidence;
  const reached = level === null ? 'not even the lowest level' : `level ${level}: ${evidence.levels[level]?.proves ?? ''}`;
  const taken = new Date(evidence.takenAt);
  const part = evidence.components === null ? '' : ` (only ${evidence.components.map(printable).join(', ')})`;
  return [
    sentence(ok ? `${style.green('Proven')}: ${reached}` : `${style.red('NOT proven')}. What holds: ${reached}`, style),
    field('Snapshot:', `${printable(evidence.snapshot)}${part}, as of ${localTime(taken)} (${ageOf(taken, now)})`, style),
    field('Recovery:', rto === null ? 'not measured: the restore did not come to its end' : recoveryText(evidence), style),
    field('Evidence:', facts.evidence === null ? 'not kept' : printable(facts.evidence), style),
    ...(facts.copy === null ? [] : [field('Copy:', copyText(facts.copy, evidence.drill), style)]),
    ...(evidence.changes.length === 0 ? [] : [field('Left out:', evidence.changes.map(printable).join('; '), style)]),
  ].join('\n');
}

export function recoveryText({ rto, rpoSeconds }: DrillEvidence): string {
  if (rto === null) return '';
  const { prepareSeconds, filesSeconds, databasesSeconds, servicesSeconds, seconds } = rto;
  const parts = [
    `${humanDuration(prepareSeconds)} containers`,
    `${humanDuration(filesSeconds)} files`,
    `${humanDuration(databasesSeconds)} databases`,
    ...(servicesSeconds === null ? [] : [`${humanDuration(servicesSeconds)} services`]),
  ];
  return `${humanDuration(seconds)} (${parts.join(', ')}); at most ${humanDuration(rpoSeconds)} of work would have been lost`;
}

function copyText({ project, until }: NonNullable<DrillFacts['copy']>, drill: string): string {
  const label = `label=mcads.drill=${drill}`;
  return `${printable(project)} stays until ${localTime(new Date(until))} (docker ps --filter ${label}); the first run after that removes it`;
}
