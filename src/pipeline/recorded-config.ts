import { isJsonObject, type JsonObject, type JsonValue } from '../domain/byte-stream.ts';
import type { FileAttributes } from '../domain/host-writer.ts';
import type { ManifestArtifact } from '../domain/manifest.ts';
import type { SnapshotRepository } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import { printableRaw } from '../stream/catalogue.ts';
import { leadsOut } from '../stream/tar-rename.ts';
import { scanTar, type TarMember } from '../stream/tar-scanner.ts';
import { RESOLVED_MODEL } from './config-tar.ts';
import { toText } from '../stream/raw-path.ts';

/** One file of a snapshot's configuration. */
export interface RecordedFile extends FileAttributes {
  /** `project/…` below the project directory, `host/…` elsewhere; as `capture-config.ts` names them. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

const LARGEST_BYTES = 64 * 1024 * 1024;

/** The recorded files one after the other, the resolved model among them. Throws `damaged` for names that no backup writes. */
export async function* recordedFiles(
  repository: SnapshotRepository,
  artifact: ManifestArtifact,
  signal: AbortSignal,
): AsyncGenerator<RecordedFile> {
  let current: (Omit<RecordedFile, 'bytes'> & { readonly size: number }) | null = null;
  let parts: Buffer[] = [];
  const finished = (): RecordedFile | null => {
    if (current === null) return null;
    const { size, ...file } = current;
    return { ...file, bytes: Buffer.concat(parts).subarray(0, size) };
  };
  for await (const event of scanTar(repository.read(artifact, signal))) {
    if (event.kind === 'data') {
      parts.push(Buffer.from(event.bytes)); // the reader's buffers are views
      continue;
    }
    const whole = finished();
    if (whole !== null) yield whole;
    const { path, type, size, mode, mtime } = event.member;
    if (type !== 'f' || leadsOut(path) || size > LARGEST_BYTES)
      throw new McadsError('damaged', `the configuration holds what no backup stores: ${printableRaw(path)}`);
    current = { name: toText(path), mode, owner: ownerOf(event.member), mtime, size };
    parts = [];
  }
  const last = finished();
  if (last !== null) yield last;
}

/** Earlier versions wrote 0:0 for everybody, this one a record for each that it knows. */
function ownerOf({ uid, gid, pax }: TarMember): FileAttributes['owner'] {
  return uid === 0 && gid === 0 && !pax.has('uid') ? null : { uid, gid };
}

/** The Compose model as it was loaded for the snapshot; null where none was. */
export async function recordedModel(
  repository: SnapshotRepository,
  artifact: ManifestArtifact,
  signal: AbortSignal,
): Promise<JsonObject | null> {
  for await (const { name, bytes } of recordedFiles(repository, artifact, signal)) {
    if (name !== RESOLVED_MODEL) continue;
    const resolved = JSON.parse(Buffer.from(bytes).toString('utf8')) as JsonValue; // written by capture-config.ts
    const model = isJsonObject(resolved) ? resolved['model'] : undefined;
    return isJsonObject(model) ? model : null;
  }
  return null;
}
