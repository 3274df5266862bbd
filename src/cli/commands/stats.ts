import { statsText } from '../../report/repository-report.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import { openRepository } from '../repository-context.ts';

export async function stats(context: CommandContext): Promise<CommandResult> {
  await using opened = await openRepository(context);
  const report = await opened.service.stats(context.signal);
  return {
    data: { stats: { ...report } },
    text: statsText(report, opened.service.repository.location, context.style),
    findings: [],
    exitCode: 0,
  };
}
