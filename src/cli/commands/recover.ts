import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import { refuseDryRun } from '../refuse-dry-run.ts';
import { printable } from '../../report/escape.ts';

/** Undoes what dead runs left in the engine. */
export async function recover(context: CommandContext): Promise<CommandResult> {
  refuseDryRun(context, 'it undoes only what a killed run left: a half-done restore, stopped services, helpers');
  const opened = await context.project();
  const everything = context.options.flag('allProjects') || opened.name === null;
  const report = await context.services.recover(everything ? null : opened.name, opened.engine, context.signal);
  const lines = [
    ...report.undone.map((what) => `undone: ${printable(what)}`),
    ...report.failed.map((what) => `failed: ${printable(what)}`),
  ];
  return {
    data: { undone: [...report.undone], failed: [...report.failed] },
    text: lines.length === 0 ? 'Nothing to recover.' : lines.join('\n'),
    findings: report.failed.map((what) => ({ severity: 'error', code: 'not-undone', subject: 'recover', message: what })),
    exitCode: 0,
  };
}
