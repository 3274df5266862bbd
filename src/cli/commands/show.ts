import { showJson, showText } from '../../report/snapshot-report.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import { openRepository, wordOf } from '../repository-context.ts';
import { renderFindings } from '../../report/findings.ts';

/** One snapshot. What it recorded is data here: its findings do not change the exit code. */
export async function show(context: CommandContext): Promise<CommandResult> {
  await using opened = await openRepository(context);
  const summary = await opened.select(wordOf(context.args[0]));
  const manifest = await opened.service.repository.manifest(summary.name);
  const recorded = [...manifest.sealed.findings, ...Object.values(manifest.sealed.components).flatMap((component) => component.findings)];
  const findings = renderFindings(recorded, context.style, true);
  const text = showText(manifest, summary.proof, new Date(), context.style);
  return {
    data: {
      ...showJson(manifest, summary.proof),
      recordedFindings: recorded.map((finding) => ({ ...finding, hint: finding.hint ?? null })),
    },
    text: findings === '' ? text : `${text}\n\n${findings}`,
    findings: [],
    exitCode: 0,
  };
}
