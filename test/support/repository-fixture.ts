import { join } from 'node:path';
import { readFile, unlink } from 'node:fs/promises';
import { createCipheriv } from 'node:crypto';
import type { Completeness, Manifest, ManifestArtifact, ManifestComponent } from '../../src/domain/manifest.ts';
import type { SnapshotRepository, SnapshotWriter } from '../../src/domain/ports.ts';
import { parseSnapshotName } from '../../src/domain/snapshot-name.ts';
import type { ChunkRef } from '../../src/domain/tree.ts';
import { parseComponentId, type ComponentId } from '../../src/domain/component.ts';
import { ContentChunker, gearTable } from '../../src/stream/content-chunker.ts';

/** Component id → content of its `data` artifact. */
export type Contents = Readonly<Record<string, Buffer>>;

export const NEVER = new AbortController().signal;

/** Repeatable noise. */
export function noise(seed: number, length: number): Buffer {
  const key = Buffer.alloc(16);
  key.writeUInt32LE(seed);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** Stores bytes as the pipeline stores a dump: one segment of content-defined chunks. */
export async function putArtifact(
  writer: SnapshotWriter,
  bytes: Buffer,
  format: ManifestArtifact['format'] = 'sql',
  name: ManifestArtifact['name'] = 'data',
): Promise<ManifestArtifact> {
  const chunker = new ContentChunker(gearTable(writer.chunker.seed), writer.chunker);
  const chunks: ChunkRef[] = [];
  const put = async (chunk: Uint8Array): Promise<void> => {
    await writer.room();
    chunks.push((await writer.putChunk(chunk)).ref);
  };
  for (const chunk of chunker.push(bytes)) await put(chunk);
  const last = chunker.end();
  if (last !== null) await put(last);
  const artifact = writer.artifact(name, format);
  if (bytes.length > 0) await artifact.add({ fingerprint: null, bytes: bytes.length, chunks });
  return artifact.finish();
}

export function toComponentId(text: string): ComponentId {
  const id = parseComponentId(text);
  if (id === null) throw new TypeError(text);
  return id;
}

export function makeManifest(
  repository: string,
  name: string,
  components: readonly ManifestComponent[],
  completeness: Completeness = 'complete',
): Manifest {
  const parsed = parseSnapshotName(name);
  if (parsed === null) throw new TypeError(name);
  const { project, strategy, time } = parsed;
  const at = time.replace(/^(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)$/, '$1-$2-$3T$4:$5:$6.000Z');
  const bytes = components.flatMap(({ artifacts }) => artifacts).reduce((sum, artifact) => sum + artifact.bytes, 0);
  return {
    format: 1,
    features: { read: [], write: [] },
    name,
    repository,
    components,
    sealed: {
      project,
      strategy,
      completeness,
      startedAt: at,
      finishedAt: at,
      tool: { name: 'mcads-orchestrate', version: '0.0.0' },
      host: { name: 'test', platform: 'linux', node: process.version },
      engine: null,
      workingDirectory: null,
      environment: {},
      components: {},
      failed: [],
      uncovered: [],
      findings: [],
      stats: { bytes, newBytes: 0, seconds: 0, newChunks: 0 },
      parents: [],
    },
  };
}

/** One whole backup. */
export async function backUp(
  repository: SnapshotRepository,
  name: string,
  contents: Contents,
  completeness: Completeness = 'complete',
): Promise<Manifest> {
  const project = parseSnapshotName(name)?.project ?? '';
  await using writer = await repository.begin(name, project, NEVER);
  const components: ManifestComponent[] = [];
  for (const [id, bytes] of Object.entries(contents))
    components.push({ id: toComponentId(id), artifacts: [await putArtifact(writer, bytes)] });
  const manifest = makeManifest(repository.id, name, components, completeness);
  await writer.commit(manifest, `verification of ${name}\n`);
  return manifest;
}

/** Everything that a snapshot holds, read back and checked. */
export async function readBack(repository: SnapshotRepository, name: string): Promise<Contents> {
  const contents: Record<string, Buffer> = {};
  for (const { id, artifacts } of (await repository.manifest(name)).components) {
    for (const artifact of artifacts) contents[id] = Buffer.concat(await Array.fromAsync(repository.read(artifact, NEVER)));
  }
  return contents;
}

/** Takes away what stands in for a manifest that is damaged. */
export async function removeManifestCopy(repository: string, snapshot: string): Promise<void> {
  const digest = await readFile(join(repository, 'snapshots', snapshot, 'manifest.json.sha256'), 'latin1');
  await unlink(join(repository, 'segments', digest.slice(0, 2), digest.slice(0, 64)));
}
