import type { ManifestArtifact } from '../domain/manifest.ts';
import type { ArtifactWriter } from '../domain/ports.ts';
import type { Segment } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { artifactDigest } from './object-reader.ts';
import { endsPage, toPageLine } from './page.ts';

export interface PageSink {
  /** True for a chunk whose presence this run may rely on. */
  hasChunk(id: string): boolean;
  /** Stores a page unless it is there; resolves with its id. */
  putPage(lines: Buffer): Promise<string>;
}

/** Collects segments into pages, one page in memory at a time. */
export class PagedArtifactWriter implements ArtifactWriter {
  readonly #sink: PageSink;
  readonly #name: ManifestArtifact['name'];
  readonly #format: ManifestArtifact['format'];
  readonly #pages: string[] = [];
  #lines: string[] = [];
  #chunksInPage = 0;
  #segments = 0;
  #bytes = 0;

  constructor(sink: PageSink, name: ManifestArtifact['name'], format: ManifestArtifact['format']) {
    this.#sink = sink;
    this.#name = name;
    this.#format = format;
  }

  async add(segment: Segment): Promise<void> {
    for (const [id] of segment.chunks) {
      if (!this.#sink.hasChunk(id)) throw new McadsError('unexpected', `a segment refers to chunk ${id}, which is not stored`);
    }
    this.#lines.push(toPageLine(segment));
    this.#chunksInPage += segment.chunks.length;
    this.#segments += 1;
    this.#bytes += segment.bytes;
    if (endsPage(segment, this.#lines.length, this.#chunksInPage)) await this.#endPage();
  }

  async finish(): Promise<ManifestArtifact> {
    if (this.#lines.length > 0) await this.#endPage();
    return {
      name: this.#name,
      format: this.#format,
      pages: this.#pages,
      bytes: this.#bytes,
      segments: this.#segments,
      digest: artifactDigest(this.#pages),
    };
  }

  async #endPage(): Promise<void> {
    const page = Buffer.from(this.#lines.join(''));
    this.#lines = [];
    this.#chunksInPage = 0;
    this.#pages.push(await this.#sink.putPage(page));
  }
}
