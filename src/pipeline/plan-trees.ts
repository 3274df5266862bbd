import type { Finding, Uncovered } from '../domain/finding.ts';
import type { PlannedComponent, Project } from '../domain/plan.ts';
import type { FileIdentity } from '../domain/ports.ts';
import { classifyBind } from './plan-binds.ts';
import type { ClusterMount } from './plan-databases.ts';
import type { PlanPorts, PlanRequest, SettingsLookup } from './requests.ts';
import type { ServiceView } from './service-views.ts';
import { treeCandidates, withoutNested, type TreeCandidate } from './tree-candidates.ts';
import { treeComponent } from './tree-component.ts';

export interface TreePlan {
  readonly components: readonly PlannedComponent[];
  readonly uncovered: readonly Uncovered[];
  readonly findings: readonly Finding[];
}

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
  const candidates = treeCandidates(views, project, settings, uncovered);
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
    components.push(treeComponent(candidate, cluster, project, request, ports));
  }
  return { components, uncovered, findings };
}

function nameUncreated(project: Project, candidates: ReadonlyMap<string, TreeCandidate>, uncovered: Uncovered[]): void {
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

async function identities(paths: readonly string[], ports: PlanPorts): Promise<readonly FileIdentity[]> {
  const found = await Promise.all(paths.map((path) => ports.host.identify(path)));
  return found.filter((identity) => identity !== null);
}

/** Whether a candidate is left out; `''` where something else already says so. */
async function verdictOn(
  candidate: TreeCandidate,
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
