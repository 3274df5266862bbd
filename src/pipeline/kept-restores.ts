import type { DatabaseAdapter } from '../domain/database-ports.ts';
import type { Finding } from '../domain/finding.ts';
import { settingsForAccess } from '../domain/plan.ts';
import type { Engine } from '../domain/ports.ts';
import type { KeptRestore, MadePlace, RestoreJournal, RestoreRun } from '../domain/restore.ts';
import { McadsError, messageOf, stopsRun } from '../errors.ts';
import { placeExists } from './place-exists.ts';
import { cannotSwap, findContainer, treeOptionsOf, type UndoTools } from './undo-restore.ts';

/** What a rollback would have nothing to put back for is left out, what was `made` is to be taken away; null where nothing is left to put back. */
export function keptPart(
  journal: RestoreJournal,
  replaced: { readonly trees: ReadonlySet<string>; readonly databases: ReadonlySet<string> },
  made: readonly MadePlace[],
): RestoreJournal | null {
  const trees = journal.trees.filter(({ component }) => replaced.trees.has(component)).map((tree) => ({ ...tree, createdFrom: null }));
  const databases = journal.databases.filter(({ component }) => replaced.databases.has(component));
  const files = journal.files.filter(({ kept }) => kept !== null);
  if (trees.length + databases.length + files.length === 0) return null;
  return { ...journal, trees, databases, files, roles: [], made, created: { containers: [], networks: [], volumes: [] } };
}

/**
 * Removes states that nobody can or may go back to: those that are over, and all but the newest of a project. The project is claimed. What
 * cannot be removed now (its server is down) stays for the next run and is told.
 */
export async function discardExpired(
  engine: Engine,
  project: string,
  tools: UndoTools,
  now: Date,
  signal: AbortSignal,
  /** The restore that was just done: nothing of an earlier one outlives it. */
  done: RestoreRun | null = null,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const all = await engine.keptRestores(project, signal);
  const last = done ?? all[0]?.journal.run;
  const isOver = ({ journal, until }: KeptRestore): boolean => journal.run !== last || Date.parse(until) <= now.getTime();
  const lasting = all.filter((one) => !isOver(one));
  for (const kept of all.filter(isOver)) {
    try {
      await discardKept(engine, without(kept, lasting), tools, signal);
    } catch (error) {
      if (signal.aborted || stopsRun(error)) throw error;
      findings.push({
        severity: 'warning',
        code: 'old-state-left',
        subject: project,
        message: `what the restore of ${kept.journal.snapshot} replaced is still there: ${messageOf(error)}`,
        hint: 'the next run tries again',
      });
    }
  }
  return findings;
}

/** A run that died between two records of the same restore left both: what the lasting one can go back to is not the other's to drop. */
function without(kept: KeptRestore, lasting: readonly KeptRestore[]): KeptRestore {
  const same = lasting.filter(({ journal }) => journal.run === kept.journal.run).map(({ journal }) => journal);
  if (same.length === 0) return kept;
  const isHeld = (component: string): boolean =>
    same.some((journal) => [...journal.trees, ...journal.databases].some((one) => one.component === component));
  const { journal } = kept;
  return {
    ...kept,
    journal: {
      ...journal,
      trees: journal.trees.filter(({ component }) => !isHeld(component)),
      databases: journal.databases.filter(({ component }) => !isHeld(component)),
      files: journal.files.filter(({ path }) => !same.some(({ files }) => files.some((file) => file.path === path))),
    },
  };
}

/** Drops what a restore replaced, for good, and then its record. */
export async function discardKept(engine: Engine, kept: KeptRestore, tools: UndoTools, signal: AbortSignal): Promise<void> {
  const { trees, databases, files, run, project } = kept.journal;
  const images = (await engine.viewProject(project, signal)).containers.map(({ imageId }) => imageId);
  const options = { ...treeOptionsOf(tools, kept.journal), projectImages: [...new Set(images)] };
  for (const tree of trees) {
    if (!(await placeExists(engine, tree.place, options, signal))) continue; // gone with all that was in it
    await using target = await engine.openTarget(tree.place, options, signal);
    if (target.swaps) await target.discard(run, signal);
    else if (tree.swaps === true) throw cannotSwap(tree);
  }
  const servers = new Map(databases.map((one) => [one.container.name, one]));
  for (const [name, server] of servers) {
    const container = await findContainer(engine, server.container, signal);
    if (container === null) continue;
    const mine = databases.filter((one) => one.container.name === name);
    if (container.state !== 'running') throw new McadsError('component-failed', `${container.name} does not run`);
    const target = { service: server.service, container, settings: settingsForAccess(server.access) };
    const io = { engine, runId: run, signal, warn: (): void => undefined };
    await adapterOf(tools.adapters, server.adapter).restorer.drop(
      target,
      mine.map((one) => one.kept),
      io,
    );
  }
  for (const file of files) if (file.kept !== null) await tools.hostWriter.remove(file.kept);
  await engine.forgetRestore(kept.id, signal);
}

export function adapterOf(adapters: readonly DatabaseAdapter[], engine: string): DatabaseAdapter {
  const found = adapters.find((adapter) => adapter.engine === engine);
  if (found === undefined) throw new McadsError('component-failed', `this version cannot restore ${engine} databases`);
  return found;
}
