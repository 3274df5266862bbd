import type { ArchivedFile, ExportReport, ImportReport } from '../domain/archive.ts';
import type { JsonObject, JsonValue } from '../domain/byte-stream.ts';
import { isJsonObject } from '../domain/byte-stream.ts';
import type { Manifest } from '../domain/manifest.ts';
import { printable } from './escape.ts';
import { counted, humanBytes, humanDuration } from './human.ts';
import type { Style } from './style.ts';
import { verificationText } from './verification-text.ts';

export function exportJson(report: ExportReport): JsonObject {
  const { snapshot, path, verification, bytes, sha256, plainBytes, files, seconds } = report;
  const listed = files.map(({ file, component, bytes: size, sha256: digest }) => ({ file, component, bytes: size, sha256: digest }));
  return { snapshot, archive: { path, verification, bytes, sha256, plainBytes, files: listed }, stats: { seconds } };
}

export function exportText(report: ExportReport, style: Style): string {
  const rate = report.seconds > 0 ? ` (${humanBytes(report.plainBytes / report.seconds)}/s)` : '';
  return [
    `${style.green('Exported')}: ${counted(report.files.length, 'file')}, ${humanBytes(report.bytes)} in ${humanDuration(report.seconds)}${rate}`,
    `Where it is:  ${printable(report.path)}`,
    `Checked:      read back in full before it got its name; ${printable(report.verification)}`,
    `SHA-256:      ${report.sha256}`,
  ].join('\n');
}

export function importJson(report: ImportReport): JsonObject {
  const { snapshot, file, sha256, isNew, manifest } = report;
  const { sealed } = manifest;
  return {
    snapshot: { name: snapshot, completeness: sealed.completeness, isNew },
    archive: { path: file, sha256 },
    components: manifest.components.map(({ id }) => {
      const { consistency = null, bytes = 0, storedBytes = 0 } = sealed.components[id] ?? {};
      return { id, consistency, bytes, storedBytes };
    }),
    failed: sealed.failed.map(({ id, reason }) => ({ id, reason })),
    uncovered: sealed.uncovered.map(({ subject, reason }) => ({ subject, reason })),
    stats: { bytes: sealed.stats.bytes, newBytes: sealed.stats.newBytes },
  };
}

export function importText(report: ImportReport, program: string, style: Style): string {
  const { sealed } = report.manifest;
  const name = printable(report.snapshot);
  const bringBack = `Bring back:   ${program} restore ${name}`;
  if (!report.isNew) return `${style.green('Already here')}: ${printable(report.file)} is the snapshot ${name}\n${bringBack}`;
  const verdict = sealed.completeness === 'complete' ? style.green('Imported') : style.yellow('Imported in part');
  return [
    `${verdict}: ${name}, ${counted(report.manifest.components.length, 'component')}, ${humanBytes(sealed.stats.bytes)}, ${humanBytes(sealed.stats.newBytes)} new`,
    ...sealed.failed.map(({ id, reason }) => `${style.red('Not imported')}: ${printable(id)}: ${printable(reason)}`),
    ...sealed.uncovered.map(({ subject, reason }) => `Left in the archive: ${printable(subject)}: ${printable(reason)}`),
    bringBack,
  ].join('\n');
}

/** The text of an archive's `…_verification.txt`, for people, without the tool. Times are UTC. */
export function archiveVerificationText(manifest: Manifest, report: ExportReport, at: Date): string {
  return [
    `Archive             ${printable(report.path.slice(report.path.lastIndexOf('/') + 1))}`,
    `Written             ${at.toISOString()} (${humanDuration(report.seconds)})`,
    `Size                ${humanBytes(report.bytes)} (${report.bytes} bytes), ${humanBytes(report.plainBytes)} unpacked`,
    `SHA-256             ${report.sha256}`,
    '',
    `Files (${counted(report.files.length, 'file')}, SHA-256 of each as it stands in the archive)`,
    ...report.files.map(fileLine),
    '',
    'Checks made before the archive got its name',
    '  every piece that was read from the repository had its recorded length and SHA-256',
    '  the written file was flushed and read back in full: gzip checksums, tar structure, inner archives, names',
    '  every file in it has the length and SHA-256 that it was written with',
    '  nothing has been restored from it: only a drill or a restore proves a backup',
    '',
    'How to get this back without the tool: tar -xzf ARCHIVE; then unpack each inner .tar.gz with tar -xpzf where it belongs.',
    '',
    'The snapshot that it holds',
    '',
    verificationText(manifest),
  ].join('\n');
}

function fileLine({ file, component, bytes, sha256 }: ArchivedFile): string {
  return `  ${sha256}  ${String(bytes).padStart(14)}  ${printable(file)}${component === null ? '' : `  (${printable(component)})`}`;
}

/** The text of `system_info.txt` in an archive of a host's snapshot: what was recorded of the machine, one fact a line. */
export function systemInfoText(manifest: Manifest, state: JsonValue): string {
  const { sealed } = manifest;
  if (isJsonObject(state) && typeof state['systemInfo'] === 'string') return state['systemInfo']; // imported from an old archive
  return [
    `Snapshot   ${printable(manifest.name)}`,
    `Time       ${sealed.startedAt}`,
    `Host       ${printable(sealed.host.name)}, ${printable(sealed.host.platform)}, Node.js ${printable(sealed.host.node)}`,
    ...(sealed.workingDirectory === null ? [] : [`Directory  ${printable(sealed.workingDirectory)}`]),
    '',
    ...factLines(state, ''),
    '',
  ].join('\n');
}

function factLines(value: JsonValue, name: string): readonly string[] {
  if (value === null || typeof value !== 'object') return [`${printable(name)}: ${printable(String(value))}`];
  return Object.entries(value).flatMap(([key, inner]) => factLines(inner, name === '' ? key : `${name}.${key}`));
}
