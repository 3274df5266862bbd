import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { HostWriter } from '../domain/host-writer.ts';
import type { MadePlace, RestoreJournal, RestorePlan } from '../domain/restore.ts';
import { stagingName } from '../stream/restore-commands.ts';

/**
 * What a restore made where nothing had been, as it is before anybody can use it: a rollback takes it away again where it is still so. What is
 * not on this machine cannot be looked at for that; it is only named.
 */
export async function madePlaces(
  plan: RestorePlan,
  journal: RestoreJournal,
  replaced: { readonly trees: ReadonlySet<string>; readonly databases: ReadonlySet<string> },
  writer: HostWriter,
): Promise<readonly MadePlace[]> {
  const made: MadePlace[] = [];
  for (const { id, action, target } of plan.components) {
    if (action === 'keep') continue;
    if (target.kind === 'database' && !replaced.databases.has(id)) made.push({ what: id, local: null });
    if (target.kind !== 'tree' || replaced.trees.has(id)) continue;
    const { mount, singleFile, companions = [] } = target.place;
    const wasNothing = target.report.createdFrom !== null || target.report.isEmpty;
    const folder = plan.onHost === true && wasNothing && mount.type === 'bind' ? mount.hostPath : null;
    const path = folder === null || singleFile === null ? folder : posix.join(folder, singleFile);
    const stamp = path === null ? null : await writer.stamp(path);
    const local =
      path === null || folder === null || stamp === null
        ? null
        : {
            path,
            isFile: singleFile !== null,
            companions: companions.map((name) => posix.join(folder, name)),
            createdFrom: target.report.createdFrom,
            stamp,
          };
    made.push({ what: id, local });
  }
  for (const { path, kept, createdFrom = null } of journal.files) {
    const stamp = kept === null ? await writer.stamp(path) : null;
    if (stamp !== null) made.push({ what: path, local: { path, isFile: true, companions: [], createdFrom, stamp } });
  }
  return made;
}

/**
 * Takes away what was made. Calls back with what became of each, for people. A changed file is out of the way of the folders that are put back, until
 * `putAsideBack`.
 */
export async function takeAwayMade(
  journal: RestoreJournal,
  writer: HostWriter,
  removed: (what: string) => void,
  stays: (what: string) => void,
): Promise<void> {
  for (const { what, local } of (journal.made ?? []).toReversed()) {
    const outcome = local === null ? 'left' : await writer.removeUnchanged(local);
    if (outcome === 'removed' && local !== null && !local.isFile && local.createdFrom === null)
      removed(`emptied ${what}, which was empty before`);
    else if (outcome === 'removed') removed(`removed ${what}, which was not there before`);
    else if (outcome === 'changed') stays(`${what} was not there before and has been changed since`);
    else if (outcome === 'left') stays(`${what} is as the restore left it`);
    if (outcome === 'changed') for (const [path, aside] of asidesOf(local, journal)) await writer.rename(path, aside);
  }
}

/** Idempotent: a run that was killed may have left them aside. */
export async function putAsideBack(journal: RestoreJournal, writer: HostWriter): Promise<void> {
  for (const { local } of journal.made ?? []) for (const [path, aside] of asidesOf(local, journal)) await writer.rename(aside, path);
}

/** A file's paths, each with one in the outermost of the folders around it that are put back, under a name that none of them moves. */
function asidesOf(local: MadePlace['local'], { trees, run }: RestoreJournal): readonly (readonly [string, string])[] {
  if (local?.isFile !== true) return [];
  const around = trees.flatMap(({ place: { mount, singleFile } }) =>
    mount.type === 'bind' && singleFile === null && local.path.startsWith(`${mount.hostPath}/`) ? [mount.hostPath] : [],
  );
  const [outermost] = around.toSorted((a, b) => a.length - b.length);
  if (outermost === undefined) return [];
  return [local.path, ...local.companions].map((path) => [
    path,
    posix.join(outermost, `${stagingName(run)}-${createHash('sha256').update(path).digest('hex')}`),
  ]);
}
