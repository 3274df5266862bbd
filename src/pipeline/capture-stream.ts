import type { Bytes, ByteStream } from '../domain/byte-stream.ts';
import type { ManifestArtifact } from '../domain/manifest.ts';
import type { SnapshotWriter, StoredChunk } from '../domain/ports.ts';
import { ContentChunker, gearTable } from '../stream/content-chunker.ts';

export interface CaptureStreamOptions {
  readonly format: ManifestArtifact['format'];
  readonly onProgress?: (bytes: number, storedBytes: number) => void;
}

export interface CapturedStream<V> {
  readonly artifact: ManifestArtifact;
  readonly bytes: number;
  readonly storedBytes: number;
  readonly verdict: V;
}

/** A segment of a plain stream holds this many chunks, so that none of them is a line without end. */
const CHUNKS_PER_SEGMENT = 64;

/**
 * Magic, versions, sizes, compression and the time of the dump: the only bytes of a custom archive that differ between two dumps of
 * the same database (pg_backup_archiver.c, WriteHead). In a chunk of their own an unchanged database costs just them.
 */
const PGDUMP_HEAD_BYTES = 51;

/** Stores a dump or another plain stream as its component's `data`; resolves only after the producer's own verdict. */
export async function captureStream<V>(
  stream: ByteStream<V>,
  writer: SnapshotWriter,
  options: CaptureStreamOptions,
  signal: AbortSignal,
): Promise<CapturedStream<V>> {
  try {
    const stored = await storeBytes(stream.body, 'data', writer, options, signal);
    return { ...stored, verdict: await stream.done };
  } catch (error) {
    // A producer that is given up still has to end what it started elsewhere; the first error is the one to tell.
    await Promise.allSettled([stream.done]);
    throw error;
  }
}

/** Cuts bytes by content and collects them into an artifact. */
export async function storeBytes(
  body: Bytes,
  name: ManifestArtifact['name'],
  writer: SnapshotWriter,
  { format, onProgress }: CaptureStreamOptions,
  signal: AbortSignal,
): Promise<{ readonly artifact: ManifestArtifact; readonly bytes: number; readonly storedBytes: number }> {
  const artifact = writer.artifact(name, format);
  const chunker = new ContentChunker(gearTable(writer.chunker.seed), writer.chunker);
  let pending: Promise<StoredChunk>[] = [];
  let bytes = 0;
  let storedBytes = 0;
  const put = async (chunk: Uint8Array): Promise<void> => {
    await writer.room();
    const storing = writer.putChunk(chunk);
    storing.catch(() => undefined); // awaited with its segment
    pending.push(storing);
    if (pending.length >= CHUNKS_PER_SEGMENT) await endSegment();
  };
  const endSegment = async (): Promise<void> => {
    const chunks = await Promise.all(pending);
    pending = [];
    storedBytes += chunks.reduce((sum, chunk) => sum + chunk.storedBytes, 0);
    if (chunks.length === 0) return;
    const length = chunks.reduce((sum, { ref }) => sum + ref[1], 0);
    await artifact.add({ fingerprint: null, bytes: length, chunks: chunks.map(({ ref }) => ref) });
  };
  let head = format === 'pgdump' ? PGDUMP_HEAD_BYTES : 0;
  for await (const piece of body) {
    signal.throwIfAborted();
    const ahead = piece.subarray(0, head);
    head -= ahead.length;
    for (const chunk of chunker.push(ahead)) await put(chunk);
    const first = ahead.length > 0 && head === 0 ? chunker.end() : null;
    if (first !== null) await put(first);
    for (const chunk of chunker.push(piece.subarray(ahead.length))) await put(chunk);
    bytes += piece.length;
    onProgress?.(bytes, storedBytes);
  }
  const last = chunker.end();
  if (last !== null) await put(last);
  await endSegment();
  onProgress?.(bytes, storedBytes);
  return { artifact: await artifact.finish(), bytes, storedBytes };
}
