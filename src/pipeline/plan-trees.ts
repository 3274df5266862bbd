import { boundFolder, isUp } from '../domain/engine-model.ts';
import type { Finding, Uncovered } from '../domain/finding.ts';
import type { PlannedComponent, Project } from '../domain/plan.ts';
import type { FileIdentity } from '../domain/ports.ts';
import { classifyBind, mayHoldState } from './plan-binds.ts';
import { withoutNested, type PlannedTree } from './nested-binds.ts';
import { mountKey, type ClusterMount } from './plan-databases.ts';
import { neverCaptured, type PlanPorts, type PlanRequest, type SettingsLookup } from './requests.ts';
import type { ServiceView } from './service-views.ts';
import { treeCandidates, type TreeCandidate } from './tree-candidates.ts';
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
  const never = await identities(neverCaptured(request, project), ports);
  const planned: PlannedTree[] = [];
  const sees = project.engineInfo?.sharesFilesystem === true;
  // As written, and as it is where a symlink leads there.
  const placesOf = async (path: string): Promise<readonly string[]> => [
    path,
    (sees ? await ports.host.identify(path) : null)?.realPath ?? path,
  ];
  const folders = await Promise.all(
    clusters.map(async ({ key }) => Promise.all(folderOf(key, project).map(placesOf)).then((all) => all.flat())),
  );
  for (const candidate of candidates.values()) {
    const here = candidate.mount.type === 'bind' ? await placesOf(candidate.mount.hostPath) : [];
    const held = clusters.flatMap((one, index) => clusterIn(candidate, one, here, folders[index] ?? []));
    const identity = await identityOf(candidate, project, ports);
    const skip = skipReason(candidate, held, project, request, never, identity);
    const path =
      candidate.mount.type === 'bind' ? candidate.mount.hostPath : candidate.volume === null ? null : boundFolder(candidate.volume);
    if (skip === null)
      planned.push({
        component: treeComponent(candidate, held, project, request, ports),
        path: path ?? '',
        identity: path === null || project.engineInfo?.sharesFilesystem !== true ? null : await ports.host.identify(path),
        holdsCluster: held.length > 0,
      });
    else if (skip.reason !== null && skip.isMissing === true && candidate.users.some(isUp)) findings.push(movedFinding(candidate));
    else if (skip.reason !== null) uncovered.push(uncoveredBy(candidate.name, skip));
  }
  return { components: withoutNested(planned, findings), uncovered, findings };
}

/** The engine makes a bind's folder where it is missing: one that runs and has none lost it since, or was moved with it. */
function movedFinding({ id, name, users }: TreeCandidate): Finding {
  return {
    severity: 'error',
    code: 'bind-moved',
    subject: id,
    message: `${users.find(isUp)?.name ?? 'a container'} runs on ${name.replace(/^bind /, '')}, and nothing is there any more: it was moved, or removed`,
    hint: 'where the project was moved, make its containers anew: docker compose up -d --force-recreate',
  };
}

/** The cluster as it lies in this mount: its own, or a dumped one in a folder below. */
function clusterIn({ key }: TreeCandidate, cluster: ClusterMount, here: readonly string[], at: readonly string[]): readonly ClusterMount[] {
  if (cluster.key === key) return [cluster];
  if (cluster.treatment !== 'dumped') return [];
  for (const [index, folder] of here.entries()) {
    const start = `${folder.replace(/\/+$/, '')}/`;
    const path = at[index] ?? '';
    if (!path.startsWith(start)) continue;
    const relative = [path.slice(start.length), cluster.relative].filter((part) => part !== '').join('/');
    return [{ ...cluster, key, relative }];
  }
  return [];
}

/** The host's folder of a mount, by its key; none for a volume that the engine keeps. */
function folderOf(key: string, { engine }: Project): readonly string[] {
  if (key.startsWith('/')) return [key];
  const volume = engine?.volumes.find(({ name }) => name === key);
  const folder = volume === undefined ? null : boundFolder(volume);
  return folder === null ? [] : [folder];
}

