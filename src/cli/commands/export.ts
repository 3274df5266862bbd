import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { McadsError } from '../../errors.ts';
import type { ExportRequest } from '../../pipeline/export.ts';
import { exportJson, exportText } from '../../report/archive-report.ts';
import type { CommandResult } from '../command-spec.ts';
import type { CommandContext } from '../context.ts';
import { withProgress } from '../progress.ts';
import { refuseDryRun } from '../refuse-dry-run.ts';
import { openRepository, wordOf } from '../repository-context.ts';

const ARCHIVE = '.tar.gz';

/** Writes a snapshot as one classic archive, with its verification file beside it. */
export async function exportCommand(context: CommandContext): Promise<CommandResult> {
  refuseDryRun(context, '`show` lists what it would write');
  if (context.options.list('component').length > 0)
    throw new McadsError('usage', 'export writes whole snapshots, not single components', { hint: '`extract` takes components out' });
  await using opened = await openRepository(context);
  const { name } = await opened.select(wordOf(context.args[0]));
  const project = await context.project();
  const request = await toExportRequest(context, name, project.repository);
  const report = await withProgress(context, project, null, (events) => opened.service.exportSnapshot(request, events, context.signal));
  return { data: exportJson(report), text: '', notes: exportText(report, context.noteStyle), findings: [], exitCode: 0 };
}

/** A file, or a folder that the archive gets its usual name in. Rejects `usage` for what is there already. */
async function toExportRequest(context: CommandContext, snapshot: string, repository: string): Promise<ExportRequest> {
  const output = context.options.text('output');
  if (output === '-')
    throw new McadsError('usage', 'an archive cannot go to stdout: it is read back before it counts', {
      hint: 'give --output FILE or DIR',
    });
  const given = output === null ? repository : resolve(context.io.workingDirectory, output);
  const isFolder = output === null || output.endsWith('/') || (await isDirectory(given));
  const path = isFolder ? join(given, `${snapshot}${ARCHIVE}`) : given;
  if (!path.endsWith(ARCHIVE))
    throw new McadsError('usage', `${path} does not end in ${ARCHIVE}`, { hint: 'name the archive FILE.tar.gz' });
  const verificationPath = `${path.slice(0, -ARCHIVE.length)}_verification.txt`;
  for (const one of [path, verificationPath]) {
    if (context.options.flag('overwrite') || !(await exists(one))) continue;
    throw new McadsError('usage', `${one} exists already; nothing was written`, {
      hint: 'give another --output, or --overwrite to replace it',
    });
  }
  return { snapshot, path, verificationPath };
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
