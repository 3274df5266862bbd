import type { Finding } from '../domain/finding.ts';
import type { Manifest } from '../domain/manifest.ts';
import type { SnapshotRepository } from '../domain/ports.ts';
import type { MadeIdentities, RecreatedContainer, RestorePlan } from '../domain/restore.ts';
import { McadsError, stopsRun } from '../errors.ts';
import type { RestorePorts, RestoreRequest } from './restore-requests.ts';
import { type HeldFile, tarOfFiles } from './drill-held-files.ts';
import { type InjectedFile, injectedFrom } from './injected-files.ts';
import { recordedFiles } from './recorded-config.ts';
import { artifactsOf } from './select-components.ts';

export interface Prepared {
  /** Names of containers that could not be made, because their image is nowhere. */
  readonly skipped: ReadonlySet<string>;
  readonly findings: readonly Finding[];
}

/** Names of what was made, or may have been: the engine was asked to. */
export interface MadeThings {
  readonly networks: Set<string>;
  readonly volumes: Set<string>;
  readonly containers: Set<string>;
}

/**
 * Makes what is missing before data can be put into it: images loaded or pulled, networks, volumes, containers (created, not started).
 * A container whose image is nowhere is left out, with what it would take; its volumes get their data all the same.
 */
export async function prepare(
  plan: RestorePlan,
  manifest: Manifest,
  repository: SnapshotRepository,
  request: RestoreRequest,
  ports: RestorePorts,
  made: MadeThings,
  signal: AbortSignal,
): Promise<Prepared> {
  const { engine, events } = ports;
  await loadImages(plan, manifest, repository, ports, signal);
  if (plan.recreation === null) return { skipped: new Set(), findings: [] };
  const findings: Finding[] = [];
  const skipped = new Set<string>();
  for (const container of plan.recreation.containers) {
    const problem = await ensureImage(container, plan, ports, signal);
    if (problem === null) continue;
    if (problem.severity === 'error') skipped.add(container.name);
    findings.push(problem);
  }
  for (const network of plan.recreation.networks) await making(made.networks, network.name, () => engine.createNetwork(network, signal));
  for (const volume of plan.recreation.volumes) {
    if (volume.folder !== null) await makeFolder(volume.folder, request, ports, signal);
    await making(made.volumes, volume.name, () => engine.createVolume(volume, signal));
  }
  const put = (container: RecreatedContainer, files: Parameters<typeof tarOfFiles>[0]): Promise<void> =>
    engine.putFiles(container.name, tarOfFiles(files), signal);
  const injected = await injectedOf(manifest, repository, signal);
  for (const container of plan.recreation.containers) {
    if (skipped.has(container.name)) continue;
    await making(made.containers, container.name, () => engine.createContainer(container, signal));
    const files = injected.filter(({ service }) => service === container.service);
    if (files.length > 0)
      await put(container, files).catch((error: unknown) => void findings.push(notPut(container, files, error, signal)));
    events({ type: 'log', level: 'info', message: `made container ${container.name}` });
  }
  return { skipped, findings };
}

/** What tells the things that were made from others of the same names, for a run that has to undo this one. */
export async function identitiesOf(
  { networks, volumes, containers }: MadeThings,
  engine: RestorePorts['engine'],
  signal: AbortSignal,
): Promise<MadeIdentities> {
  const ids: Record<string, string> = {};
  for (const name of containers) ids[name] = (await engine.findContainer(name, signal))?.id ?? '';
  const there = await engine.viewVolumes([...volumes], signal);
  return {
    containers: ids,
    networks: Object.fromEntries(await engine.existingNetworks([...networks], signal)),
    volumes: Object.fromEntries(there.map(({ name, createdAt }) => [name, createdAt])),
  };
}

/** A read-only container takes none. Its data is worth restoring all the same; what stops the run is thrown. */
function notPut({ name, service }: RecreatedContainer, files: readonly InjectedFile[], error: unknown, signal: AbortSignal): Finding {
  signal.throwIfAborted();
  if (!(error instanceof McadsError) || stopsRun(error)) throw error;
  const what = files.map(({ target }) => target).join(', ');
  const message = `${name} is without ${what}, which Compose puts into it: ${error.message}`;
  return { severity: 'error', code: 'not-restored', subject: service, message, hint: `docker compose up -d --force-recreate ${service}` };
}

