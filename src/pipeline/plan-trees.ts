import type { JsonValue } from '../domain/byte-stream.ts';
import { componentId, type ComponentId } from '../domain/component.ts';
import type { EngineContainer, EngineMount, EngineVolume } from '../domain/engine-model.ts';
import type { Finding, Uncovered } from '../domain/finding.ts';
import type { Because, Consistency } from '../domain/manifest.ts';
import type { PlannedComponent, Project, QuiesceMode, TreeMount } from '../domain/plan.ts';
import type { FileIdentity } from '../domain/ports.ts';
import { mountKey, type ClusterMount } from './plan-databases.ts';
import { classifyBind } from './plan-binds.ts';
import type { PlanPorts, PlanRequest, SettingsLookup, SettingsResult } from './requests.ts';
import { hooksOf, type ServiceView } from './service-views.ts';

export interface TreePlan {
  readonly components: readonly PlannedComponent[];
  readonly uncovered: readonly Uncovered[];
  readonly findings: readonly Finding[];
}

/** One volume or bind with everybody who uses it. */
interface Candidate {
  readonly key: string;
  readonly id: ComponentId;
  readonly mount: TreeMount;
  readonly name: string;
  readonly users: EngineContainer[];
  readonly views: Set<ServiceView>;
  readonly targets: Set<string>;
  readonly volume: EngineVolume | null;
  readonly settings: SettingsResult | null;
  readonly because: Because;
}

const HOOKS_AND_QUIESCE = {
  reason: 'mcads.exec.before and .after cannot be combined with mcads.quiesce: a frozen container runs no command',
  hint: 'use one of the two',
};

const STRENGTH: readonly QuiesceMode[] = ['none', 'pause', 'stop'];

/** Every volume and bind of the project, each once, minus what dumps cover and what must not be captured; the rest is named with its reason. */
export async function planTrees(
  views: readonly ServiceView[],
  project: Project,
  clusters: readonly ClusterMount[],
  request: PlanRequest,
  ports: PlanPorts,
  settings: SettingsLookup,
): Promise<TreePlan> {
  const uncovered: Uncovered[] = [];
  const findings: Finding[] = [];
  const candidates = new Map<string, Candidate>();
  for (const view of views) {
    for (const mount of mountsOf(view, project, uncovered)) addCandidate(candidates, view, mount, project, settings);
  }
  for (const volume of project.engine?.volumes ?? []) {
    if (!candidates.has(volume.name)) addUnmounted(candidates, volume, project, settings);
  }
  nameUncreated(project, candidates, uncovered);
  const never = await identities(request.neverCapture, ports);
  const components: PlannedComponent[] = [];
  for (const candidate of withoutNested(candidates, findings)) {
    const cluster = clusters.find((one) => one.key === candidate.key) ?? null;
    const verdict = await verdictOn(candidate, cluster, project, never, ports);
    if (verdict.skip !== null) {
      if (verdict.skip !== '') uncovered.push({ subject: candidate.name, reason: verdict.skip });
      continue;
    }
    components.push(componentOf(candidate, cluster, project, request, ports));
  }
  return { components, uncovered, findings };
}

/** Mounts of a service's containers and, where it has none, of its declaration. Memory-only ones are named, not returned. */
function mountsOf(
  view: ServiceView,
  project: Project,
  uncovered: Uncovered[],
): readonly { readonly mount: EngineMount; readonly container: EngineContainer | null }[] {
  const found: { mount: EngineMount; container: EngineContainer | null }[] = [];
  for (const container of view.containers) {
    for (const path of container.tmpfs) uncovered.push({ subject: `${view.name}:${path}`, reason: 'tmpfs: it lives in memory only' });
    for (const mount of container.mounts) {
      if (mount.type === 'tmpfs') uncovered.push({ subject: `${view.name}:${mount.target}`, reason: 'tmpfs: it lives in memory only' });
      else if (mount.type === 'other')
        uncovered.push({
          subject: `${view.name}:${mount.target}`,
          reason: `a mount of this kind (${mount.driver ?? mount.source}) cannot be captured`,
        });
      else found.push({ mount, container });
    }
  }
  if (view.containers.length > 0 || view.declared === null) return found;
  for (const mount of view.declared.mounts) {
    if (mount.type === 'bind')
      found.push({
        mount: {
          type: 'bind',
          name: null,
          source: mount.source,
          target: mount.target,
          readOnly: mount.readOnly,
          driver: null,
          subpath: null,
        },
        container: null,
      });
    if (mount.type === 'tmpfs') uncovered.push({ subject: `${view.name}:${mount.target}`, reason: 'tmpfs: it lives in memory only' });
    if (mount.type !== 'volume' || mount.source === null) continue;
    const name = project.model?.volumes[mount.source]?.name ?? null;
    const volume = project.engine?.volumes.find((one) => one.name === name);
    if (volume !== undefined)
      found.push({
        mount: {
          type: 'volume',
          name: volume.name,
          source: volume.mountpoint,
          target: mount.target,
          readOnly: mount.readOnly,
          driver: volume.driver,
          subpath: mount.subpath,
        },
        container: null,
      });
  }
  return found;
}

