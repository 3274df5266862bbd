import { selectSnapshot } from '../domain/selectors.ts';
import type { SelectedSnapshot } from '../domain/selectors.ts';
import type { SnapshotSummary } from '../domain/snapshot-summary.ts';
import { parseSnapshotName } from '../domain/snapshot-name.ts';
import { parseComponentId } from '../domain/component.ts';
import { McadsError } from '../errors.ts';
import { printable } from '../report/escape.ts';
import type { CommandContext } from './context.ts';
import type { Selection } from '../pipeline/select-components.ts';
import type { RepositoryService } from './services.ts';

export interface OfProject {
  readonly project: string;
}

export interface OpenedRepository extends AsyncDisposable {
  readonly service: RepositoryService;
  readonly snapshots: readonly SnapshotSummary[];
  /** Null with --all-projects. Rejects `usage` with the list where no project can be told. */
  projectName(): Promise<string | null>;
  /** Mentions a newer partial snapshot on stderr. */
  select(text: string): Promise<SnapshotSummary>;
}

/** Opens the repository of this project (or of `-r`) for a command that needs no engine. */
export async function openRepository(context: CommandContext): Promise<OpenedRepository> {
  const project = await context.project();
  const service = await context.services.openRepository(project.repository, project.config.settings.lockTimeoutMs);
  try {
    const snapshots = await service.repository.snapshots();
    let name: Promise<string | null> | null = null;
    const stored = async (): Promise<readonly OfProject[]> => [...snapshots, ...(await service.repository.classicArchives())];
    const projectName = (): Promise<string | null> => (name ??= findProjectName(context, service.repository.location, stored));
    return {
      service,
      snapshots,
      projectName,
      select: async (text) => {
        const named = snapshots.some((summary) => summary.name === text);
        const scope = named ? null : await projectName();
        const found = await selectOrDamaged(service, text, () =>
          selectSnapshot(text, snapshots, { now: new Date(), ...(scope === null ? {} : { project: scope }) }),
        );
        mentionPartial(context, found);
        if (text === 'latest') await mentionDamaged(context, service, found.snapshot);
        return found.snapshot;
      },
      [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
    };
  } catch (error) {
    await service[Symbol.asyncDispose]();
    throw error;
  }
}

/** -p, else Compose's rules, else the project started from this directory, else the repository's only one. */
export async function findProjectName(
  context: CommandContext,
  location: string,
  listed: () => Promise<readonly OfProject[]>,
): Promise<string | null> {
  if (context.options.flag('allProjects')) return null;
  const project = await context.project();
  const isSure = project.config.settings.project !== null || project.model?.nameFrom !== 'directory';
  if (project.name !== null && isSure) return project.name;
  const stored = [...new Set((await listed()).map((one) => one.project))].toSorted();
  const [only, second] = stored;
  // A directory's name only stands where nothing in the repository says better: on a host, Django's settings may name the project.
  if (project.name !== null && (stored.includes(project.name) || only === undefined || second !== undefined)) return project.name;
  if (only === undefined) return null;
  if (second === undefined) return only;
  const running = await context.services.listProjects(project.engine, context.signal);
  const here = (running ?? []).filter((one) => one.workingDirectory === project.directory);
  if (here.length === 1 && here[0] !== undefined) return here[0].project;
  throw new McadsError('usage', `which project? The repository ${location} holds ${stored.join(', ')}`, {
    hint: 'choose one with -p NAME, or take all with --all-projects',
  });
}

/** A snapshot that is there and cannot be read is not missing. */
export async function selectOrDamaged(service: RepositoryService, text: string, select: () => SelectedSnapshot): Promise<SelectedSnapshot> {
  try {
    return select();
  } catch (error) {
    if (!(error instanceof McadsError) || error.code !== 'no-snapshot') throw error;
    const damaged = await service.damagedSnapshots();
    const meant = damaged.find(
      ({ id }) => text === 'latest' || id.startsWith(text) || parseSnapshotName(id)?.time.startsWith(text) === true,
    );
    if (meant === undefined) throw error;
    throw new McadsError('damaged', meant.message, { hint: 'run `verify`; RECOVERY.md says how to put a manifest back', cause: error });
  }
}

/** Whoever asks for the newest one gets an older one where that cannot be read, and is told. */
async function mentionDamaged(context: CommandContext, service: RepositoryService, chosen: SnapshotSummary): Promise<void> {
  const mine = parseSnapshotName(chosen.name);
  for (const { id } of await service.damagedSnapshots()) {
    const other = parseSnapshotName(id);
    if (mine === null || other === null || other.project !== mine.project || other.time <= mine.time) continue;
    context.note(`A newer snapshot cannot be read, its manifest is damaged: ${printable(id)} (run verify)`);
  }
}

function mentionPartial(context: CommandContext, found: SelectedSnapshot): void {
  if (found.newerPartial !== null) context.note(`A newer, partial snapshot exists: ${printable(found.newerPartial.name)}`);
}

/** `COMPONENT[:PATH]` words; the id ends at the first colon (ids encode theirs). Rejects `usage` for what is no component id. */
export function parseSelections(words: readonly string[]): readonly Selection[] {
  return words.map((word) => {
    const colon = word.indexOf(':');
    const component = colon === -1 ? word : word.slice(0, colon);
    const path =
      colon === -1
        ? null
        : word
            .slice(colon + 1)
            .replace(/^\/+/, '')
            .replace(/\/+$/, '');
    if (component.includes('*') || parseComponentId(component) !== null) return { component, path: path === '' ? null : path };
    throw new McadsError('usage', `${word} is no component`, {
      hint: 'components look like volume/media or database/db/app:PATH; `show` lists those of a snapshot',
    });
  });
}

/** The words of a variadic argument. */
export function wordsOf(argument: string | readonly string[] | undefined): readonly string[] {
  return argument === undefined ? [] : typeof argument === 'string' ? [argument] : argument;
}

/** A required single argument; commander has checked that it is there. */
export function wordOf(argument: string | readonly string[] | undefined): string {
  if (typeof argument !== 'string') throw new TypeError('argument expected');
  return argument;
}
