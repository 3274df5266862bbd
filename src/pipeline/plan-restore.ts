import { posix } from 'node:path';
import type { JsonObject } from '../domain/byte-stream.ts';
import type { Finding } from '../domain/finding.ts';
import type { Manifest } from '../domain/manifest.ts';
import type { SnapshotRepository } from '../domain/ports.ts';
import type { PlannedRestore, RestorePlan } from '../domain/restore.ts';
import { McadsError } from '../errors.ts';
import { planRestoreDatabases } from './plan-restore-databases.ts';
import { planRestoreOnHost } from './plan-restore-host.ts';
import { proofOf } from './proof-of.ts';
import { isWithin } from './foreign-users.ts';
import { planServices } from './plan-restore-services.ts';
import { planRestoreTrees, type TreeRestorePlan } from './plan-restore-trees.ts';
import { fullRecreation, lackingFindings, missingImages, missingPart } from './plan-recreation.ts';
import { recordedModel } from './recorded-config.ts';
import { describeConfig, planConfig, type ConfigPlace } from './restore-config.ts';
import { volumePlace } from './restore-places.ts';
import { startedElsewhere } from './started-elsewhere.ts';
import type { RestorePorts, RestoreRequest } from './restore-requests.ts';
import { selectForRestore, type RestoreSelection, type SelectedForRestore } from './restore-selection.ts';
import { lookAround, type RestoreSituation } from './restore-situation.ts';
import { artifactsOf } from './select-components.ts';

/**
 * What a restore would do, as data: nothing is changed for it, and all that can be known to go wrong is refused here. Rejects `usage` for what
 * makes no sense, `component-failed` with the reason for a component that cannot be brought back.
 */
export async function planRestore(
  request: RestoreRequest,
  repository: SnapshotRepository,
  manifest: Manifest,
  ports: RestorePorts,
  signal: AbortSignal,
): Promise<RestorePlan> {
  if (manifest.sealed.strategy === 'host') return planRestoreOnHost(request, repository, manifest, ports, signal);
  const selection = selectForRestore(request, manifest);
  const situation = await lookAround(request, manifest, repository, ports, signal);
  const of = (...kinds: readonly SelectedForRestore['kind'][]): readonly SelectedForRestore[] =>
    selection.components.filter(({ kind }) => kinds.includes(kind));
  const findings: Finding[] = [...(selection.isWhole ? lackingFindings(manifest) : [])];
  // Also those that are not selected: the containers mount them all.
  const binds = selectForRestore({ ...request, services: [], components: [] }, manifest).components.filter(({ kind }) => kind === 'bind');
  const full = fullRecreation(binds, situation, manifest, ports);
  const volumes = new Set(of('volume').map((one) => volumeNameOf(volumePlace(one, situation, full))));
  const part = await missingPart(full, selection, volumes, situation, request, ports, signal);
  const config = await planConfiguration(of('config')[0] ?? null, request, situation, repository, ports, signal);
  await assertFreeDirectory(request, situation, ports, signal);
  // A bind of the project's folder holds its configuration too, which is shown and kept whatever was chosen.
  const notChosen =
    config === null && !request.withConfig && of('bind').length > 0
      ? await planConfiguration(configOf(request, manifest), request, situation, repository, ports, signal)
      : null;
  const keptFiles = keptFilesOf(config ?? notChosen);
  const trees = await planRestoreTrees(
    selection.components,
    { request, situation, full, manifest, repository, ports, keptFiles, signal },
    findings,
  );
  const outside = situation.beside ? null : outsideFinding(config, situation);
  if (outside !== null) findings.push(outside);
  if (notChosen !== null) findings.push(...keptFindings(keptFiles, trees));
  const databases = await planRestoreDatabases(selection, situation, part, ports, signal, findings);
  const images = await planImages(of('image'), ports, signal);
  const state = of('state').map(planState);
  const planned = inOrder(selection, [...databases, ...trees, ...images, ...(config === null ? [] : [config]), ...state]);
  if (situation.beside) findings.push(besideFinding(situation));
  const elsewhere = situation.beside ? null : await startedElsewhere(situation.view, situation.model, ports.host);
  if (elsewhere !== null) findings.push(elsewhere);
  return {
    snapshot: manifest.name,
    takenAt: manifest.sealed.startedAt,
    completeness: manifest.sealed.completeness,
    proof: await proofOf(repository, manifest.name),
    project: situation.project,
    engine: `${ports.engine.info.name} at ${ports.engine.info.endpoint}`,
    directory: situation.directory,
    beside: situation.beside,
    fresh: situation.fresh,
    components: planned,
    services: planServices(planned, part, situation, request, ports),
    recreation: part,
    missingImages: await missingImages(part, selection, await modelOf(manifest, repository, part, signal), ports, signal),
    safety: request.safetyBackup ? safetyOf(planned) : [],
    findings,
  };
}