/** What Compose had put into containers, and only there. */
async function injectedOf(
  manifest: Manifest,
  repository: SnapshotRepository,
  signal: AbortSignal,
): Promise<readonly (InjectedFile & { readonly file: HeldFile })[]> {
  const config = manifest.components.find(({ id }) => id === 'config');
  if (config === undefined) return [];
  const found: (InjectedFile & { readonly file: HeldFile })[] = [];
  for await (const { name, bytes, mode, owner } of recordedFiles(repository, artifactsOf(config).data, signal)) {
    const injected = injectedFrom(name);
    if (injected !== null) found.push({ ...injected, file: { bytes, mode, owner: owner ?? { uid: 0, gid: 0 } } });
  }
  return found;
}

/** What turns out to be somebody else's is none of ours to remove. */
async function making(made: Set<string>, name: string, make: () => Promise<unknown>): Promise<void> {
  made.add(name);
  try {
    await make();
  } catch (error) {
    if (error instanceof McadsError && error.context['taken'] !== undefined) made.delete(name);
    throw error;
  }
}

/** It was built or pulled anew under the same name, and the recorded one is gone. */
function otherImage({ name, service, imageId }: RecreatedContainer, reference: string): Finding {
  return {
    severity: 'warning',
    code: 'other-image',
    subject: service,
    message: `${name} is made from what ${reference} is now: the recorded image (${imageId.replace(/^sha256:/, '').slice(0, 12)}) is not here any more`,
    hint: 'with `images: local` a backup keeps images that no registry has',
  };
}

/** The engine mounts no volume that is bound to a folder which is not there. */
async function makeFolder(path: string, { helperImage }: RestoreRequest, ports: RestorePorts, signal: AbortSignal): Promise<void> {
  const place = { mount: { type: 'bind', hostPath: path }, singleFile: null } as const;
  const target = await ports.engine.openTarget(place, { transport: 'auto', helperImage, projectImages: [] }, signal);
  await target[Symbol.asyncDispose]();
}

async function loadImages(
  plan: RestorePlan,
  manifest: Manifest,
  repository: SnapshotRepository,
  ports: RestorePorts,
  signal: AbortSignal,
): Promise<void> {
  for (const { id, target } of plan.components) {
    if (target.kind !== 'image' || target.exists) continue;
    const component = manifest.components.find((one) => one.id === id);
    if (component === undefined) throw new McadsError('damaged', `${manifest.name} lost its component ${id}`);
    ports.events({ type: 'stage', stage: 'load image', detail: target.image });
    await ports.engine.loadImage(repository.read(artifactsOf(component).data, signal), signal);
  }
}

/** Null where the image is there now; a warning where another one has its name, and that is taken. */
async function ensureImage(
  container: RecreatedContainer,
  plan: RestorePlan,
  { engine, events }: RestorePorts,
  signal: AbortSignal,
): Promise<Finding | null> {
  if (container.imageId !== '' && (await engine.inspectImage(container.imageId, signal)) !== null) return null;
  for (const reference of [container.image, ...container.imageTags])
    if (reference !== '' && (await engine.inspectImage(reference, signal)) !== null)
      return container.imageId === '' ? null : otherImage(container, reference);
  let why = 'no registry has it';
  for (const digest of container.imageDigests) {
    events({ type: 'stage', stage: 'pull image', detail: digest });
    try {
      await engine.pullImage(digest, container.imageTags, signal);
      return null;
    } catch (error) {
      if (!(error instanceof McadsError) || error.code !== 'component-failed') throw error;
      why = error.message;
    }
  }
  const missing = plan.missingImages.find(({ image }) => image === container.image);
  return {
    severity: 'error',
    code: 'image-missing',
    subject: container.service,
    message: `${container.name} was not made: its image ${container.image} is not here (${why})`,
    hint: `${missing?.command ?? `docker pull ${container.image}`}, then docker compose up -d`,
  };
}
