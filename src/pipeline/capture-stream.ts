import type { Bytes, ByteStream } from '../domain/byte-stream.ts';
import type { ManifestArtifact } from '../domain/manifest.ts';
import type { SnapshotWriter, StoredChunk } from '../domain/ports.ts';
import { type ChunkSizes, ContentChunker, gearTable } from '../stream/content-chunker.ts';
import { givenBack } from '../stream/release-buffer.ts';

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

/**
 * Decision: databases are cut thirty-two times finer than files, at 32 KiB on average (50 in fact, about what small files are grouped to). A file is
 * mostly left as it was or written anew, but an application that touches one row in 2,000 touches most chunks of 1 MiB. Ten nightly dumps of the
 * benchmark's set C (1.9 GB), dump and changes as there, everything new compressed at level 3:
 *
 * | average | 1 MiB | 256 KiB | 128 KiB | 64 KiB | 32 KiB | 16 KiB |
 * |---|---|---|---|---|---|---|
 * | first dump, MiB | 26.1 | 25.5 | 26.8 | 25.3 | 24.1 | 24.1 |
 * | all ten, MiB | 225.8 | 125.5 | 91.4 | 64.4 | 47.9 | 40.3 |
 * | as files, each rounded up to 4 KiB (computed) | 228 | 130 | 98 | 74 | 63 | 67 |
 * | objects | 1,054 | 2,321 | 3,264 | 4,769 | 7,648 | 13,425 |
 * | processor, first dump, s | 1.2 | 1.2 | 0.9 | 1.0 | 1.3 | 1.5 |
 *
 * Finer than this the files of a first dump double with every step, and what they save is lost to rounding.
 */
const DATABASE_CUT = 32;
const DATABASE_FORMATS: ReadonlySet<ManifestArtifact['format']> = new Set(['pgdump', 'sql', 'sqlite']);

/** A repository whose chunks are small already keeps to them. */
function sizesFor(format: ManifestArtifact['format'], { minBytes, averageBytes, maxBytes }: ChunkSizes): ChunkSizes {
  const by = DATABASE_FORMATS.has(format) && minBytes >= 1024 * DATABASE_CUT ? DATABASE_CUT : 1;
  return { minBytes: Math.floor(minBytes / by), averageBytes: averageBytes / by, maxBytes: Math.floor(maxBytes / by) };
}

/** Stores a dump or another plain stream as its component's `data`; resolves only after the producer's own verdict. */
export async function captureStream<V>(
  stream: ByteStream<V>,
  writer: SnapshotWriter,
  options: CaptureStreamOptions,
  signal: AbortSignal,
): Promise<CapturedStream<V>> {
  try {
    const body = stream.givesPieces === true ? givenBack(stream.body) : stream.body;
    const stored = await storeBytes(body, 'data', writer, options, signal);
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
  const chunker = new ContentChunker(gearTable(writer.chunker.seed), sizesFor(format, writer.chunker));
  let pending: Promise<StoredChunk>[] = [];
  /** Segments are added in order, and nobody waits for one of them: room() bounds what is on its way. */
  let added: Promise<void> = Promise.resolve();
  let bytes = 0;
  let storedBytes = 0;
  const put = async (chunk: Uint8Array): Promise<void> => {
    await writer.room();
    const storing = writer.putChunk(chunk);
    storing.catch(() => undefined); // awaited with its segment
    pending.push(storing);
    if (pending.length >= CHUNKS_PER_SEGMENT) endSegment();
  };
  const endSegment = (): void => {
    const ended = pending;
    pending = [];
    if (ended.length === 0) return;
    added = added.then(async () => {
      const chunks = await Promise.all(ended);
      storedBytes += chunks.reduce((sum, chunk) => sum + chunk.storedBytes, 0);
      const length = chunks.reduce((sum, { ref }) => sum + ref[1], 0);
      await artifact.add({ fingerprint: null, bytes: length, chunks: chunks.map(({ ref }) => ref) });
    });
    added.catch(() => undefined); // awaited at the end; a failed writer refuses the next chunk
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
  endSegment();
  await added;
  onProgress?.(bytes, storedBytes);
  return { artifact: await artifact.finish(), bytes, storedBytes };
}
