import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ImportReport } from '../domain/archive.ts';
import { McadsError } from '../errors.ts';
import type { CommandContext } from './context.ts';
import { withProgress } from './progress.ts';

const UNITS = ['', 'k', 'm', 'g', 't'];

/** The absolute path where a word of the command line names an archive and no snapshot: it looks like a file and is one. */
export async function archiveFileOf(context: CommandContext, word: string): Promise<string | null> {
  if (!word.includes('/') && !/\.(?:tar\.gz|tgz)$/.test(word)) return null;
  const path = resolve(context.io.workingDirectory, word);
  const isFile = await stat(path).then(
    (info) => info.isFile(),
    () => false,
  );
  if (!isFile)
    throw new McadsError('usage', `there is no archive ${path}`, { hint: 'give a path, or the name of a snapshot as `list` shows it' });
  return path;
}

/** Stores the archive in the project's repository or in another place, or finds it there; the snapshot's name is in the report. */
export async function importFile(context: CommandContext, file: string, location: string | null = null): Promise<ImportReport> {
  const project = await context.project();
  const request = { file, maxUnpackedBytes: maxUnpacked(context), allowDevices: context.options.flag('allowDevices') };
  const { lockTimeoutMs } = project.config.settings;
  return withProgress(context, project, null, (events) =>
    context.services.importArchive(request, { location: location ?? project.repository, lockTimeoutMs }, events, context.signal),
  );
}

function maxUnpacked(context: CommandContext): number | null {
  const text = context.options.text('maxUnpacked');
  if (text === null) return null;
  const found = /^(\d+(?:\.\d+)?) ?([kmgt]?)(?:i?b)?$/i.exec(text);
  const bytes = Math.floor(Number(found?.[1]) * 1024 ** UNITS.indexOf((found?.[2] ?? '').toLowerCase()));
  if (!(bytes > 0)) throw new McadsError('usage', `--max-unpacked ${text} is no size`, { hint: 'write 50GiB or 800m' });
  return bytes;
}
