import type { ExportReport } from '../domain/archive.ts';
import type { JsonObject } from '../domain/byte-stream.ts';
import type { Finding, Uncovered } from '../domain/finding.ts';
import type { Manifest } from '../domain/manifest.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { PruneDecision } from '../domain/ports.ts';
import { printable } from './escape.ts';
import { counted, humanBytes, humanDuration } from './human.ts';
import type { Style } from './style.ts';
import { renderTable } from './table.ts';

/** A finished backup as far as it is reported. */
export interface BackupReport {
  readonly manifest: Manifest | null;
  readonly outcomes: readonly Outcome[];
  readonly findings: readonly Finding[];
  readonly uncovered: readonly Uncovered[];
  readonly archive?: ExportReport | null;
  readonly pruned: readonly PruneDecision[];
  readonly repository: string;
  readonly seconds: number;
}

export function backupJson(report: BackupReport): JsonObject {
  const { manifest } = report;
  return {
    repository: report.repository,
    snapshot: manifest === null ? null : { name: manifest.name, completeness: manifest.sealed.completeness },
    components: report.outcomes.map(outcomeJson),
    uncovered: report.uncovered.map(({ subject, reason }) => ({ subject, reason })),
    stats: { bytes: manifest?.sealed.stats.bytes ?? 0, newBytes: manifest?.sealed.stats.newBytes ?? 0, seconds: report.seconds },
    archive: archiveJson(report.archive ?? null),
    pruned: report.pruned.filter((one) => !one.kept).map((one) => one.name),
  };
}

function archiveJson(archive: ExportReport | null): JsonObject | null {
  return archive === null ? null : { path: archive.path, bytes: archive.bytes, sha256: archive.sha256 };
}

function outcomeJson(outcome: Outcome): JsonObject {
  switch (outcome.status) {
    case 'captured':
    case 'reused': {
      const { consistency, bytes, storedBytes } = outcome.details;
      return { id: outcome.id, outcome: outcome.status, consistency, bytes, storedBytes };
    }
    case 'skipped':
    case 'failed':
      return { id: outcome.id, outcome: outcome.status, consistency: null, bytes: 0, storedBytes: 0, reason: outcome.reason };
    case 'cancelled':
      return { id: outcome.id, outcome: outcome.status, consistency: null, bytes: 0, storedBytes: 0 };
  }
}

/** The table of what became of every component. */
export function backupTable(report: BackupReport, style: Style): string {
  return renderTable(
    [
      { title: 'COMPONENT', shrinkTo: 16 },
      { title: 'OUTCOME' },
      { title: 'CONSISTENCY', shrinkTo: 8 },
      { title: 'SIZE', align: 'right' },
      { title: 'NEW', align: 'right' },
    ],
    report.outcomes.map((outcome) => {
      const details = 'details' in outcome ? outcome.details : null;
      return [
        printable(outcome.id),
        outcome.status,
        details?.consistency ?? '',
        details === null ? '' : humanBytes(details.bytes),
        details === null ? '' : humanBytes(details.storedBytes),
      ];
    }),
    style.width,
    (text, row, column) => {
      const status = report.outcomes[row]?.status;
      if (status === undefined) return style.dim(text);
      if (column !== 1) return text;
      return status === 'failed' || status === 'cancelled'
        ? style.red(text)
        : status === 'skipped'
          ? style.yellow(text)
          : style.green(text);
    },
  );
}

/** Totals, what was pruned, and the three lines: where it is, what is not covered, what brings it back. */
export function backupClosing(report: BackupReport, program: string, style: Style): string {
  const { manifest } = report;
  const failed = report.outcomes.filter((outcome) => outcome.status === 'failed').length;
  if (manifest === null)
    return `${style.red('No snapshot was made')}: ${failed === 0 ? 'nothing' : counted(failed, 'component')} ${failed === 0 ? 'was captured' : 'failed, nothing was captured'}.`;
  const { stats, completeness } = manifest.sealed;
  const rate = report.seconds > 0 ? ` (${humanBytes(stats.bytes / report.seconds)}/s)` : '';
  const verdict = completeness === 'complete' ? style.green('Complete') : style.yellow(`Partial (${whyPartial(report, failed)})`);
  const removed = report.pruned.filter((one) => !one.kept);
  return [
    `${verdict}: ${humanBytes(stats.bytes)} in ${humanDuration(report.seconds)}${rate}, ${humanBytes(stats.newBytes)} new`,
    ...(removed.length === 0
      ? []
      : [`Pruned ${counted(removed.length, 'snapshot')}: ${removed.map((one) => printable(one.name)).join(', ')}`]),
    `Where it is:  ${printable(report.repository)}/snapshots/${printable(manifest.name)}`,
    ...archiveLine(report.archive ?? null),
    `Not covered:  ${uncoveredLine(report.uncovered)}`,
    `Bring back:   ${program} restore ${printable(manifest.name)} -r ${quoted(report.repository)}`,
  ].join('\n');
}

function archiveLine(archive: ExportReport | null): readonly string[] {
  return archive === null ? [] : [`As one file:  ${printable(archive.path)} (${humanBytes(archive.bytes)})`];
}

/** What kept the snapshot from being complete: the worst of it. */
function whyPartial(report: BackupReport, failed: number): string {
  if (failed > 0) return `${counted(failed, 'component')} failed`;
  const errors = report.findings.filter((finding) => finding.severity === 'error').length;
  return errors > 0 ? `${counted(errors, 'error')}, see above` : 'only what was selected';
}

function uncoveredLine(uncovered: readonly Uncovered[]): string {
  if (uncovered.length === 0) return 'nothing that is known to hold state';
  const shown = uncovered.slice(0, 5).map((one) => `${printable(one.subject)} (${printable(one.reason)})`);
  return shown.join('; ') + (uncovered.length > shown.length ? `; and ${uncovered.length - shown.length} more, see show` : '');
}

/** A word for a POSIX shell. */
export function quoted(word: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