function volumeNameOf({ place }: ReturnType<typeof volumePlace>): string {
  return place.mount.type === 'volume' ? place.mount.name : '';
}

async function planConfiguration(
  one: SelectedForRestore | null,
  request: RestoreRequest,
  situation: RestoreSituation,
  repository: SnapshotRepository,
  ports: RestorePorts,
  signal: AbortSignal,
): Promise<PlannedRestore | null> {
  if (one === null) return null;
  const place: ConfigPlace = {
    directory: situation.directory,
    replace: request.withConfig && !situation.beside,
    insideOnly: situation.beside,
    unwritable: isOutOfReach(situation.directory, request, ports)
      ? `stays in the snapshot: ${situation.directory} is not mounted into this container (extract gets it)`
      : null,
  };
  const files = await planConfig(repository, artifactsOf(one.component).data, place, ports.host, signal);
  const changes = files.some(({ action }) => action === 'create' || action === 'replace');
  return {
    id: one.id,
    action: !changes ? 'keep' : files.some(({ action }) => action === 'replace') ? 'replace' : 'create',
    how: describeConfig(files, place),
    bytes: one.details.bytes,
    facts: one.details.facts,
    target: { kind: 'config', directory: situation.directory, files },
  };
}

/** In a container, only what is mounted is the host's. */
function isOutOfReach(directory: string, { neverTouch }: RestoreRequest, { engine }: RestorePorts): boolean {
  const own = engine.info.ownContainer;
  if (own === undefined) return false;
  // Our image works in the folder of the repository, where no project lives.
  if (neverTouch.some((path) => isWithin(directory, path))) return true;
  return !own.mounts.some(({ target }) => directory === target || directory.startsWith(`${target}/`));
}

/** What a bind must not bring or move: what is kept, and what is replaced on its own, with the way back that is its own. */
function keptFilesOf(config: PlannedRestore | null): readonly string[] {
  if (config?.target.kind !== 'config') return [];
  const { directory, files } = config.target;
  return files.filter(({ action }) => action === 'keep' || action === 'replace').map(({ path }) => posix.resolve(directory, path));
}

/** Of a project that is restored elsewhere: what was named by `../` goes to where it was, and not along. */
function outsideFinding(config: PlannedRestore | null, { directory, hostDirectory, recordedDirectory }: RestoreSituation): Finding | null {
  if (config?.target.kind !== 'config' || recordedDirectory === null || hostDirectory === recordedDirectory) return null;
  const outside = config.target.files.filter(({ path }) => path.startsWith('/')).map(({ path }) => path);
  if (outside.length === 0) return null;
  const message = `${outside.slice(0, 5).join(', ')}${outside.length > 5 ? ', …' : ''} lay outside of the project's directory: they belong to ${recordedDirectory}, and do not move to ${directory}`;
  return {
    severity: 'warning',
    code: 'outside-directory',
    subject: 'config',
    message,
    hint: `restore in ${recordedDirectory}, or mend the paths in the Compose files`,
  };
}

function configOf(request: RestoreRequest, manifest: Manifest): SelectedForRestore | null {
  return selectForRestore({ ...request, services: [], components: [] }, manifest).components.find(({ kind }) => kind === 'config') ?? null;
}

