import type { CopiedContainer } from '../domain/drill-ports.ts';
import type { DrilledImage } from '../domain/drill.ts';
import type { EngineContainer } from '../domain/engine-model.ts';
import type { Engine, SnapshotRepository } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import type { DrillLog } from './drill-log.ts';
import type { DrillPlan } from './drill-plan.ts';

/**
 * Has the recorded images ready: by id, else from the snapshot, else pulled by digest. A tag may have moved on, so it never stands in for one.
 * Resolves with the ids that are there.
 */
export async function ensureImages(
  plan: DrillPlan,
  engine: Engine,
  repository: SnapshotRepository,
  log: DrillLog,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const there = new Set<string>();
  const tried = new Set<string>();
  for (const container of plan.copy?.containers ?? []) {
    if (tried.has(container.imageId)) continue;
    tried.add(container.imageId);
    const ok = await log.attempt(2, 'image', container.service, async () => ensureImage(container, plan, engine, repository, signal));
    if (ok) there.add(container.imageId);
  }
  return there;
}

async function ensureImage(
  container: CopiedContainer,
  { selected }: DrillPlan,
  engine: Engine,
  repository: SnapshotRepository,
  signal: AbortSignal,
): Promise<string> {
  const { imageId, image, imageDigests, imageTags, service } = container;
  const isThere = async (): Promise<boolean> => (await engine.inspectImage(imageId, signal)) !== null;
  if (await isThere()) return `${image} (${short(imageId)}) is here`;
  const saved = selected.find(({ id, details }) => id.startsWith('image/') && details.facts['image'] === image);
  if (saved !== undefined) {
    await engine.loadImage(repository.read(saved.data, signal), signal);
    if (await isThere()) return `${image} (${short(imageId)}) came from the snapshot`;
  }
  let why = 'it has no digest to pull it by';
  for (const digest of imageDigests) {
    try {
      await engine.pullImage(digest, imageTags, signal);
      return `${image} was pulled as ${digest}`;
    } catch (error) {
      if (!(error instanceof McadsError) || error.code !== 'component-failed') throw error;
      why = error.message;
    }
  }
  const tagged = await engine.inspectImage(image, signal);
  const other = tagged === null ? '' : `; ${image} is another image now (${short(tagged.id)})`;
  throw new McadsError(
    'component-failed',
    `service ${service} ran ${image} with the id ${short(imageId)}, which is not here (${why})${other}`,
  );
}

export function drilledImages(containers: readonly EngineContainer[]): readonly DrilledImage[] {
  return containers
    .filter(({ oneOff }) => !oneOff)
    .map(({ service, image, imageId, imageDigests }) => ({ service: service ?? '', image, id: imageId, digests: imageDigests }));
}

function short(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
