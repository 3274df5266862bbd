import { hasErrors } from '../../domain/finding.ts';
import type { Finding } from '../../domain/finding.ts';
import { isStored } from '../../domain/outcome.ts';
import type { BackupRequest, BackupResult } from '../../pipeline/requests.ts';
import { backupClosing, backupJson, backupTable } from '../../report/backup-report.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import type { ExitCode } from '../exit-codes.ts';
import { defaultJobs, HEALTH_TIMEOUT_MS, programHere } from '../run-defaults.ts';
import { openRunLog } from '../run-log.ts';
import { toPlanRequest } from '../plan-request.ts';
import { withProgress } from '../progress.ts';
import { renderPlan } from '../render-plan.ts';

/** Captures the project as one snapshot; with --dry-run the plan and stops. */
export async function backup(context: CommandContext): Promise<CommandResult> {
  const project = await context.project();
  const setup = project.setup();
  const planRequest = toPlanRequest(context, project);
  if (context.options.flag('dryRun')) {
    const made = await withProgress(context, project, null, (events) => context.services.plan(planRequest, setup, events, context.signal));
    return renderPlan(context, project, made);
  }
  const { settings } = project.config;
  const request: BackupRequest = {
    ...planRequest,
    transport: settings.transport,
    helperImage: settings.helperImage,
    weights: { cpu: settings.helperCpuWeight, io: settings.helperIoWeight },
    limitRate: settings.limitRate,
    rescan: context.options.flag('rescan'),
    jobs: settings.jobs ?? defaultJobs(),
    archive: settings.archive,
    prune: context.options.flag('prune'),
    healthTimeoutMs: HEALTH_TIMEOUT_MS,
    repository: project.repository,
  };
  const result = await withProgress(
    context,
    project,
    openRunLog(context, project, 'planned'),
    (events) => context.services.backup(request, setup, events, context.signal),
    (made) => ({ exitCode: exitCodeOf(made), findings: findingsOf(made) }),
  );
  return resultOf(context, result);
}

function resultOf(context: CommandContext, result: BackupResult): CommandResult {
  const closing = backupClosing(result, programHere(context), context.noteStyle);
  return {
    data:
      result.manifest === null
        ? { ...backupJson(result), error: { code: 'nothing-captured', message: 'nothing could be captured' } }
        : backupJson(result),
    text: '',
    notes: `${backupTable(result, context.noteStyle)}\n\n${closing}`,
    findings: findingsOf(result),
    exitCode: exitCodeOf(result),
  };
}

/** A failed component is always an error finding. */
function findingsOf(result: BackupResult): readonly Finding[] {
  const mentioned = new Set(result.findings.filter((finding) => finding.severity === 'error').map((finding) => finding.subject));
  const unmentioned = result.outcomes.flatMap((outcome): readonly Finding[] =>
    outcome.status !== 'failed' || mentioned.has(outcome.id)
      ? []
      : [{ severity: 'error', code: 'component-failed', subject: outcome.id, message: outcome.reason, hint: outcome.hint }],
  );
  return [...result.findings, ...unmentioned];
}

function exitCodeOf(result: BackupResult): ExitCode {
  if (result.manifest === null) return 1;
  // A selection makes a partial snapshot too, as it was asked to: that alone is no error.
  return result.outcomes.some((outcome) => !isStored(outcome)) || hasErrors(result.findings) ? 3 : 0;
}
