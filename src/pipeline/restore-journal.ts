import type { EngineProject } from '../domain/engine-model.ts';
import type { DatabaseAdapter } from '../domain/database-ports.ts';
import type { Manifest, ManifestArtifact } from '../domain/manifest.ts';
import type { DatabaseAccess, NamedContainer, PlannedRestore, RestoreJournal, RestorePlan } from '../domain/restore.ts';
import { McadsError } from '../errors.ts';
import { adapterOf } from './kept-restores.ts';
import { journalFilesOf } from './restore-config.ts';
import type { PlannedServer } from './restore-server.ts';
import type { PlannedTree } from './restore-tree.ts';
import type { SettingsLookup } from './requests.ts';
import { artifactsOf } from './select-components.ts';

export interface JournalParts {
  readonly run: string;
  readonly startedAt: Date;
  readonly helperImage: string | null;
  readonly servers: readonly PlannedServer[];
  /** Containers of servers that run. */
  readonly serversUp: ReadonlySet<string>;
  readonly trees: readonly PlannedTree[];
  /** Roles that a server does not have yet, by container name. */
  readonly missingRoles: ReadonlyMap<string, readonly string[]>;
  /** Folders that are made for mounts that are no component. */
  readonly users: readonly NamedContainer[];
  readonly running: readonly NamedContainer[];
}

/** All that it takes to go back, known before the first change. */
export function journalOf(plan: RestorePlan, parts: JournalParts): RestoreJournal {
  const { run, servers, trees, missingRoles } = parts;
  return {
    format: 1,
    run,
    project: plan.project,
    snapshot: plan.snapshot,
    startedAt: parts.startedAt.toISOString(),
    users: parts.users,
    running: parts.running,
    reachedSwap: false,
    servers: servers.map(({ container }) => ({ container, ran: parts.serversUp.has(container.name) })),
    helperImage: parts.helperImage,
    trees: trees.map(({ id, target: { place, report } }) => ({
      component: id,
      place,
      createdFrom: report.createdFrom,
      rootInode: report.rootInode,
      swaps: report.swaps,
    })),
    databases: servers.flatMap(({ databases }) =>
      databases.map(({ component, adapter, service, container, access, database, temporary, kept }) => ({
        component,
        adapter,
        service,
        container,
        access,
        database,
        temporary,
        kept,
      })),
    ),
    roles: servers.flatMap(({ adapter, service, container, access }) => {
      const created = missingRoles.get(container.name) ?? [];
      return created.length === 0 ? [] : [{ adapter: adapter.engine, service, container, access, created }];
    }),
    files: journalFilesOf(plan, run),
    created: {
      containers: plan.recreation?.containers.map(({ name }) => name) ?? [],
      networks: plan.recreation?.networks.map(({ name }) => name) ?? [],
      volumes: plan.recreation?.volumes.map(({ name }) => name) ?? [],
      folders: plan.recreation?.missingFolders ?? [],
    },
  };
}

/** The trees of the plan with what the repository has of them. */
export function plannedTrees(plan: RestorePlan, manifest: Manifest): readonly PlannedTree[] {
  return plan.components.flatMap((planned) => {
    const { target } = planned;
    if (target.kind !== 'tree') return [];
    const { data, catalogue } = artifactsOf(componentOf(planned, manifest));
    return [{ ...planned, target, data, catalogue, capturedBy: manifest.sealed.components[planned.id]?.transport }];
  });
}

/** The servers of the plan, each with its databases and roles. */
export function plannedServers(
  plan: RestorePlan,
  manifest: Manifest,
  view: EngineProject,
  adapters: readonly DatabaseAdapter[],
  settings: SettingsLookup,
): readonly PlannedServer[] {
  const servers = new Map<string, PlannedServer>();
  for (const planned of plan.components) {
    const { target } = planned;
    if (target.kind !== 'database' && target.kind !== 'globals') continue;
    const container = target.container ?? madeFor(plan, target.service);
    if (container === null) continue; // its image is missing, which the plan has told
    const known = servers.get(container.name) ?? {
      service: target.service,
      adapter: adapterOf(adapters, target.adapter),
      container,
      access: accessTo(target.service, view, settings),
      databases: [],
      globals: null,
    };
    const artifact: ManifestArtifact = artifactsOf(componentOf(planned, manifest)).data;
    if (target.kind === 'globals') servers.set(container.name, { ...known, globals: { id: planned.id, artifact, mode: target.mode } });
    else {
      const { database, temporary, kept, adapter, service } = target;
      const source = { database, facts: planned.facts };
      const one = {
        component: planned.id,
        adapter,
        service,
        container,
        access: known.access,
        database,
        temporary,
        kept,
        source,
        dump: artifact,
      };
      servers.set(container.name, { ...known, databases: [...known.databases, one] });
    }
  }
  return [...servers.values()];
}

function componentOf({ id }: PlannedRestore, manifest: Manifest) {
  const found = manifest.components.find((component) => component.id === id);
  if (found === undefined) throw new McadsError('damaged', `${manifest.name} lost its component ${id}`);
  return found;
}

function madeFor(plan: RestorePlan, service: string): NamedContainer | null {
  const made = plan.recreation?.containers.find((container) => container.service === service);
  return made === undefined ? null : { id: '', name: made.name };
}

function accessTo(service: string, view: EngineProject, settings: SettingsLookup): DatabaseAccess {
  const labels = view.containers.find((container) => container.service === service)?.labels ?? {};
  return settings.forService(service, labels).settings.postgres;
}