function addCandidate(
  candidates: Map<string, Candidate>,
  view: ServiceView,
  found: { readonly mount: EngineMount; readonly container: EngineContainer | null },
  project: Project,
  settings: SettingsLookup,
): void {
  const { mount, container } = found;
  const key = mountKey(mount);
  let candidate = candidates.get(key);
  if (candidate === undefined) {
    const volume = mount.type === 'volume' ? (project.engine?.volumes.find((one) => one.name === mount.name) ?? null) : null;
    const composeKey = volume === null ? null : composeKeyOf(volume, project);
    candidate = {
      key,
      id: idOf(view, mount, container, volume, composeKey),
      mount:
        mount.type === 'volume' && mount.name !== null
          ? { type: 'volume', name: mount.name, driver: mount.driver ?? 'local', subpath: null }
          : { type: 'bind', hostPath: mount.source },
      name: mount.type === 'volume' ? `volume ${composeKey ?? mount.name ?? key}` : `bind ${mount.source}`,
      users: [],
      views: new Set(),
      targets: new Set(),
      volume,
      settings:
        volume === null
          ? null
          : settings.forVolume(composeKey ?? volume.name, {
              ...volume.labels,
              ...(composeKey === null ? {} : project.model?.volumes[composeKey]?.labels),
            }),
      because: 'detected',
    };
    candidates.set(key, candidate);
  }
  candidate.views.add(view);
  candidate.targets.add(`${view.name}:${mount.target}`);
  if (container !== null) candidate.users.push(container);
}

function addUnmounted(candidates: Map<string, Candidate>, volume: EngineVolume, project: Project, settings: SettingsLookup): void {
  const composeKey = composeKeyOf(volume, project);
  candidates.set(volume.name, {
    key: volume.name,
    id: componentId('volume', composeKey ?? volume.name),
    mount: { type: 'volume', name: volume.name, driver: volume.driver, subpath: null },
    name: `volume ${composeKey ?? volume.name}`,
    users: [],
    views: new Set(),
    targets: new Set(),
    volume,
    settings: settings.forVolume(composeKey ?? volume.name, {
      ...volume.labels,
      ...(composeKey === null ? {} : project.model?.volumes[composeKey]?.labels),
    }),
    because: 'detected',
  });
}

/** Key from the label, else from the files (external volumes carry no label). */
function composeKeyOf(volume: EngineVolume, project: Project): string | null {
  if (volume.composeKey !== null) return volume.composeKey;
  return Object.values(project.model?.volumes ?? {}).find((declared) => declared.name === volume.name)?.key ?? null;
}

function idOf(
  view: ServiceView,
  mount: EngineMount,
  container: EngineContainer | null,
  volume: EngineVolume | null,
  composeKey: string | null,
): ComponentId {
  const replica = container === null || container.number <= 1 ? '' : `#${container.number}`;
  if (mount.type === 'bind') return componentId('bind', view.name, mount.target);
  if (composeKey !== null) return componentId('volume', composeKey);
  const anonymous = volume !== null && ('com.docker.volume.anonymous' in volume.labels || /^[0-9a-f]{64}$/.test(volume.name));
  return anonymous
    ? componentId('volume', view.name, `${mount.target}${replica}`)
    : componentId('volume', volume?.name ?? mount.name ?? mount.source);
}

function nameUncreated(project: Project, candidates: ReadonlyMap<string, Candidate>, uncovered: Uncovered[]): void {
  for (const volume of Object.values(project.model?.volumes ?? {})) {
    if (candidates.has(volume.name)) continue;
    uncovered.push({
      subject: `volume ${volume.key}`,
      reason:
        project.engineInfo === null
          ? 'Docker is absent'
          : `declared, but the engine has no volume ${volume.name}${volume.external ? '' : ' yet'}`,
    });
  }
}

