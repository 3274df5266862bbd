import { resolve } from 'node:path';
import { importJson, importText } from '../../report/archive-report.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import { importFile } from '../import-file.ts';
import { refuseDryRun } from '../refuse-dry-run.ts';
import { wordOf } from '../repository-context.ts';
import { programHere } from '../run-defaults.ts';

/** Stores a classic archive as a snapshot. */
export async function importCommand(context: CommandContext): Promise<CommandResult> {
  refuseDryRun(context, '`tar -tzf` lists what an archive holds');
  const report = await importFile(context, resolve(context.io.workingDirectory, wordOf(context.args[0])));
  const { sealed } = report.manifest;
  const findings = report.isNew ? sealed.findings : [];
  return {
    data: importJson(report),
    text: '',
    notes: importText(report, programHere(context), context.noteStyle),
    findings,
    exitCode: report.isNew && sealed.failed.some(({ status }) => status === 'failed') ? 3 : 0,
  };
}