function keptFindings(keptFiles: readonly string[], trees: readonly TreeRestorePlan[]): readonly Finding[] {
  const folders = trees.flatMap(({ target: { place } }) =>
    place.mount.type === 'bind' && place.singleFile === null ? [place.mount.hostPath] : [],
  );
  const kept = keptFiles.filter((path) => folders.some((folder) => isWithin(path, folder)));
  if (kept.length === 0) return [];
  const message = `configuration that differs is kept: ${kept.slice(0, 5).join(', ')}${kept.length > 5 ? ', …' : ''}`;
  return [{ severity: 'info', code: 'config-kept', subject: 'config', message, hint: '--with-config replaces it' }];
}

/** A project beside gets a folder that is missing or empty: what lies there already is somebody's. */
async function assertFreeDirectory(
  request: RestoreRequest,
  { beside, directory, hostDirectory, view }: RestoreSituation,
  { engine }: RestorePorts,
  signal: AbortSignal,
): Promise<void> {
  if (!beside) return;
  const images = view.containers.map(({ imageId }) => imageId);
  const options = { transport: request.transport, helperImage: request.helperImage, projectImages: images };
  const { isEmpty } = await engine.probePlace({ mount: { type: 'bind', hostPath: hostDirectory }, singleFile: null }, options, signal);
  if (isEmpty) return;
  throw new McadsError('usage', `${directory} is not empty, and the files of ${request.as ?? ''} would go there`, {
    hint: 'name a missing or empty one with --project-directory',
  });
}

async function planImages(
  images: readonly SelectedForRestore[],
  { engine }: RestorePorts,
  signal: AbortSignal,
): Promise<readonly PlannedRestore[]> {
  const planned: PlannedRestore[] = [];
  for (const { id, details } of images) {
    const image = details.facts['image'];
    if (typeof image !== 'string') throw new McadsError('damaged', `the snapshot does not say which image ${id} is`);
    const exists = (await engine.inspectImage(image, signal)) !== null;
    const how = exists ? 'the engine has it' : `loads ${image}`;
    planned.push({
      id,
      action: exists ? 'keep' : 'create',
      how,
      bytes: details.bytes,
      facts: details.facts,
      target: { kind: 'image', image, exists },
    });
  }
  return planned;
}

function planState({ id, details }: SelectedForRestore): PlannedRestore {
  return {
    id,
    action: 'keep',
    how: 'read: what the project was on its engine',
    bytes: details.bytes,
    facts: details.facts,
    target: { kind: 'state' },
  };
}

/** As the snapshot lists them. */
function inOrder(selection: RestoreSelection, planned: readonly PlannedRestore[]): readonly PlannedRestore[] {
  const byId = new Map(planned.map((one) => [one.id, one]));
  return selection.components.flatMap(({ id }) => byId.get(id) ?? []);
}

/** What no swap can put back: files written over, roles that are altered. */
function safetyOf(planned: readonly PlannedRestore[]): RestorePlan['safety'] {
  return planned
    .filter(({ action, target }) => {
      if (target.kind === 'tree') return action === 'overwrite';
      return target.kind === 'globals' && target.mode === 'all' && target.container !== null;
    })
    .map(({ id }) => id);
}

/** Only asked where an image may be missing. */
async function modelOf(
  manifest: Manifest,
  repository: SnapshotRepository,
  part: RestorePlan['recreation'],
  signal: AbortSignal,
): Promise<JsonObject | null> {
  const config = manifest.components.find(({ id }) => id === 'config');
  if (part === null || part.containers.length === 0 || config === undefined) return null;
  return recordedModel(repository, artifactsOf(config).data, signal);
}

function besideFinding({ project, directory }: RestoreSituation): Finding {
  return {
    severity: 'info',
    code: 'beside',
    subject: project,
    message: `its files go to ${directory}; the Compose files there still name the original where they name a project`,
    hint: `use docker compose -p ${project} there, or mcads-orchestrate -p ${project}`,
  };
}
