import { hasErrors } from '../../domain/finding.ts';
import { McadsError } from '../../errors.ts';
import { counted, humanBytes } from '../../report/human.ts';
import { pruneJson, pruneTable } from '../../report/repository-report.ts';
import type { CommandResult } from '../command-spec.ts';
import { confirm } from '../confirm.ts';
import type { CommandContext } from '../context.ts';
import { withProgress } from '../progress.ts';
import { openRepository } from '../repository-context.ts';
import { openRunLog } from '../run-log.ts';

/** Shows the plan, asks, removes. */
export async function prune(context: CommandContext): Promise<CommandResult> {
  const opened = await context.project();
  const { keep } = opened.config.settings;
  if (Object.values(keep).every((rule) => rule === null))
    throw new McadsError('usage', 'no rule keeps anything', { hint: 'give --keep-last 10 or another --keep-…' });
  await using repository = await openRepository(context);
  const project = await repository.projectName();
  const dryRun = context.options.flag('dryRun');
  const planned = await repository.service.prune({ project, keep, dryRun: true }, () => undefined, context.signal);
  const going = planned.decisions.filter((one) => !one.kept);
  const table = pruneTable(planned.decisions, context.style);
  if (dryRun) {
    return {
      data: pruneJson(planned.decisions, planned.freedBytes, true),
      text: table,
      notes: `Would remove ${counted(going.length, 'snapshot')}.`,
      findings: planned.findings,
      exitCode: 0,
    };
  }
  if (going.length > 0) {
    context.note(pruneTable(planned.decisions, context.noteStyle));
    await confirm(context, `Remove ${counted(going.length, 'snapshot')}?`);
  }
  const report = await withProgress(
    context,
    opened,
    openRunLog(context, opened, 'now'),
    (events) => repository.service.prune({ project, keep, dryRun: false }, events, context.signal),
    ({ findings }) => ({ exitCode: hasErrors(findings) ? 3 : 0, findings }),
  );
  const removed = report.decisions.filter((one) => !one.kept);
  return {
    data: pruneJson(report.decisions, report.freedBytes, false),
    text: going.length > 0 ? '' : table,
    notes: `Removed ${counted(removed.length, 'snapshot')}, freed ${humanBytes(report.freedBytes)}.`,
    findings: report.findings,
    exitCode: 0,
  };
}
