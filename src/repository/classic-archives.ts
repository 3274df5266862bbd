import { parseSnapshotName, timeOf } from '../domain/snapshot-name.ts';
import type { ClassicArchive } from '../domain/snapshot-summary.ts';
import type { Store } from './store.ts';

const ARCHIVE = '.tar.gz';

/** Files and folders of the old scripts that may lie beside a repository. Everything else makes a folder foreign. */
export function isClassicEntry(name: string, isDirectory: boolean): boolean {
  if (isDirectory) return name === 'logs' || name.startsWith('restore_') || parseSnapshotName(name) !== null;
  return (name.includes('_backup_') && name.endsWith(ARCHIVE)) || name.endsWith('_verification.txt');
}

/** Archives of the old scripts and our own exports, newest last. */
export async function listClassicArchives(store: Store): Promise<readonly ClassicArchive[]> {
  const archives: ClassicArchive[] = [];
  for await (const page of store.list('', { shallow: true, sizes: true })) {
    for (const { key, bytes } of page) {
      const name = key.endsWith(ARCHIVE) ? parseSnapshotName(key.slice(0, -ARCHIVE.length)) : null;
      const at = name === null ? null : timeOf(name.time);
      if (name !== null && at !== null)
        archives.push({ file: key, project: name.project, strategy: name.strategy, startedAt: at.toISOString(), bytes });
    }
  }
  return archives.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
}

/** The summary that the old scripts put beside an archive. */
export function classicVerificationKey(file: string): string {
  return `${file.slice(0, -ARCHIVE.length)}_verification.txt`;
}
