import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSnapshotName, timeOf } from '../domain/snapshot-name.ts';
import { nameOfArchive, type ClassicArchive } from '../domain/snapshot-summary.ts';
import type { Store } from './store.ts';
import { guarded, nullIfMissing } from './stores/local-files.ts';

const ARCHIVE = '.tar.gz';

/** Files and folders of the old scripts that may lie beside a repository. Everything else makes a folder foreign. */
export function isClassicEntry(name: string, isDirectory: boolean): boolean {
  if (isDirectory) return name === 'logs' || name.startsWith('restore_') || parseSnapshotName(name) !== null;
  return (name.includes('_backup_') && name.endsWith(ARCHIVE)) || name.endsWith('_verification.txt');
}

/** Archives of the old scripts and our own exports, newest last. */
export async function listClassicArchives(store: Store): Promise<readonly ClassicArchive[]> {
  const archives: ClassicArchive[] = [];
  for await (const page of store.list('', { shallow: true, sizes: true }))
    for (const { key, bytes } of page) archives.push(...archiveOf(key, bytes));
  return newestLast(archives);
}

/** The same of a folder that is no repository yet; empty where there is none. */
export async function classicArchivesIn(folder: string): Promise<readonly ClassicArchive[]> {
  return guarded(`listing ${folder}`, async () => {
    const info = await nullIfMissing(stat(folder));
    if (info?.isDirectory() !== true) return [];
    const archives: ClassicArchive[] = [];
    for (const entry of await readdir(folder, { withFileTypes: true }))
      if (entry.isFile() && entry.name.endsWith(ARCHIVE))
        archives.push(...archiveOf(entry.name, (await stat(join(folder, entry.name))).size));
    return newestLast(archives);
  });
}

/** Empty for another file. */
function archiveOf(file: string, bytes: number): readonly ClassicArchive[] {
  const name = file.endsWith(ARCHIVE) ? parseSnapshotName(nameOfArchive({ file })) : null;
  const at = name === null ? null : timeOf(name.time);
  return name === null || at === null ? [] : [{ file, project: name.project, strategy: name.strategy, startedAt: at.toISOString(), bytes }];
}

function newestLast(archives: readonly ClassicArchive[]): readonly ClassicArchive[] {
  return archives.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
}

/** The summary that the old scripts put beside an archive. */
export function classicVerificationKey(file: string): string {
  return `${nameOfArchive({ file })}_verification.txt`;
}
