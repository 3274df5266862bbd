import { join } from 'node:path';
import { selectSnapshot } from '../domain/selectors.ts';
import { nameOfArchive, type ClassicArchive, type SnapshotSummary } from '../domain/snapshot-summary.ts';
import { McadsError } from '../errors.ts';
import type { CommandContext } from './context.ts';
import { findProjectName, openRepository, selectOrDamaged, type OpenedRepository } from './repository-context.ts';

/** What may be brought back from here: snapshots, and the classic archives beside them, also before there is a repository. */
export interface Restorables extends AsyncDisposable {
  /** Null where there is no repository yet. */
  readonly opened: OpenedRepository | null;
  readonly location: string;
  readonly snapshots: readonly SnapshotSummary[];
  /** All that lie there. */
  readonly classic: readonly ClassicArchive[];
  /** Those that are no snapshot yet. */
  readonly archives: readonly ClassicArchive[];
  projectName(): Promise<string | null>;
}

/** Rejects `no-repository` only where there is no archive either. */
export async function openRestorables(context: CommandContext): Promise<Restorables> {
  let opened: OpenedRepository;
  try {
    opened = await openRepository(context);
  } catch (error) {
    if (!(error instanceof McadsError) || error.code !== 'no-repository') throw error;
    const { repository: location } = await context.project();
    const classic = await context.services.classicArchives(location);
    if (classic.length === 0) throw error;
    let name: Promise<string | null> | null = null;
    const projectName = (): Promise<string | null> => (name ??= findProjectName(context, location, async () => classic));
    return { opened: null, location, snapshots: [], classic, archives: classic, projectName, [Symbol.asyncDispose]: async () => undefined };
  }
  try {
    const { service, snapshots } = opened;
    const classic = await service.repository.classicArchives();
    const known = new Set(snapshots.map(({ name }) => name));
    return {
      opened,
      location: service.repository.location,
      snapshots,
      classic,
      archives: classic.filter((one) => !known.has(nameOfArchive(one))),
      projectName: () => opened.projectName(),
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    };
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

/** By the words that name a snapshot; an archive is never `latest`: nobody knows how much it holds before it is read. */
export async function selectRestorable(restorables: Restorables, text: string): Promise<SnapshotSummary | ClassicArchive> {
  const { opened, snapshots, archives } = restorables;
  if (opened !== null && (text === 'latest' || archives.length === 0)) return await opened.select(text);
  const newest = archives.at(-1);
  if (text === 'latest' && newest !== undefined) {
    throw new McadsError('no-snapshot', `there is no snapshot yet, only classic archives in ${restorables.location}`, {
      hint: `name one by its time; the newest is ${nameOfArchive(newest)}`,
    });
  }
  const all = [...snapshots, ...archives.map(asSummary)];
  const project = all.some(({ name }) => name === text) ? null : await restorables.projectName();
  const select = (): ReturnType<typeof selectSnapshot> =>
    selectSnapshot(text, all, { now: new Date(), ...(project === null ? {} : { project }) });
  const { snapshot } = opened === null ? select() : await selectOrDamaged(opened.service, text, select);
  return archives.find((one) => nameOfArchive(one) === snapshot.name) ?? snapshot;
}

/** Absolute. */
export function pathOfArchive({ location }: Restorables, { file }: ClassicArchive): string {
  return join(location, file);
}

function asSummary(archive: ClassicArchive): SnapshotSummary {
  const { project, strategy, startedAt, bytes } = archive;
  return { name: nameOfArchive(archive), project, strategy, startedAt, bytes, completeness: 'complete', components: [], proof: null };
}