/** Undefined where this host's files are not the engine's, null where the path is missing. */
async function identityOf(candidate: TreeCandidate, project: Project, ports: PlanPorts): Promise<FileIdentity | null | undefined> {
  if (candidate.mount.type !== 'bind' || project.engineInfo?.sharesFilesystem !== true) return undefined;
  return ports.host.identify(candidate.mount.hostPath);
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
      ...(project.engineInfo === null ? {} : { harmless: true }),
    });
  }
}

async function identities(paths: readonly string[], ports: PlanPorts): Promise<readonly FileIdentity[]> {
  const found = await Promise.all(paths.map((path) => ports.host.identify(path)));
  return found.filter((identity) => identity !== null);
}

/** Why a candidate is left out; no reason where something else already says so. */
type Skip = { readonly reason: null } | (Omit<Uncovered, 'subject'> & { readonly isMissing?: true });

function uncoveredBy(subject: string, { reason, harmless }: Omit<Uncovered, 'subject'>): Uncovered {
  return { subject, reason, ...(harmless === true ? { harmless } : {}) };
}

/** Null where it is not left out. */
function skipReason(
  candidate: TreeCandidate,
  clusters: readonly ClusterMount[],
  project: Project,
  request: PlanRequest,
  never: readonly FileIdentity[],
  identity: FileIdentity | null | undefined,
): Skip | null {
  const views = [...candidate.views];
  if (candidate.settings?.settings.enable === false) return { reason: 'switched off by mcads.enable on the volume', harmless: true };
  if (views.length > 0 && candidate.settings?.settings.enable !== true && views.every((view) => view.settings.settings.enable === false))
    return { reason: 'switched off by mcads.enable on the service', harmless: true };
  if (clusters.some(({ treatment, relative }) => treatment === 'dumped' && relative === '')) return { reason: null };
  if (candidate.volume !== null && (candidate.volume.options['type'] === 'tmpfs' || candidate.volume.driver === 'tmpfs'))
    return { reason: 'tmpfs: it lives in memory only', harmless: true };
  if (isOwnRepository(candidate, project, request)) return { reason: 'backups or logs are kept there', harmless: true };
  if (candidate.mount.type !== 'bind') return null;
  const path = candidate.mount.hostPath;
  if (belongsToConfig(path, project)) return { reason: null };
  const special = classifyBind(path);
  if (special !== null) return mayHoldState(path) ? { reason: special } : { reason: special, harmless: true };
  if (identity === undefined) return null;
  if (identity === null) return { reason: `${path} does not exist on this host`, isMissing: true };
  if (identity.type === 'socket') return { reason: 'a socket holds no state', harmless: true };
  if (identity.type === 'other') return { reason: 'a device or FIFO holds no state', harmless: true };
  for (const own of never) {
    if (own.device !== '' && identity.device === own.device && identity.inode === own.inode)
      return { reason: `it is ${own.realPath}, where backups or logs are kept`, harmless: true };
    if (identity.realPath.startsWith(`${own.realPath}/`))
      return { reason: `it lies inside ${own.realPath}, where backups or logs are kept`, harmless: true };
  }
  return null;
}

/** In a container, the repository is a mount of our own: whoever else has it, it is not state. */
function isOwnRepository({ key }: TreeCandidate, project: Project, request: PlanRequest): boolean {
  const mounts = project.engineInfo?.ownContainer?.mounts ?? [];
  return mounts.some(
    (mount) =>
      mountKey(mount) === key &&
      neverCaptured(request, project).some((path) => path === mount.target || mount.target.startsWith(`${path}/`)),
  );
}

/** Files behind Compose secrets and configs are bind mounts too; the `config` component has them. */
function belongsToConfig(path: string, project: Project): boolean {
  const files = [...Object.values(project.model?.secrets ?? {}), ...Object.values(project.model?.configs ?? {})];
  return files.some((file) => file.file === path);
}
