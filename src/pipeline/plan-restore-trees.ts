import { posix } from 'node:path';
import { isJsonObject, type JsonValue } from '../domain/byte-stream.ts';
import { boundFolder, type EngineMount, isUp } from '../domain/engine-model.ts';
import type { Finding } from '../domain/finding.ts';
import type { PlannedRestore, PlaceReport, Recreation, RestoreAction } from '../domain/restore.ts';
import type { Manifest } from '../domain/manifest.ts';
import type { SnapshotRepository } from '../domain/ports.ts';
import type { OpenTreeOptions, RawPath } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { foreignUsersOf, isWithin } from './foreign-users.ts';
import { mountHolding } from './plan-databases.ts';
import { bindPlace, volumePlace, type RestorePlace } from './restore-places.ts';
import type { RestorePorts, RestoreRequest } from './restore-requests.ts';
import { targetsOf, type SelectedForRestore } from './restore-selection.ts';
import type { RestoreSituation } from './restore-situation.ts';
import { runAll } from './run-all.ts';
import { mainContainer } from './service-views.ts';
import { toRaw } from '../stream/raw-path.ts';

export interface TreePlanContext {
  readonly request: RestoreRequest;
  readonly situation: RestoreSituation;
  readonly full: Recreation | null;
  readonly manifest: Manifest;
  readonly repository: SnapshotRepository;
  readonly ports: RestorePorts;
  /** Files of the configuration that stay as they are although a bind that holds them is replaced. */
  readonly keptFiles: readonly string[];
  readonly signal: AbortSignal;
}

export type TreeRestorePlan = PlannedRestore & { readonly target: Extract<PlannedRestore['target'], { readonly kind: 'tree' }> };

/** What happens to each volume and bind. Looks at every place and changes none. */
export async function planRestoreTrees(
  selected: readonly SelectedForRestore[],
  context: TreePlanContext,
  findings: Finding[],
): Promise<readonly TreeRestorePlan[]> {
  const trees = selected.filter(({ kind }) => kind === 'volume' || kind === 'bind');
  const work = trees.map((one) => (signal: AbortSignal) => planTree(one, { ...context, signal }));
  const planned = await runAll(work, context.request.jobs, context.signal);
  findings.push(...trees.flatMap(tornFindings), ...trees.flatMap((one) => unreadFindings(one)));
  assertRoom(planned);
  return planned;
}

async function planTree(one: SelectedForRestore, context: TreePlanContext): Promise<TreeRestorePlan> {
  const { situation, full, repository, ports, request, signal } = context;
  const { id, details } = one;
  const found = one.kind === 'volume' ? volumePlace(one, situation, full) : await bindPlace(one, situation, repository, signal);
  assertNotShared(one, found, context);
  assertCold(one, context);
  const images = [...new Set(situation.view.containers.map(({ imageId }) => imageId))];
  const options: OpenTreeOptions = { transport: request.transport, helperImage: request.helperImage, projectImages: images };
  const report = await ports.engine.probePlace(found.place, { ...options, findsRepositories: true }, signal);
  if (report.readOnly) throw new McadsError('component-failed', `${id}: ${found.name} is on a read-only filesystem`);
  assertNoRepository(id, found.name, report);
  const createsVolume = one.kind === 'volume' && !report.exists;
  if (createsVolume) assertCanBeMade(found, full);
  const action = actionOf(report);
  const exclude = details.facts['exclude'];
  return {
    id,
    action,
    how: wordsFor(action, found.name),
    bytes: details.bytes,
    facts: details.facts,
    target: {
      kind: 'tree',
      place: found.place,
      name: found.name,
      report,
      kept: [
        ...new Set([
          ...report.nestedMounts,
          ...report.repositories,
          ...(await keptPaths(found, context)),
          ...(await othersWithin(one, context)),
        ]),
      ],
      keptGlobs: Array.isArray(exclude) ? exclude.filter((glob) => typeof glob === 'string') : [],
      createsVolume,
    },
  };
}

/**
 * Folders of the snapshot inside of this one, of binds and of volumes that are bound to one: each is its own component's, also where that is not
 * restored. Snapshots of before do not say it of the outer one.
 */
async function othersWithin({ id, details }: SelectedForRestore, { manifest, ports }: TreePlanContext): Promise<readonly RawPath[]> {
  const outer = folderIn(details.facts);
  if (outer === null) return [];
  const real = async (path: string): Promise<string> =>
    ports.engine.info.sharesFilesystem ? ((await ports.host.identify(path))?.realPath ?? path) : path;
  const within: RawPath[] = [];
  for (const [other, { facts }] of Object.entries(manifest.sealed.components)) {
    const inner = other === id ? null : folderIn(facts);
    if (inner === null) continue;
    if (inner.startsWith(`${outer}/`)) within.push(toRaw(inner.slice(outer.length + 1)));
    const [a, b] = [await real(inner), await real(outer)];
    if (a.startsWith(`${b}/`)) within.push(toRaw(a.slice(b.length + 1)));
  }
  return within;
}

