import type { ExportReport, ImportReport } from './domain/archive.ts';
import type { EventSink } from './domain/events.ts';
import type { ExportRequest } from './pipeline/export.ts';
import type { ImportRequest } from './pipeline/import.ts';
import type { Repository } from './repository/repository.ts';

/** Exports under a lease, so that no prune takes away what is being read. */
export async function runExport(
  repository: Repository,
  request: ExportRequest,
  events: EventSink,
  signal: AbortSignal,
): Promise<ExportReport> {
  const [{ exportSnapshot }, report] = await Promise.all([import('./pipeline/export.ts'), import('./report/archive-report.ts')]);
  await using lease = await repository.lease('shared', `export of ${request.snapshot}`, signal);
  const ports = {
    renderVerification: (manifest: Parameters<typeof report.archiveVerificationText>[0], made: ExportReport) =>
      report.archiveVerificationText(manifest, made, new Date()),
    renderSystemInfo: report.systemInfoText,
    now: () => new Date(),
    events,
  };
  const running = lease === null ? signal : AbortSignal.any([signal, lease.signal]);
  return await exportSnapshot(repository, request, ports, running);
}

export async function runImport(
  request: ImportRequest,
  openRepository: () => Promise<Repository>,
  version: string,
  events: EventSink,
  signal: AbortSignal,
): Promise<ImportReport> {
  const [{ importArchive }, { verificationText }] = await Promise.all([
    import('./pipeline/import.ts'),
    import('./report/verification-text.ts'),
  ]);
  const tool = { name: 'mcads-orchestrate', version };
  return importArchive(request, { openRepository, renderVerification: verificationText, tool, events }, signal);
}