/** A bind inside another captured bind is captured with it, once. */
function withoutNested(candidates: ReadonlyMap<string, Candidate>, findings: Finding[]): readonly Candidate[] {
  const all = [...candidates.values()];
  return all.filter((inner) => {
    if (inner.mount.type !== 'bind') return true;
    const path = inner.mount.hostPath;
    const outer = all.find(
      (other) =>
        other.mount.type === 'bind' &&
        other !== inner &&
        classifyBind(other.mount.hostPath) === null &&
        path.startsWith(`${other.mount.hostPath.replace(/\/$/, '')}/`),
    );
    if (outer === undefined) return true;
    findings.push({
      severity: 'info',
      code: 'bind-inside-bind',
      subject: inner.id,
      message: `${path} lies inside ${outer.name} and is captured with it as ${outer.id}`,
    });
    return false;
  });
}

async function identities(paths: readonly string[], ports: PlanPorts): Promise<readonly FileIdentity[]> {
  const found = await Promise.all(paths.map((path) => ports.host.identify(path)));
  return found.filter((identity) => identity !== null);
}

/** Whether a candidate is left out; `''` where something else already says so. */
async function verdictOn(
  candidate: Candidate,
  cluster: ClusterMount | null,
  project: Project,
  never: readonly FileIdentity[],
  ports: PlanPorts,
): Promise<{ readonly skip: string | null }> {
  const views = [...candidate.views];
  if (candidate.settings?.settings.enable === false) return { skip: 'switched off by mcads.enable on the volume' };
  if (views.length > 0 && candidate.settings?.settings.enable !== true && views.every((view) => view.settings.settings.enable === false))
    return { skip: 'switched off by mcads.enable on the service' };
  if (cluster?.treatment === 'dumped' && cluster.relative === '') return { skip: '' };
  if (candidate.volume !== null && (candidate.volume.options['type'] === 'tmpfs' || candidate.volume.driver === 'tmpfs'))
    return { skip: 'tmpfs: it lives in memory only' };
  if (candidate.mount.type !== 'bind') return { skip: null };
  const path = candidate.mount.hostPath;
  if (belongsToConfig(path, project)) return { skip: '' };
  const special = classifyBind(path);
  if (special !== null) return { skip: special };
  if (project.engineInfo?.sharesFilesystem !== true) return { skip: null };
  const identity = await ports.host.identify(path);
  if (identity === null) return { skip: `${path} does not exist on this host` };
  if (identity.type === 'socket') return { skip: 'a socket holds no state' };
  if (identity.type === 'other') return { skip: 'a device or FIFO holds no state' };
  for (const own of never) {
    if (identity.device === own.device && identity.inode === own.inode)
      return { skip: `it is ${own.realPath}, where backups or logs are kept` };
    if (identity.realPath.startsWith(`${own.realPath}/`)) return { skip: `it lies inside ${own.realPath}, where backups or logs are kept` };
  }
  return { skip: null };
}

/** Files behind Compose secrets and configs are bind mounts too; the `config` component has them. */
function belongsToConfig(path: string, project: Project): boolean {
  const files = [...Object.values(project.model?.secrets ?? {}), ...Object.values(project.model?.configs ?? {})];
  return files.some((file) => file.file === path);
}

function componentOf(
  candidate: Candidate,
  cluster: ClusterMount | null,
  project: Project,
  request: PlanRequest,
  ports: PlanPorts,
): PlannedComponent {
  const running = candidate.users.filter((user) => user.state === 'running');
  const foreign = (project.engine?.foreignUsers ?? []).filter(
    (user) => user.running && candidate.mount.type === 'volume' && user.volume === candidate.mount.name,
  );
  const quiesce = strongest([
    candidate.settings?.settings.quiesce ?? null,
    ...[...candidate.views].map((view) => view.settings.settings.quiesce),
  ]);
  const accepted =
    candidate.settings?.settings.consistency === 'crash' ||
    [...candidate.views].some((view) => view.settings.settings.consistency === 'crash');
  const failure =
    candidate.settings?.failure ?? [...candidate.views].map((view) => view.settings.failure).find((one) => one !== null) ?? null;
  const hooks = [...candidate.views].flatMap((view) => hooksOf(view, view.containers.slice(0, 1)));
  const findings = [
    ...foreignFinding(candidate, foreign, quiesce),
    ...engineFinding(candidate, running, quiesce, accepted, cluster, ports),
  ];
  const excluded = [
    ...(candidate.settings?.settings.exclude ?? []),
    ...[...candidate.views].flatMap((view) => view.settings.settings.exclude),
    ...request.exclude,
  ];
  if (cluster?.treatment === 'dumped') excluded.push(cluster.relative);
  if (isProjectBind(candidate, project)) excluded.push('**/__pycache__');
  return {
    id: candidate.id,
    method: { kind: 'tree', mount: candidate.mount, exclude: [...new Set(excluded)] },
    how: `files of ${candidate.name}${cluster === null || cluster.treatment === 'dumped' ? '' : `, database files ${cluster.treatment === 'cold' ? 'captured cold' : 'as a crash copy'}`}`,
    because: candidate.settings?.settings.enable === true ? 'label' : candidate.because,
    bytes: null,
    consistency: consistencyOf(running.length + foreign.length, quiesce, accepted, cluster),
    users: candidate.users.map((user) => user.id),
    quiesce,
    findings,
    settings: candidate.settings?.settings ?? [...candidate.views][0]?.settings.settings ?? null,
    failure: failure ?? (hooks.length > 0 && quiesce !== 'none' ? HOOKS_AND_QUIESCE : undefined),
    hooks,
    facts: factsOf(candidate, cluster),
  };
}

