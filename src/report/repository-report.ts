import type { RepositoryStats } from '../domain/repository-stats.ts';
import type { JsonObject } from '../domain/byte-stream.ts';
import type { Damage, PruneDecision } from '../domain/ports.ts';
import { printable } from './escape.ts';
import { counted, humanBytes } from './human.ts';
import type { Style } from './style.ts';
import { renderTable } from './table.ts';

export interface VerifySummary {
  readonly snapshots: number;
  readonly chunks: number;
  readonly bytes: number;
  readonly damaged: readonly Damage[];
}

export function verifyJson(report: VerifySummary): JsonObject {
  return {
    checked: { snapshots: report.snapshots, chunks: report.chunks, bytes: report.bytes },
    damaged: report.damaged.map(({ kind, id, problem, message, affects }) => ({ kind, id, problem, message, affects: [...affects] })),
  };
}

/** `level` names how deep the check went. */
export function verifyText(report: VerifySummary, level: string, style: Style): string {
  const head = `Checked ${counted(report.snapshots, 'snapshot')}, ${counted(report.chunks, 'chunk')}, ${humanBytes(report.bytes)} (${level}): `;
  if (report.damaged.length === 0) return `${head}${style.green('nothing missing or damaged')}`;
  const lines = report.damaged.flatMap((one) => [
    `  ${style.red(one.problem)}  ${one.kind} ${printable(one.id)}: ${printable(one.message)}`,
    ...(one.affects.length === 0 ? [] : [`    needed by ${one.affects.map(printable).join(', ')}`]),
  ]);
  return [`${head}${style.red(counted(report.damaged.length, 'problem'))}`, ...lines].join('\n');
}

export function pruneJson(decisions: readonly PruneDecision[], freedBytes: number, dryRun: boolean): JsonObject {
  return { snapshots: decisions.map(({ name, kept, reason }) => ({ name, kept, reason })), freedBytes, dryRun };
}

export function pruneTable(decisions: readonly PruneDecision[], style: Style): string {
  if (decisions.length === 0) return 'No snapshots.';
  return renderTable(
    [{ title: 'SNAPSHOT' }, { title: 'VERDICT' }, { title: 'REASON', shrinkTo: 12 }],
    decisions.map((one) => [printable(one.name), one.kept ? 'keep' : 'remove', printable(one.reason)]),
    style.width,
    (text, row, column) => (row === -1 ? style.dim(text) : column === 1 && decisions[row]?.kept === false ? style.yellow(text) : text),
  );
}

export function statsText(stats: RepositoryStats, location: string, style: Style): string {
  const ratio = stats.ratio === null ? '' : `, ${stats.ratio.toFixed(1)} times less than the snapshots in full`;
  return [
    style.bold(printable(location)),
    `  snapshots      ${stats.snapshots}`,
    `  in full        ${humanBytes(stats.logicalBytes)}`,
    `  distinct       ${humanBytes(stats.plainBytes)} in ${counted(stats.chunks, 'chunk')}`,
    `  on disk        ${humanBytes(stats.storedBytes)}${ratio}`,
    `  not needed     ${humanBytes(stats.garbageBytes)}`,
  ].join('\n');
}
