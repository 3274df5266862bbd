import { componentId, matchesComponent } from '../domain/component.ts';
import type { HostApplication } from '../domain/host.ts';
import type { BackupPlan, PlannedComponent, Project } from '../domain/plan.ts';
import { McadsError } from '../errors.ts';
import { unitsOf } from './host-units.ts';
import type { PlanRequest } from './requests.ts';

/** What a backup of an application on this host captures, and how. Looks at nothing: the survey has. */
export function planHost(project: Project, host: HostApplication, request: PlanRequest): BackupPlan {
  const all = components(host);
  assertUnitsExist(request, host);
  const chosen = select(all, request, host);
  const left = all.filter((component) => !chosen.includes(component));
  return {
    project,
    groups: chosen.length === 0 ? [] : [{ quiesce: 'none', containers: [], components: chosen }],
    left,
    uncovered: [
      ...host.uncovered,
      ...(project.choice?.uncovered ?? []),
      ...left.map((component) => ({ subject: component.id, reason: 'not selected' })),
    ],
    findings: [...(project.choice?.findings ?? []), ...(project.model?.findings ?? []), ...host.findings],
  };
}

function components(host: HostApplication): readonly PlannedComponent[] {
  const planned = (
    part: Pick<PlannedComponent, 'id' | 'method' | 'how' | 'bytes' | 'because' | 'facts'>,
    dumped = false,
  ): PlannedComponent => ({
    ...part,
    consistency: dumped ? 'dump' : 'live',
    users: unitsOf(host, part.id),
    quiesce: 'none',
    findings: [],
    settings: null,
  });
  return [
    ...host.databases.map(({ id, path, bytes, because }) =>
      planned({ id, method: { kind: 'sqlite', path }, how: `SQLite online backup of ${path}`, bytes, because }, true),
    ),
    ...host.servers.map((server) =>
      planned(
        {
          id: server.id,
          method: { kind: 'host-dump', server },
          how: `pg_dump of ${server.database} at ${server.host}:${server.port}`,
          bytes: null,
          because: server.because,
        },
        true,
      ),
    ),
    ...host.trees.map(({ id, path, exclude, bytes, because }) =>
      planned({
        id,
        method: { kind: 'host-tree', path, exclude },
        how: `files of ${path}`,
        bytes,
        because,
        facts: { path, exclude: [...exclude] },
      }),
    ),
    planned({
      id: componentId('config'),
      method: { kind: 'config' },
      how: `${host.configFiles.length} configuration files`,
      bytes: null,
      because: 'detected',
    }),
    planned({
      id: componentId('state'),
      method: { kind: 'host-state' },
      how: 'system, packages and units of this host',
      bytes: null,
      because: 'detected',
    }),
  ];
}

function assertUnitsExist({ services }: PlanRequest, { units }: HostApplication): void {
  const known = units.map(({ name }) => name);
  const unknown = services.filter((service) => !known.some((name) => isNamed(name, service)));
  if (unknown.length === 0) return;
  throw new McadsError('usage', `no unit named ${unknown.join(', ')} belongs to this application`, {
    hint: `its units are ${known.join(', ') || '(none)'}`,
  });
}

function isNamed(unit: string, service: string): boolean {
  return unit === service || unit === `${service}.service`;
}

/** Units choose what they use, `--component` by id; configuration and state go with every selection by unit. */
function select(all: readonly PlannedComponent[], request: PlanRequest, { units }: HostApplication): readonly PlannedComponent[] {
  const { services, components: globs } = request;
  for (const glob of globs) {
    if (all.some(({ id }) => matchesComponent(id, glob))) continue;
    throw new McadsError('usage', `no component matches ${glob}`, {
      hint: `components of this project:\n${all.map(({ id }) => `  ${id}`).join('\n')}`,
    });
  }
  const names = units.map(({ name }) => name).filter((name) => services.some((service) => isNamed(name, service)));
  return all.filter(({ id, users, method }) => {
    const byUnit =
      services.length === 0 || method.kind === 'config' || method.kind === 'host-state' || users.some((user) => names.includes(user));
    return byUnit && (globs.length === 0 || globs.some((glob) => matchesComponent(id, glob)));
  });
}
