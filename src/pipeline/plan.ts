import { componentId, kindOf, matchesComponent } from '../domain/component.ts';
import type { Finding, Uncovered } from '../domain/finding.ts';
import type { BackupPlan, PlannedComponent, Project } from '../domain/plan.ts';
import type { Engine } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import { planDatabases } from './plan-databases.ts';
import { groupComponents } from './plan-groups.ts';
import { planHost } from './plan-host.ts';
import { planTrees } from './plan-trees.ts';
import type { PlanPorts, PlanRequest } from './requests.ts';
import { mainContainer, serviceViews, type ServiceView } from './service-views.ts';

/** What a backup would capture, how and why, and what it would not. Reads from the engine, changes nothing. */
export async function plan(
  project: Project,
  engine: Engine | null,
  request: PlanRequest,
  ports: PlanPorts,
  signal: AbortSignal,
): Promise<BackupPlan> {
  if (project.host !== undefined) return planHost(project, project.host, request);
  const settings = ports.settingsFor(project.model);
  const views = serviceViews(project, settings);
  assertServicesExist(request, views);
  const databases = await planDatabases(views, project, engine, ports, signal);
  const trees = await planTrees(views, project, databases.clusterMounts, request, ports, settings);
  const images = planImages(views, request);
  const all = [...databases.components, ...trees.components, ...images.components, configComponent(project), ...stateComponent(project)];
  const sized = request.sizes ? await withSizes(all, engine, signal) : all;
  const chosen = select(sized, request, views);
  const left = sized.filter((component) => !chosen.includes(component));
  return {
    project,
    groups: groupComponents(chosen, project, views),
    left,
    uncovered: unique([
      ...databases.uncovered,
      ...trees.uncovered,
      ...layers(views, ports),
      ...switchedOff(views),
      ...(project.choice?.uncovered ?? []),
      ...left.map((component) => ({ subject: component.id, reason: 'not selected' })),
    ]),
    findings: [
      ...(project.choice?.findings ?? []),
      ...modelFindings(project),
      ...unmentioned(databases.findings, trees.components),
      ...trees.findings,
      ...images.findings,
    ],
  };
}

/** A wrong label is told by the components that fail for it, and only where there is none by itself. */
function unmentioned(findings: readonly Finding[], components: readonly PlannedComponent[]): readonly Finding[] {
  const reasons = new Set(components.map(({ failure }) => failure?.reason));
  return findings.filter(({ code, message }) => code !== 'service-settings' || !reasons.has(message));
}

function modelFindings(project: Project): readonly Finding[] {
  return [...(project.model?.findings ?? []), ...(project.modelError === null ? [] : [project.modelError])];
}

function configComponent(project: Project): PlannedComponent {
  return simple(
    componentId('config'),
    { kind: 'config' },
    project.model === null ? 'Compose files as the engine names them' : 'Compose files and everything that they name',
  );
}

function stateComponent(project: Project): readonly PlannedComponent[] {
  if (project.engine === null) return [];
  return [simple(componentId('state'), { kind: 'state' }, 'inspect JSON of containers, volumes, networks and images')];
}

function simple(id: PlannedComponent['id'], method: PlannedComponent['method'], how: string): PlannedComponent {
  return {
    id,
    method,
    how,
    because: 'detected',
    bytes: null,
    consistency: 'live',
    users: [],
    quiesce: 'none',
    findings: [],
    settings: null,
  };
}

/** Images without a registry digest cannot be pulled again: captured where asked, named where not. */
function planImages(
  views: readonly ServiceView[],
  request: PlanRequest,
): { readonly components: readonly PlannedComponent[]; readonly findings: readonly Finding[] } {
  const components: PlannedComponent[] = [];
  const findings: Finding[] = [];
  for (const view of views) {
    const container = mainContainer(view);
    if (container === null || container.imageDigests.length > 0 || view.settings.settings.enable === false) continue;
    const id = componentId('image', view.name);
    if (request.images === 'local') {
      components.push({
        ...simple(id, { kind: 'image', service: view.name, image: container.imageId }, `image ${container.image}, which no registry has`),
        because: 'configuration',
        users: [container.id],
      });
      continue;
    }
    findings.push({
      severity: 'info',
      code: 'image-without-digest',
      subject: id,
      message: `${container.image} was built here and has no registry digest: a restore elsewhere must build it again`,
      hint: 'keep it in the snapshot with `x-mcads: {images: local}`',
    });
  }
  return { components, findings };
}

/** A known engine whose container has no mount at all keeps its data in the container's own layer. */
function layers(views: readonly ServiceView[], ports: PlanPorts): readonly Uncovered[] {
  return views.flatMap((view) =>
    view.containers
      .filter((container) => container.mounts.length === 0)
      .flatMap((container): Uncovered[] => {
        const engine = ports.recognise(container);
        return engine === null
          ? []
          : [{ subject: `service ${view.name}`, reason: `${engine} keeps its data in the container's own layer, no volume holds it` }];
      }),
  );
}

function switchedOff(views: readonly ServiceView[]): readonly Uncovered[] {
  return views
    .filter((view) => view.settings.settings.enable === false)
    .map((view) => ({ subject: `service ${view.name}`, reason: 'switched off by mcads.enable', harmless: true }));
}

async function withSizes(
  components: readonly PlannedComponent[],
  engine: Engine | null,
  signal: AbortSignal,
): Promise<readonly PlannedComponent[]> {
  if (engine === null || !components.some((component) => component.method.kind === 'tree' && component.method.mount.type === 'volume'))
    return components;
  const sizes = await engine.volumeSizes(signal);
  return components.map((component) => {
    if (component.method.kind !== 'tree' || component.method.mount.type !== 'volume') return component;
    return { ...component, bytes: sizes.get(component.method.mount.name) ?? null };
  });
}

function assertServicesExist(request: PlanRequest, views: readonly ServiceView[]): void {
  const known = views.map((view) => view.name);
  const unknown = request.services.filter((service) => !known.includes(service));
  if (unknown.length === 0) return;
  throw new McadsError('usage', `no service named ${unknown.join(', ')} in this project`, {
    hint: `its services are ${known.join(', ') || '(none)'}`,
  });
}

/** Services choose by use, `--component` by id; the configuration and state go with every selection by service. */
function select(components: readonly PlannedComponent[], request: PlanRequest, views: readonly ServiceView[]): readonly PlannedComponent[] {
  let chosen = components;
  if (request.services.length > 0) {
    const names = new Set(request.services);
    const users = new Set(views.filter((view) => names.has(view.name)).flatMap((view) => view.containers.map((container) => container.id)));
    chosen = chosen.filter((component) => {
      const kind = kindOf(component.id);
      if (kind === 'config' || kind === 'state') return true;
      const method = component.method;
      return component.users.some((user) => users.has(user)) || ('service' in method && names.has(method.service));
    });
  }
  for (const glob of request.components) {
    if (!components.some((component) => matchesComponent(component.id, glob))) {
      throw new McadsError('usage', `no component matches ${glob}`, {
        hint: `components of this project:\n${components.map((component) => `  ${component.id}`).join('\n')}`,
      });
    }
  }
  if (request.components.length > 0)
    chosen = chosen.filter((component) => request.components.some((glob) => matchesComponent(component.id, glob)));
  return chosen;
}

function unique(list: readonly Uncovered[]): readonly Uncovered[] {
  const seen = new Set<string>();
  return list.filter((one) => {
    const key = `${one.subject}\0${one.reason}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