function factsOf(candidate: Candidate, cluster: ClusterMount | null): Readonly<Record<string, JsonValue>> {
  const facts: Record<string, JsonValue> = { targets: [...candidate.targets].toSorted() };
  if (candidate.volume !== null) {
    const { name, driver, options, labels } = candidate.volume;
    facts['volume'] = { name, driver, options, labels };
  }
  if (candidate.mount.type === 'bind') facts['hostPath'] = candidate.mount.hostPath;
  if (cluster !== null) facts['cluster'] = { treatment: cluster.treatment, relative: cluster.relative, ...cluster.facts };
  return facts;
}

function consistencyOf(users: number, quiesce: QuiesceMode, accepted: boolean, cluster: ClusterMount | null): Consistency {
  if (cluster?.treatment === 'cold') return 'cold';
  if (cluster?.treatment === 'crash') return 'crash';
  if (users === 0) return 'cold';
  if (quiesce === 'stop') return 'stopped';
  if (quiesce === 'pause') return 'paused';
  return accepted ? 'crash' : 'live';
}

/** A running engine without an adapter whose files would be read under it. */
function engineFinding(
  candidate: Candidate,
  running: readonly EngineContainer[],
  quiesce: QuiesceMode,
  accepted: boolean,
  cluster: ClusterMount | null,
  ports: PlanPorts,
): readonly Finding[] {
  if (quiesce !== 'none' || accepted || cluster !== null) return [];
  const found = running
    .map((user) => ({ user, engine: ports.recognise(user) }))
    .find((one) => one.engine !== null && candidate.mount.type === 'volume');
  if (found === undefined || found.engine === null) return [];
  const setting = [...candidate.views].some((view) => view.settings.settings.engine === 'none');
  if (setting) return [];
  return [
    {
      severity: 'error',
      code: 'engine-read-live',
      subject: candidate.id,
      message: `${found.engine} runs in ${found.user.name} while its files are read: this copy may not start again`,
      hint: `label the service mcads.quiesce=stop (or pause), or accept it with mcads.consistency=crash`,
    },
  ];
}

function foreignFinding(
  candidate: Candidate,
  foreign: readonly { readonly container: string; readonly project: string | null }[],
  quiesce: QuiesceMode,
): readonly Finding[] {
  if (foreign.length === 0 || quiesce === 'none') return [];
  const names = foreign.map((user) => `${user.container}${user.project === null ? '' : ` (project ${user.project})`}`).join(', ');
  return [
    {
      severity: 'warning',
      code: 'foreign-writer',
      subject: candidate.id,
      message: `${names} also uses this volume and is neither stopped nor paused`,
      hint: 'stop it yourself, or back up that project too',
    },
  ];
}

function strongest(modes: readonly (QuiesceMode | null)[]): QuiesceMode {
  return modes.reduce<QuiesceMode>(
    (best, mode) => (mode !== null && STRENGTH.indexOf(mode) > STRENGTH.indexOf(best) ? mode : best),
    'none',
  );
}

function isProjectBind(candidate: Candidate, project: Project): boolean {
  if (candidate.mount.type !== 'bind' || project.directory === null) return false;
  const path = candidate.mount.hostPath;
  return path === project.directory || path.startsWith(`${project.directory}/`);
}