/** Of the host, as it was recorded; null for a volume that the engine kept, and for what is no tree. */
function folderIn(facts: Readonly<Record<string, JsonValue>>): string | null {
  const hostPath = text(facts['hostPath']);
  if (hostPath !== '') return hostPath;
  const volume = facts['volume'];
  if (!isJsonObject(volume) || !isJsonObject(volume['options'])) return null;
  const options = Object.fromEntries(Object.entries(volume['options']).map(([key, value]) => [key, text(value)]));
  return boundFolder({ driver: text(volume['driver']), options });
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function actionOf(report: PlaceReport): RestoreAction {
  if (!report.exists) return 'create';
  if (report.isEmpty) return 'fill';
  return report.swaps ? 'replace' : 'overwrite';
}

export function wordsFor(action: RestoreAction, name: string): string {
  switch (action) {
    case 'create':
      return `makes ${name}`;
    case 'fill':
      return `fills ${name}, which is empty`;
    case 'replace':
      return `replaces what is in ${name}`;
    case 'overwrite':
      return `overwrites files in ${name} in place`;
    case 'keep':
      return `leaves ${name} as it is`;
  }
}

/** What is saved there, whichever of it, is not replaced. */
export function assertNoRepository(id: string, name: string, { repositories }: PlaceReport): void {
  if (!repositories.includes('')) return;
  throw new McadsError('usage', `${id}: ${name} is a repository of this tool; it cannot be replaced`, {
    hint: 'leave it out with --component',
  });
}

/** What others use is not this project's to replace: nobody stops them. This tool itself, run by Compose, is none of them. */
function assertNotShared(one: SelectedForRestore, { place, name }: RestorePlace, { request, situation, ports }: TreePlanContext): void {
  const { mount } = place;
  if (request.forceShared) return;
  const { view } = situation;
  const own = ports.engine.info.ownContainer;
  const stopped = mount.type === 'volume' ? view.foreignUsers.filter(({ volume, running }) => !running && volume === mount.name) : [];
  const others = [...foreignUsersOf(mount, view, own?.name), ...stopped];
  const isUsed = (used: EngineMount): boolean =>
    mount.type === 'volume' ? used.name === mount.name : used.type === 'bind' && !used.readOnly && isWithin(used.source, mount.hostPath);
  const oneOffs = view.containers.filter(
    (container) => container.oneOff && container.id !== own?.id && isUp(container) && container.mounts.some(isUsed),
  );
  const users = [
    ...others.map(({ container, project }) => `${container}${project === null ? '' : ` of project ${project}`}`),
    ...oneOffs.map((container) => `${container.name} (a one-off run)`),
  ];
  if (users.length === 0) return;
  throw new McadsError('usage', `${one.id}: ${name} is also used by ${users.join(' and ')}, which would see its files replaced`, {
    hint: 'end them, leave this component out, or replace it all the same with --force-shared',
  });
}

/** Database files that were copied cold only start with their own major version. */
function assertCold(one: SelectedForRestore, { situation, ports }: TreePlanContext): void {
  const cluster = one.details.facts['cluster'];
  if (typeof cluster !== 'object' || cluster === null) return;
  for (const { service, target } of targetsOf(one.details)) {
    const view = situation.views.find(({ name }) => name === service);
    const container = view === undefined ? null : mainContainer(view);
    if (view === undefined || container === null) continue;
    const adapter = ports.adapters.find((candidate) => candidate.detect(container, view.settings.settings) !== null);
    if (adapter === undefined || mountHolding(container, adapter.dataDirectory(container))?.mount.target !== target) continue;
    adapter.restorer.checkCold({ service, container }, Object.fromEntries(Object.entries(cluster)));
  }
}

function assertCanBeMade({ place, name }: RestorePlace, full: Recreation | null): void {
  const { mount } = place;
  if (mount.type !== 'volume' || full?.volumes.some((volume) => volume.name === mount.name) === true) return;
  throw new McadsError('component-failed', `${name} is not there, and the snapshot does not say how it was made`, {
    hint: `make it first: docker volume create ${mount.name}`,
  });
}

/** What never moves, relative to the place: our own folders and the configuration that is kept. Rejects `usage` where all of it is ours. */
async function keptPaths(
  { place, name }: RestorePlace,
  { request, situation, ports, keptFiles }: TreePlanContext,
): Promise<readonly RawPath[]> {
  const { engine, host } = ports;
  const { mount } = place;
  const own = engine.info.ownContainer;
  const inOwn = own?.mounts.find((one) => (mount.type === 'volume' ? one.name === mount.name : one.source === mount.hostPath));
  let root: string | null = null;
  if (inOwn !== undefined) root = inOwn.target;
  else if (engine.info.sharesFilesystem) {
    const volume = mount.type === 'volume' ? situation.view.volumes.find((one) => one.name === mount.name) : undefined;
    const path = mount.type === 'bind' ? mount.hostPath : (volume?.options['device'] ?? volume?.mountpoint);
    root = path?.startsWith('/') === true ? ((await host.identify(path))?.realPath ?? path) : null;
  }
  const kept: RawPath[] = [];
  const below = (path: string): string | null =>
    root !== null && path.startsWith(`${root.replace(/\/$/, '')}/`) ? path.slice(root.replace(/\/$/, '').length + 1) : null;
  for (const path of request.neverTouch) {
    const real = inOwn === undefined ? ((await host.identify(path))?.realPath ?? path) : path;
    if (root !== null && (real === root || root.startsWith(`${real}/`))) {
      throw new McadsError('usage', `${name} is where backups or logs are kept (${path}); it cannot be replaced`, {
        hint: 'leave it out with --component, or name another repository or --log-dir',
      });
    }
    const relative = below(real);
    if (relative !== null) kept.push(toRaw(relative));
  }
  if (place.singleFile !== null) return kept;
  for (const path of keptFiles) {
    const parent = await host.identify(posix.dirname(path));
    const relative = parent === null ? null : below(posix.join(parent.realPath, posix.basename(path)));
    if (relative !== null) kept.push(toRaw(relative));
  }
  return kept;
}

/** All that is built beside what is there must fit, before anything is stopped. */
export function assertRoom(planned: readonly TreeRestorePlan[]): void {
  const disks = new Map<string, TreeRestorePlan[]>();
  for (const one of planned) {
    const { filesystem, freeBytes } = one.target.report;
    if (freeBytes !== null) disks.set(filesystem ?? one.id, [...(disks.get(filesystem ?? one.id) ?? []), one]);
  }
  for (const trees of disks.values()) {
    const report = trees[0]?.target.report;
    const needed = trees.reduce((sum, { bytes }) => sum + bytes, 0);
    const entries = trees.reduce((sum, { facts }) => sum + (typeof facts['entries'] === 'number' ? facts['entries'] : 0), 0);
    const names = trees.map(({ id }) => id).join(', ');
    if (report?.freeBytes !== null && report?.freeBytes !== undefined && needed > report.freeBytes) {
      throw new McadsError(
        'component-failed',
        `no room for ${names}: ${needed} bytes are needed beside what is there, ${report.freeBytes} are free`,
        {
          hint: 'make room on that disk, or restore fewer components at a time with --component',
        },
      );
    }
    if (report?.freeInodes !== null && report?.freeInodes !== undefined && entries > report.freeInodes) {
      throw new McadsError(
        'component-failed',
        `no room for ${names}: ${entries} files are needed, the filesystem has ${report.freeInodes} inodes left`,
      );
    }
  }
}

/** What was there and could not be read when the snapshot was made: it is not in it, and was not deleted. */
export function unreadIn({ details }: SelectedForRestore): readonly string[] {
  const { unread } = details.facts;
  const names = Array.isArray(unread) ? unread.filter((one) => typeof one === 'string') : [];
  return names.filter((name) => !name.startsWith('/') && !name.split('/').includes('..')); // of nobody's scan
}

/** `staying`: those of them that are there now and that the restore leaves alone. */
export function unreadFindings(one: SelectedForRestore, staying: ReadonlySet<string> = new Set()): readonly Finding[] {
  const { id, details } = one;
  const told = unreadIn(one).map((name): Finding => {
    const message = `${name} could not be read when the snapshot was made and is not in it${staying.has(name) ? ': what is there now stays as it is' : ''}`;
    return { severity: 'warning', code: 'not-restored', subject: `${id}: ${name}`, message };
  });
  if (details.facts['unreadMore'] !== true) return told;
  const message = 'more than is named could not be read when the snapshot was made: what is there of it now goes aside with the rest';
  return [
    ...told,
    { severity: 'warning', code: 'not-restored', subject: `${id}: more`, message, hint: 'see the findings of the snapshot' },
  ];
}

export function tornFindings({ id, details }: SelectedForRestore): readonly Finding[] {
  const torn = details.facts['torn'];
  if (!Array.isArray(torn)) return [];
  return torn.map((path) => ({
    severity: 'warning',
    code: 'torn',
    subject: `${id}:${String(path)}`,
    message: `${String(path)} changed each time it was read when the snapshot was made; it may be a mixture`,
  }));
}
