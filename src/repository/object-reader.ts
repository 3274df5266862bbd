import type { Bytes } from '../domain/byte-stream.ts';
import type { ManifestArtifact } from '../domain/manifest.ts';
import type { ChunkRef, Segment } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { sha256Hex } from '../stream/digest.ts';
import { FrameError } from '../stream/zstd-frame.ts';
import { chunkKey, MAX_CHUNK_BYTES, pageKey } from './format.ts';
import { decodeObject } from './object-codec.ts';
import { parsePage } from './page.ts';
import type { Store } from './store.ts';

/** Chunks fetched, decoded and checked ahead of the reader, so that all cores work: small ones by the dozen, of large ones what memory allows. */
const CHUNKS_AHEAD = 32;
const BYTES_AHEAD = 8 * 1024 * 1024;

/** Reads artifacts; everything is checked against its length and SHA-256. Rejects `damaged` naming the id and what needs it. */
export class ObjectReader {
  readonly #source: Pick<Store, 'get'>;
  /** Artifacts whose component and snapshot are known, for messages. */
  readonly #owners = new WeakMap<ManifestArtifact, string>();

  constructor(source: Pick<Store, 'get'>) {
    this.#source = source;
  }

  /** Messages about this artifact will say `owner`. */
  describe(artifact: ManifestArtifact, owner: string): void {
    this.#owners.set(artifact, owner);
  }

  async *read(artifact: ManifestArtifact, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const owner = this.#ownerOf(artifact);
    let bytes = 0;
    for await (const chunk of this.#readAhead(chunksOf(this.segments(artifact, signal)), owner, signal)) {
      bytes += chunk.length;
      yield chunk;
    }
    if (bytes !== artifact.bytes) throw new McadsError('damaged', `${owner} has ${bytes} bytes where its manifest says ${artifact.bytes}`);
  }

  readChunks(chunks: Iterable<ChunkRef> | AsyncIterable<ChunkRef>, signal: AbortSignal): Bytes {
    return this.#readAhead(chunks, 'what is being read', signal);
  }

  async *segments(artifact: ManifestArtifact, signal: AbortSignal): AsyncGenerator<Segment> {
    const owner = this.#ownerOf(artifact);
    if (artifactDigest(artifact.pages) !== artifact.digest)
      throw new McadsError('damaged', `the page list of ${owner} does not match its digest`);
    for (const id of artifact.pages) {
      signal.throwIfAborted();
      yield* parsePage(await this.page(id, owner), id);
    }
  }

  /** One page's plain bytes. */
  async page(id: string, owner: string): Promise<Buffer> {
    return this.#object(pageKey(id), id, null, `page ${id}`, owner);
  }

  async chunk([id, length]: ChunkRef, owner: string): Promise<Buffer> {
    if (length > MAX_CHUNK_BYTES) throw new McadsError('damaged', `chunk ${id}, needed by ${owner}, claims ${length} bytes`);
    return this.#object(chunkKey(id), id, length, `chunk ${id}`, owner);
  }

  async #object(key: string, id: string, length: number | null, what: string, owner: string): Promise<Buffer> {
    const frame = await this.#source.get(key);
    if (frame === null) throw damagedObject(`${what}, needed by ${owner}, is missing`, id, 'missing');
    try {
      return await decodeObject(frame, id, length);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      throw damagedObject(`${what}, needed by ${owner}, is damaged: ${error.message}`, id, 'damaged');
    }
  }

  async *#readAhead(chunks: Iterable<ChunkRef> | AsyncIterable<ChunkRef>, owner: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const ahead: { readonly length: number; readonly reading: Promise<Buffer> }[] = [];
    let bytes = 0;
    for await (const ref of chunks) {
      signal.throwIfAborted();
      const reading = this.chunk(ref, owner);
      reading.catch(() => undefined); // awaited below, in order
      ahead.push({ length: ref[1], reading });
      bytes += ref[1];
      while (ahead.length > CHUNKS_AHEAD || (bytes > BYTES_AHEAD && ahead.length > 1)) {
        const first = ahead.shift();
        if (first === undefined) break;
        bytes -= first.length;
        yield await first.reading;
      }
    }
    for (const { reading } of ahead) {
      signal.throwIfAborted();
      yield await reading;
    }
  }

  #ownerOf(artifact: ManifestArtifact): string {
    return this.#owners.get(artifact) ?? `artifact ${artifact.name} (digest ${artifact.digest.slice(0, 12)})`;
  }
}

async function* chunksOf(segments: AsyncIterable<Segment>): AsyncGenerator<ChunkRef> {
  for await (const segment of segments) yield* segment.chunks;
}

/** SHA-256 over the binary page ids. */
export function artifactDigest(pages: readonly string[]): string {
  return sha256Hex(Buffer.concat(pages.map((id) => Buffer.from(id, 'hex'))));
}

function damagedObject(message: string, id: string, problem: 'missing' | 'damaged'): McadsError {
  return new McadsError('damaged', message, {
    hint: 'Run verify --read-data; the next backup stores it again where the source still has it.',
    context: { id, problem },
  });
}
