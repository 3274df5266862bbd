import type { Bytes } from '../domain/byte-stream.ts';
import type { ManifestArtifact } from '../domain/manifest.ts';
import type { ChunkRef, Segment } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { sha256Hex } from '../stream/digest.ts';
import { FrameError } from '../stream/zstd-frame.ts';
import { decodePool, type CheckPool } from './decode-pool.ts';
import type { DecodeProblem, WantedObject } from './decode-worker.ts';
import { chunkKey, MAX_CHUNK_BYTES, pageKey } from './format.ts';
import { decodeObject } from './object-codec.ts';
import { parsePage } from './page.ts';
import type { Store } from './store.ts';

/** Fetched, decoded and checked ahead of the reader, so that all cores work: small chunks by the hundred, of large ones what memory allows. */
const CHUNKS_AHEAD = 256;
const BYTES_AHEAD = 8 * 1024 * 1024;
/** What a thread gets in one message. An artifact that is no larger is read without threads: starting one takes as long as decoding some megabytes. */
const BATCH_BYTES = 1024 * 1024;
const BATCH_CHUNKS = 64;

type ObjectSource = Pick<Store, 'get' | 'filesOf' | 'notRead'>;

/** The plain bytes of some chunks; where there is a problem, of those before it. */
interface Piece {
  readonly plain: Uint8Array;
  readonly problem: McadsError | null;
}

/** What is fetched together, in order. */
interface Batch {
  readonly chunks: number;
  readonly bytes: number;
  readonly pieces: readonly Promise<Piece>[];
}

/** A chunk, and for messages who needs it. */
export interface OwnedChunk {
  readonly ref: ChunkRef;
  readonly owner: string;
}

/** Reads artifacts; everything is checked against its length and SHA-256. Rejects `damaged` naming the id and what needs it. */
export class ObjectReader {
  readonly #source: ObjectSource;
  readonly #threads: boolean;
  /** Artifacts whose component and snapshot are known, for messages. */
  readonly #owners = new WeakMap<ManifestArtifact, string>();

  /** `threads`: large artifacts are read by them. A run that stores has its own threads already, and memory for no more. */
  constructor(source: ObjectSource, { threads } = { threads: true }) {
    this.#source = source;
    this.#threads = threads;
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

  async chunk(ref: ChunkRef, owner: string): Promise<Buffer> {
    const [id, length] = ref;
    assertPossible(ref, owner);
    return this.#object(chunkKey(id), id, length, `chunk ${id}`, owner);
  }

  /** What is wrong with each of these chunks; null where it is what its name says. On threads where they are files of this machine. */
  async check(chunks: readonly OwnedChunk[], pool: CheckPool): Promise<readonly (McadsError | null)[]> {
    const wanted = chunks.map(({ ref: [id, length] }) => ({ id, length, places: this.#source.filesOf(chunkKey(id)) }));
    if (!wanted.every(hasPlaces) || chunks.some(({ ref }) => ref[1] > MAX_CHUNK_BYTES)) {
      return Promise.all(chunks.map(async ({ ref, owner }) => this.chunk(ref, owner).then(() => null, toProblem)));
    }
    const problems = await onThreads(pool.check(wanted));
    const found = new Map(problems.map((problem) => [problem.at, problem]));
    return chunks.map(({ ref: [id], owner }, at) => {
      const problem = found.get(at);
      return problem === undefined ? null : this.#problem(id, problem, owner);
    });
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

  /** In pieces of one or many whole chunks; each is the reader's own, to give back when it is used up. */
  async *#readAhead(chunks: Iterable<ChunkRef> | AsyncIterable<ChunkRef>, owner: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const ahead: Batch[] = [];
    let aheadBytes = 0;
    let aheadChunks = 0;
    let refs: ChunkRef[] = [];
    let bytes = 0;
    let isFirst = true;
    const send = (isLast: boolean): void => {
      if (refs.length === 0) return;
      const pieces = !this.#threads || (isFirst && isLast) ? null : this.#onThread(refs, bytes, owner);
      ahead.push({ chunks: refs.length, bytes, pieces: pieces ?? refs.map((ref) => handled(this.#piece(ref, owner))) });
      isFirst = false;
      refs = [];
      bytes = 0;
    };
    for await (const ref of chunks) {
      signal.throwIfAborted();
      assertPossible(ref, owner);
      refs.push(ref);
      bytes += ref[1];
      aheadBytes += ref[1];
      aheadChunks += 1;
      if (bytes >= BATCH_BYTES || refs.length >= BATCH_CHUNKS) send(false);
      while (aheadChunks > CHUNKS_AHEAD || aheadBytes > BYTES_AHEAD) {
        const first = ahead.shift();
        if (first === undefined) break;
        yield* plainOf(first.pieces);
        aheadBytes -= first.bytes;
        aheadChunks -= first.chunks;
      }
    }
    send(true);
    for (const { pieces } of ahead) {
      signal.throwIfAborted();
      yield* plainOf(pieces);
    }
  }

  /** All of them in one piece; null where they are not files of this machine. */
  #onThread(refs: readonly ChunkRef[], bytes: number, owner: string): readonly Promise<Piece>[] | null {
    const wanted = refs.map(([id, length]) => ({ id, length, places: this.#source.filesOf(chunkKey(id)) }));
    if (!wanted.every(hasPlaces)) return null;
    return [handled(this.#decode(wanted, bytes, owner))];
  }

  async #piece(ref: ChunkRef, owner: string): Promise<Piece> {
    return { plain: await this.chunk(ref, owner), problem: null };
  }

  async #decode(wanted: readonly WantedObject[], bytes: number, owner: string): Promise<Piece> {
    const { plain, problem } = await onThreads(decodePool().decode(wanted, bytes));
    return { plain, problem: problem === null ? null : this.#problem(wanted[problem.at]?.id ?? '', problem, owner) };
  }

  #problem(id: string, problem: DecodeProblem, owner: string): McadsError {
    if ('unreadable' in problem) return this.#source.notRead(chunkKey(id), problem.unreadable, problem.errno);
    const what = `chunk ${id}, needed by ${owner}, is`;
    if ('missing' in problem) return damagedObject(`${what} missing`, id, 'missing');
    return damagedObject(`${what} damaged: ${problem.damaged}`, id, 'damaged');
  }

  #ownerOf(artifact: ManifestArtifact): string {
    return this.#owners.get(artifact) ?? `artifact ${artifact.name} (digest ${artifact.digest.slice(0, 12)})`;
  }
}

async function onThreads<T>(answer: Promise<T>): Promise<T> {
  return answer.catch((error: unknown) => {
    throw new McadsError('store-failed', 'the threads that decode failed', {
      hint: "Check this machine's memory; what is stored was only read.",
      cause: error,
    });
  });
}

/** A chunk that cannot be had as it should be; anything else is thrown on. */
function toProblem(error: unknown): McadsError {
  if (error instanceof McadsError && (error.code === 'damaged' || error.code === 'store-failed')) return error;
  throw error;
}

async function* plainOf(pieces: readonly Promise<Piece>[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    const { plain, problem } = await piece;
    if (plain.length > 0) yield plain;
    if (problem !== null) throw problem;
  }
}

/** Awaited later, in order. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

function hasPlaces(wanted: {
  readonly id: string;
  readonly length: number;
  readonly places: readonly string[] | null;
}): wanted is WantedObject {
  return wanted.places !== null;
}

function assertPossible([id, length]: ChunkRef, owner: string): void {
  if (length > MAX_CHUNK_BYTES) throw new McadsError('damaged', `chunk ${id}, needed by ${owner}, claims ${length} bytes`);
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
