import { availableParallelism } from 'node:os';
import { hasErrors } from '../../domain/finding.ts';
import type { BackupRequest, BackupResult } from '../../pipeline/requests.ts';
import { backupClosing, backupJson, backupTable } from '../../report/backup-report.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import type { ExitCode } from '../exit-codes.ts';
import { openRunLog } from '../run-log.ts';
import { toPlanRequest } from '../plan-request.ts';
import { withProgress } from '../progress.ts';
import { renderPlan } from '../render-plan.ts';

const HEALTH_TIMEOUT_MS = 120_000;

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
    rescan: context.options.flag('rescan'),
    jobs: settings.jobs ?? Math.min(4, availableParallelism()),
    prune: context.options.flag('prune'),
    healthTimeoutMs: HEALTH_TIMEOUT_MS,
  };
  const result = await withProgress(context, project, openRunLog(context, project, 'planned'), (events) =>
    context.services.backup(request, setup, events, context.signal),
  );
  return resultOf(context, result);
}

function resultOf(context: CommandContext, result: BackupResult): CommandResult {
  const closing = backupClosing(result, 'mcads-orchestrate', context.style);
  return {
    data: backupJson(result),
    text: '',
    notes: `${backupTable(result, context.style)}\n\n${closing}`,
    findings: result.findings,
    exitCode: exitCodeOf(result),
  };
}

function exitCodeOf(result: BackupResult): ExitCode {
  if (result.manifest === null) return 1;
  return result.manifest.sealed.completeness === 'partial' || hasErrors(result.findings) ? 3 : 0;
}
