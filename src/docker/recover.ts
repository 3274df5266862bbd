import type { UndoReport } from '../domain/ports.ts';
import { McadsError, messageOf } from '../errors.ts';
import { claimProject } from './claim-project.ts';
import { listMarks, removeDeadHelpers } from './dead-helpers.ts';
import { CLAIM_PROJECT } from './labels.ts';
import { baseFolders, removeDeadPipeFolders } from './pipe-folder.ts';
import { projectsWithRestore, type UndoJournal } from './restore-records.ts';
import { sweepCopies } from './sweep-copies.ts';
import type { TreeContext } from './tree-context.ts';

/** What `Engine.recover` promises. A project whose holder lives is left alone: that run undoes its own. */
export async function recover(
  context: TreeContext,
  project: string | null,
  undoJournal: UndoJournal | null,
  signal: AbortSignal,
): Promise<UndoReport> {
  const undone: string[] = [];
  const failed: string[] = [];
  for (const name of project === null ? await claimedProjects(context, signal) : [project]) {
    try {
      const held = await claimProject(context, name, 'recover', undoJournal, signal);
      await held.claim[Symbol.asyncDispose]();
      undone.push(...held.undone.undone);
      failed.push(...held.undone.failed);
    } catch (error) {
      if (!(error instanceof McadsError) || error.code !== 'locked' || project !== null) throw error;
      context.log('info', messageOf(error));
    }
  }
  undone.push(...(await removeDeadHelpers(context, signal)));
  const copies = await sweepCopies(context, project, signal);
  undone.push(...copies.undone);
  failed.push(...copies.failed);
  for (const base of baseFolders(context.environment)) undone.push(...(await removeDeadPipeFolders(base)).map((path) => `removed ${path}`));
  return { undone, failed };
}

async function claimedProjects(context: TreeContext, signal: AbortSignal): Promise<readonly string[]> {
  const marks = await listMarks(context, CLAIM_PROJECT, signal);
  const restored = await projectsWithRestore(context, signal);
  return [...new Set([...marks.flatMap(({ Labels: labels }) => labels?.[CLAIM_PROJECT] ?? []), ...restored])].sort();
}
