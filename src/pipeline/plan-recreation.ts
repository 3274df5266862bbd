import type { Finding } from '../domain/finding.ts';
import type { Manifest } from '../domain/manifest.ts';
import type { Recreation, RecreatedContainer, RecreatedVolume, RestorePlan } from '../domain/restore.ts';
import { McadsError } from '../errors.ts';
import type { JsonObject } from '../domain/byte-stream.ts';
import { isJsonObject } from '../domain/byte-stream.ts';
import { bindPath, recordedHostPath } from './restore-places.ts';
import type { RestorePorts, RestoreRequest } from './restore-requests.ts';
import { servicesOf, type RestoreSelection, type SelectedForRestore } from './restore-selection.ts';
import type { RestoreSituation } from './restore-situation.ts';

/** How everything that was recorded would be made again under the names that it gets; null where nothing was recorded. */
export function fullRecreation(
  binds: readonly SelectedForRestore[],
  situation: RestoreSituation,
  manifest: Manifest,
  { engine }: RestorePorts,
): Recreation | null {
  const { state, project, beside, hostDirectory, recordedDirectory } = situation;
  if (state === null) return null;
  return engine.recreation(state, {
    project: { from: manifest.sealed.project, to: project },
    directory: recordedDirectory === null ? null : { from: recordedDirectory, to: hostDirectory },
    binds: binds
      .map((one) => ({ from: recordedHostPath(one), to: bindPath(one, situation) }))
      .toSorted((a, b) => b.from.length - a.from.length),
    beside,
  });
}

/** The part of it that is missing and needed; null where nothing is. Rejects `usage` where a name is somebody else's. */
export async function missingPart(
  full: Recreation | null,
  selection: RestoreSelection,
  /** Engine names of the selected volumes. */
  targets: ReadonlySet<string>,
  situation: RestoreSituation,
  request: RestoreRequest,
  ports: RestorePorts,
  signal: AbortSignal,
): Promise<Recreation | null> {
  if (full === null) {
    if (situation.fresh) {
      throw new McadsError(
        'component-failed',
        `nothing of ${situation.project} is on this engine, and the snapshot holds no recorded state to make it from`,
        {
          hint: 'docker compose up --no-start makes its containers and volumes; then restore again',
        },
      );
    }
    return null;
  }
  const { engine } = ports;
  const containers = await wantedContainers(full, selection, situation, ports, signal);
  const mounted = new Set([...targets, ...containers.flatMap(({ volumes }) => volumes)]);
  const wanted = full.volumes.filter(({ name }) => mounted.has(name) || (selection.isWhole && situation.fresh));
  const there = new Set(
    (
      await engine.viewVolumes(
        wanted.map(({ name }) => name),
        signal,
      )
    ).map(({ name }) => name),
  );
  const volumes = wanted.filter(({ name }) => !there.has(name));
  const named = containers.length === 0 ? [] : full.networks;
  const existing = await engine.existingNetworks(
    named.map(({ name }) => name),
    signal,
  );
  const networks = named.filter(({ name }) => !existing.has(name));
  if (containers.length + volumes.length + networks.length === 0) return null;
  return { containers, volumes, networks, missingFolders: await missingFolders(volumes, request, ports, signal), changes: full.changes };
}

async function missingFolders(
  volumes: readonly RecreatedVolume[],
  { transport, helperImage }: RestoreRequest,
  { engine }: RestorePorts,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const { folder } of volumes) {
    if (folder === null) continue;
    const place = { mount: { type: 'bind', hostPath: folder }, singleFile: null } as const;
    const { createdFrom } = await engine.probePlace(place, { transport, helperImage, projectImages: [] }, signal);
    if (createdFrom !== null) missing.push(createdFrom);
  }
  return [...new Set(missing)];
}

/** All of them where the project has none, else those of database services that have none. */
async function wantedContainers(
  full: Recreation,
  selection: RestoreSelection,
  { view }: RestoreSituation,
  { engine }: RestorePorts,
  signal: AbortSignal,
): Promise<readonly RecreatedContainer[]> {
  const alive = view.containers.filter(({ oneOff }) => !oneOff);
  const used = new Set([...selection.services, ...selection.components.flatMap(servicesOf)]);
  const databases = new Set(selection.components.filter(({ kind }) => kind === 'database' || kind === 'globals').flatMap(servicesOf));
  const wanted = full.containers.filter(({ service }) => {
    if (alive.length === 0) return selection.isWhole || used.has(service);
    return databases.has(service) && !alive.some((container) => container.service === service);
  });
  for (const { name } of wanted) {
    const taken = await engine.findContainer(name, signal);
    if (taken === null) continue;
    throw new McadsError(
      'usage',
      `a container named ${name} is there already${taken.project === null ? '' : `, of project ${taken.project}`}`,
      {
        hint: `remove or rename it: docker rm ${name}`,
      },
    );
  }
  return wanted;
}

/** Images that nobody has and no registry can be asked for, each with the command that gets or builds it. */
export async function missingImages(
  part: Recreation | null,
  selection: RestoreSelection,
  model: JsonObject | null,
  { engine }: RestorePorts,
  signal: AbortSignal,
): Promise<RestorePlan['missingImages']> {
  const stored = new Set(selection.components.filter(({ kind }) => kind === 'image').flatMap(servicesOf));
  const missing = new Map<string, string[]>();
  for (const container of part?.containers ?? []) {
    if (stored.has(container.service) || container.imageDigests.length > 0) continue;
    let found = false;
    for (const reference of [container.imageId, container.image, ...container.imageTags])
      found ||= reference !== '' && (await engine.inspectImage(reference, signal)) !== null;
    if (!found) missing.set(container.image, [...(missing.get(container.image) ?? []), container.service]);
  }
  return [...missing].map(([image, services]) => ({
    image,
    services: [...new Set(services)],
    command: commandFor(image, services, model),
  }));
}

function commandFor(image: string, services: readonly string[], model: JsonObject | null): string {
  const declared = isJsonObject(model?.['services']) ? model['services'] : {};
  const built = services.find((service) => isJsonObject(declared[service]) && declared[service]['build'] !== undefined);
  return built === undefined ? `docker pull ${image}` : `docker compose build ${built}`;
}

/** What the snapshot lacks. */
export function lackingFindings({ sealed, name }: Manifest): readonly Finding[] {
  return sealed.failed.map(({ id, reason }) => ({
    severity: 'warning',
    code: 'not-in-snapshot',
    subject: id,
    message: `${name} does not hold it: ${reason}`,
    hint: 'what is there now stays as it is',
  }));
}
