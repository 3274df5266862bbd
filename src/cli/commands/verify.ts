import { verifyJson, verifyText } from '../../report/repository-report.ts';
import { McadsError } from '../../errors.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import { withProgress } from '../progress.ts';
import { openRepository } from '../repository-context.ts';

/** Structure, and with --read-data or --sample the bytes. */
export async function verify(context: CommandContext): Promise<CommandResult> {
  const sample = context.options.text('sample');
  const share = context.options.flag('readData') ? 1 : sample === null ? null : parseShare(sample);
  await using opened = await openRepository(context);
  const report = await withProgress(context, await context.project(), null, (events) =>
    opened.service.verify({ share }, events, context.signal),
  );
  const level =
    share === null
      ? 'structure only; --read-data reads the bytes too'
      : share === 1
        ? 'every byte read'
        : `a sample of ${share * 100}% read`;
  return {
    data: verifyJson(report),
    text: verifyText(report, level, context.style),
    findings: report.findings,
    exitCode: report.damaged.length > 0 ? 30 : 0,
  };
}

/** `5%` or `0.05`. Rejects `usage` for anything outside 0–100 %. */
export function parseShare(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text.trim());
  const share = match === null ? Number.NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1);
  if (!(share > 0 && share <= 1)) throw new McadsError('usage', `--sample ${text} is no share of the data`, { hint: 'write 5% or 0.05' });
  return share;
}
