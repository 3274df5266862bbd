import type { ManifestArtifact } from '../domain/manifest.ts';
import type { Segment, SeenPart } from '../domain/tree.ts';
import type { ArtifactWriter, SnapshotWriter, StoredChunk } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import type { CatalogueGroup } from './catalogue-groups.ts';

/** Stores a tree's catalogue group by group: as it was, or the lines that it is given. */
export class CatalogueWriter {
  readonly #writer: SnapshotWriter;
  readonly #artifact: ArtifactWriter;
  #group: CatalogueGroup | null = null;
  #lines: Uint8Array[] = [];
  #isTrusted = true;
  #storedBytes = 0;
  /** Groups are added in order, and nobody waits for one of them: room() bounds what is on its way. */
  #added: Promise<void> = Promise.resolve();

  constructor(writer: SnapshotWriter) {
    this.#writer = writer;
    this.#artifact = writer.artifact('catalogue', 'jsonl');
  }

  /** The group before this one is whole. */
  async begin(group: CatalogueGroup): Promise<void> {
    await this.#endGroup();
    this.#group = group;
  }

  /** Lines of a segment in this group. Not `asPlanned`: nothing that a later snapshot may use. */
  add(lines: Uint8Array, asPlanned: boolean): void {
    if (this.#group === null || this.#group.reuse !== null)
      throw new McadsError('unexpected', 'lines for a part of the catalogue that is stored as it was');
    if (lines.length > 0) this.#lines.push(lines);
    this.#isTrusted &&= asPlanned;
  }

  async finish(): Promise<{ readonly artifact: ManifestArtifact; readonly storedBytes: number }> {
    await this.#endGroup();
    await this.#added;
    return { artifact: await this.#artifact.finish(), storedBytes: this.#storedBytes };
  }

  async #endGroup(): Promise<void> {
    const group = this.#group;
    const text = Buffer.concat(this.#lines);
    const fingerprint = this.#isTrusted ? (group?.fingerprint ?? null) : null;
    this.#group = null;
    this.#lines = [];
    this.#isTrusted = true;
    if (group === null || (group.reuse === null && text.length === 0)) return;
    const storing: Promise<StoredChunk>[] = [];
    for (let at = 0; at < text.length; at += this.#writer.chunker.maxBytes) {
      await this.#writer.room();
      const chunk = this.#writer.putChunk(text.subarray(at, at + this.#writer.chunker.maxBytes));
      chunk.catch(() => undefined); // awaited with its group
      storing.push(chunk);
    }
    this.#added = this.#added.then(async () => {
      const stored = await Promise.all(storing);
      this.#storedBytes += stored.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
      const { first, reuse, seen } = group;
      const part = reuse ?? { fingerprint, bytes: text.length, chunks: stored.map(({ ref }) => ref), first };
      await this.#artifact.add(withSeen(part, seen));
    });
    this.#added.catch(() => undefined); // awaited at the end; a failed writer refuses the next chunk
  }
}

/** Only of a part that a later snapshot may use. */
function withSeen({ fingerprint, bytes, chunks, first }: Segment, seen: SeenPart | null): Segment {
  const part = { fingerprint, bytes, chunks, ...(first === undefined ? {} : { first }) };
  return seen === null || fingerprint === null ? part : { ...part, seen };
}
