import type { JsonObject } from '../domain/byte-stream.ts';
import type { Manifest } from '../domain/manifest.ts';
import { nameOfArchive, type ClassicArchive, type SnapshotProof, type SnapshotSummary } from '../domain/snapshot-summary.ts';
import { printable } from './escape.ts';
import { uncoveredJson } from './findings.ts';
import { counted, humanAge, humanBytes, humanDuration, localMinute, localTime } from './human.ts';
import { proofJson, proofText } from './restore-words.ts';
import type { Style } from './style.ts';
import { renderTable } from './table.ts';

export function listJson(snapshots: readonly SnapshotSummary[], classic: readonly ClassicArchive[]): JsonObject {
  return {
    snapshots: snapshots.map(({ name, project, strategy, startedAt, completeness, bytes, proof }) => ({
      name,
      project,
      strategy,
      startedAt,
      completeness,
      bytes,
      proof: proofJson(proof),
    })),
    classic: classic.map(({ file, project, strategy, startedAt, bytes }) => ({ file, project, strategy, startedAt, bytes })),
  };
}

/** Newest last, where the eye is. */
export function listText(snapshots: readonly SnapshotSummary[], classic: readonly ClassicArchive[], now: Date, style: Style): string {
  const rows = [
    ...snapshots.map((one) => ({
      at: one.startedAt,
      cells: [one.name, one.completeness, one.bytes, proofCell(one.proof, now)] as const,
    })),
    ...classic.map((one) => ({ at: one.startedAt, cells: [one.file, 'classic', one.bytes, ''] as const })),
  ].toSorted((a, b) => (a.at < b.at ? -1 : 1));
  if (rows.length === 0) return '';
  return renderTable(
    [
      { title: 'SNAPSHOT' },
      { title: 'STARTED', dropRank: 1 },
      { title: 'AGE', dropRank: 4 },
      { title: 'SIZE', align: 'right', dropRank: 3 },
      { title: 'STATE' },
      { title: 'PROOF', dropRank: 2 },
    ],
    rows.map(({ at, cells: [name, state, bytes, proof] }) => [
      printable(name),
      localMinute(new Date(at)),
      humanAge(new Date(at), now),
      humanBytes(bytes),
      state,
      proof,
    ]),
    style.width,
    (text, row, column) => (row === -1 ? style.dim(text) : column === 4 && text.startsWith('partial') ? style.yellow(text) : text),
  );
}

/** Header and rows for a list to choose from, in the order given. */
export function snapshotRows(snapshots: readonly (SnapshotSummary | ClassicArchive)[], now: Date, width: number): readonly string[] {
  return renderTable(
    [
      { title: 'SNAPSHOT', shrinkTo: 15 },
      { title: 'AGE' },
      { title: 'SIZE', align: 'right' },
      { title: 'STATE', dropRank: 2 },
      { title: 'PROOF', dropRank: 1 },
    ],
    snapshots.map((one) => [
      printable('file' in one ? nameOfArchive(one) : one.name),
      humanAge(new Date(one.startedAt), now),
      humanBytes(one.bytes),
      'file' in one ? 'classic' : one.completeness,
      'file' in one ? '' : proofCell(one.proof, now),
    ]),
    width,
  ).split('\n');
}

/** `level 5, 2 days ago`; what did not hold is said first. */
export function proofCell(proof: SnapshotProof | null, now: Date, none = 'none'): string {
  if (proof === null) return none;
  const age = humanAge(new Date(proof.at), now);
  return proof.failed === true ? `FAILED, ${age}` : `level ${proof.level ?? '-'}, ${age}`;
}

export function showJson(manifest: Manifest, proof: SnapshotProof | null): JsonObject {
  const { sealed } = manifest;
  return {
    snapshot: {
      proof: proofJson(proof),
      name: manifest.name,
      project: sealed.project,
      strategy: sealed.strategy,
      completeness: sealed.completeness,
      startedAt: sealed.startedAt,
      finishedAt: sealed.finishedAt,
      tool: { ...sealed.tool },
      host: { ...sealed.host },
      workingDirectory: sealed.workingDirectory,
    },
    components: manifest.components.map((component) => {
      const details = sealed.components[component.id];
      return {
        id: component.id,
        outcome: details?.outcome ?? 'captured',
        how: details?.how ?? '',
        because: details?.because ?? 'detected',
        consistency: details?.consistency ?? 'live',
        bytes: details?.bytes ?? 0,
        storedBytes: details?.storedBytes ?? 0,
        facts: details?.facts ?? {},
        artifacts: component.artifacts.map(({ name, format, bytes, digest }) => ({ name, format, bytes, digest })),
      };
    }),
    failed: sealed.failed.map(({ id, status, reason }) => ({ id, status, reason })),
    uncovered: uncoveredJson(sealed.uncovered),
    stats: { bytes: sealed.stats.bytes, newBytes: sealed.stats.newBytes, seconds: sealed.stats.seconds },
  };
}

export function showText(manifest: Manifest, proof: SnapshotProof | null, now: Date, style: Style): string {
  const { sealed } = manifest;
  const started = new Date(sealed.startedAt);
  const state = sealed.completeness === 'partial' ? style.yellow('partial') : sealed.completeness;
  const head = [
    `${style.bold(printable(manifest.name))}  ${state}, ${sealed.strategy}`,
    `started ${localTime(started)} (${humanAge(started, now)}), took ${humanDuration(sealed.stats.seconds)}, ${humanBytes(sealed.stats.bytes)}, new ${humanBytes(sealed.stats.newBytes)}`,
    `by ${printable(sealed.tool.name)} ${printable(sealed.tool.version)} on ${printable(sealed.host.name)}${sealed.workingDirectory === null ? '' : `, from ${printable(sealed.workingDirectory)}`}`,
    proof?.failed === true ? style.red(proofText(proof, now)) : proofText(proof, now),
  ];
  const table = renderTable(
    [{ title: 'COMPONENT', shrinkTo: 16 }, { title: 'SIZE', align: 'right' }, { title: 'CONSISTENCY' }, { title: 'HOW', shrinkTo: 12 }],
    manifest.components.map((component) => {
      const details = sealed.components[component.id];
      return [printable(component.id), humanBytes(details?.bytes ?? 0), details?.consistency ?? '', printable(details?.how ?? '')];
    }),
    style.width,
    (text, row) => (row === -1 ? style.dim(text) : text),
  );
  const failed = sealed.failed.map((one) => `  ${style.red(one.status)}  ${printable(one.id)}: ${printable(one.reason)}`);
  return [...head, '', table, ...(failed.length === 0 ? [] : ['', ...failed]), '', uncoveredText(sealed.uncovered, style)].join('\n');
}

export function uncoveredText(uncovered: Manifest['sealed']['uncovered'], style: Style): string {
  if (uncovered.length === 0) return 'Not covered: nothing that is known to hold state';
  const lines = uncovered.map((one) => `  ${style.bold(printable(one.subject))}: ${printable(one.reason)}`);
  return [`Not covered (${counted(uncovered.length, 'place')}):`, ...lines].join('\n');
}
