import type { UndoReport } from '../domain/ports.ts';
import type { KeptRestore, RestoreJournal } from '../domain/restore.ts';
import { McadsError, messageOf } from '../errors.ts';
import { cancelled } from './engine-errors.ts';
import { readRecords, removeRecord, writeRecord, type EngineRecord } from './engine-records.ts';
import type { TreeContext } from './tree-context.ts';

/** Goes back to before a restore, with the engine that it was opened with. */
export type UndoJournal = (journal: RestoreJournal, signal: AbortSignal) => Promise<UndoReport>;

interface KeptText {
  readonly journal: RestoreJournal;
  readonly until: string;
}

/** Durable once resolved. */
export async function recordRestore(context: TreeContext, project: string, journal: RestoreJournal, signal: AbortSignal): Promise<string> {
  return writeRecord(context, 'restore', project, JSON.stringify(journal), signal);
}

/**
 * Undoes the restores of a project that dead runs left, the newest first, and removes the record of each that was undone whole. What was only
 * half written belongs to a restore that had not begun, what is half removed to one that was done. Only the holder of the project's claim may
 * call this.
 */
export async function replayRestoreRecords(
  context: TreeContext,
  project: string,
  undo: UndoJournal | null,
  signal: AbortSignal,
): Promise<UndoReport> {
  const undone: string[] = [];
  const failed: string[] = [];
  for (const record of await readRecords(context.client, null, project, signal)) {
    if (record.text !== null) continue;
    context.log('info', `removing what was left of a half written record of ${project}`);
    await removeRecord(context.client, record.id, signal);
  }
  const done = new Set<string>();
  const records = await readRecords(context.client, 'restore', project, signal);
  const runOf = ({ text }: EngineRecord): string | undefined => (text === null ? undefined : journalOf(JSON.parse(text))?.run); // written by recordRestore, whole
  for (const record of records) {
    if (record.text === null || done.has(record.id)) continue;
    try {
      const report = await undoOne(record.text, project, undo, signal);
      undone.push(...report.undone);
      failed.push(...report.failed);
      if (report.failed.length > 0) break; // an older one is below this one
      // A restore that died between two records of itself: the newer one said how far it had come, so it is the last to go.
      const run = runOf(record);
      const older = records.filter((one) => one !== record && run !== undefined && runOf(one) === run);
      for (const { id } of [...older, record]) {
        await removeRecord(context.client, id, signal);
        done.add(id);
      }
    } catch (error) {
      if (signal.aborted) throw cancelled(signal);
      if (error instanceof McadsError && (error.code === 'engine-lost' || error.code === 'engine-unreachable')) throw error;
      failed.push(`restore of ${project}: ${messageOf(error)}`);
      break;
    }
  }
  return { undone, failed };
}

async function undoOne(text: string, project: string, undo: UndoJournal | null, signal: AbortSignal): Promise<UndoReport> {
  const journal = journalOf(JSON.parse(text)); // written by recordRestore, whole
  if (journal === null || undo === null) {
    const why = undo === null ? 'this program cannot' : 'a newer version of this tool made it';
    return { undone: [], failed: [`a restore of ${project} was broken off and is not undone: ${why}`] };
  }
  return undo(journal, signal);
}

/** Projects with the record of a restore, whole or half. */
export async function projectsWithRestore(context: TreeContext, signal: AbortSignal): Promise<readonly string[]> {
  return [...new Set((await readRecords(context.client, 'restore', null, signal)).map(({ project }) => project))];
}

/** What `Engine.keptRestores` promises. */
export async function keptRestores(context: TreeContext, project: string | null, signal: AbortSignal): Promise<readonly KeptRestore[]> {
  return (await readRecords(context.client, 'kept', project, signal)).flatMap(toKept);
}

/** What `Engine.keepRestore` promises. */
export async function keepRestore(context: TreeContext, journal: RestoreJournal, until: Date, signal: AbortSignal): Promise<void> {
  const text: KeptText = { journal, until: until.toISOString() };
  await writeRecord(context, 'kept', journal.project, JSON.stringify(text), signal);
}

function toKept({ id, text }: EngineRecord): readonly KeptRestore[] {
  if (text === null) return [];
  const { journal, until } = JSON.parse(text) as { readonly journal: unknown; readonly until: string }; // written by keepRestore, whole
  const known = journalOf(journal);
  return known === null ? [] : [{ id, journal: known, until }];
}

/** Null for the format of a newer version. */
function journalOf(json: unknown): RestoreJournal | null {
  const journal = json as RestoreJournal; // the record's digest was right
  return journal.format === 1 ? journal : null;
}
