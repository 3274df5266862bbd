import { McadsError } from '../../src/errors.ts';
import { artifactDigest } from '../../src/repository/object-reader.ts';
import { toDigestBytes, toManifestBytes } from '../../src/repository/manifest-store.ts';
import type { Store, StoreBatch, StoreEntry } from '../../src/repository/store.ts';
import { sha256Hex } from '../../src/stream/digest.ts';
import { compressFrameSync } from '../../src/stream/zstd-frame.ts';
import { makeManifest, toComponentId } from '../support/repository-fixture.ts';

const SEGMENTS_A_PAGE = 2_000;
const LISTED_AT_ONCE = 1_000;
const YEAR_MS = 365 * 86_400_000;

export interface SimulatedSize {
  readonly snapshots: number;
  readonly chunks: number;
}

/**
 * A repository that exists only as a rule, so that its size costs neither disk nor memory: every snapshot has the same pages but one of its own,
 * in which one chunk is new; a tenth of the chunks belongs to nobody. Manifests and pages are real, made when they are asked for.
 */
export class SimulatedStore implements Store {
  readonly location = 'simulated';
  readonly writable = false;
  readonly refusal = null;
  readonly liveness = null;
  readonly #size: SimulatedSize;
  readonly #basePages: string[] = [];
  readonly #ownPages: string[] = [];
  /** Key of a page → its number; those of snapshots count on from the common ones. */
  readonly #pages = new Map<string, number>();

  constructor(size: SimulatedSize) {
    this.#size = size;
    const pages = Math.ceil((size.chunks * 0.9) / SEGMENTS_A_PAGE);
    for (let page = 0; page < pages + size.snapshots; page += 1) {
      const id = sha256Hex(this.#page(page, pages));
      (page < pages ? this.#basePages : this.#ownPages).push(id);
      this.#pages.set(`segments/${id.slice(0, 2)}/${id}`, page);
    }
  }

  filesOf(): null {
    return null;
  }

  notRead(key: string, message: string): McadsError {
    return new McadsError('store-failed', `reading ${key}: ${message}`);
  }

  async get(key: string): Promise<Buffer | null> {
    const page = this.#pages.get(key);
    if (page !== undefined) return compressFrameSync(this.#page(page, this.#basePages.length), 1);
    const [, name = '', file] = key.split('/');
    const manifest = this.#manifest(name);
    if (file === 'manifest.json') return manifest;
    return file === 'manifest.json.sha256' ? toDigestBytes(manifest) : null;
  }

  async *list(folder: string): AsyncGenerator<readonly StoreEntry[]> {
    const entry = (key: string): StoreEntry => ({ key, bytes: 65_536, modifiedMs: 0 });
    if (folder === 'snapshots/') {
      yield Array.from({ length: this.#size.snapshots }, (_, at) => nameOf(at)).flatMap((name) =>
        ['manifest.json', 'manifest.json.sha256'].map((file) => entry(`snapshots/${name}/${file}`)),
      );
    } else if (folder === 'segments/') {
      yield [...this.#pages.keys()].map(entry);
    } else if (folder === 'chunks/') {
      for (let first = 0; first < this.#size.chunks; first += LISTED_AT_ONCE)
        yield Array.from({ length: Math.min(LISTED_AT_ONCE, this.#size.chunks - first) }, (_, at) => {
          const id = chunkId(first + at);
          return entry(`chunks/${id.slice(0, 2)}/${id}`);
        });
    }
  }

  #page(number: number, pages: number): Buffer {
    const own = number >= pages;
    const base = own ? (number - pages) % pages : number;
    let lines = '';
    for (let at = 0; at < SEGMENTS_A_PAGE; at += 1) {
      const chunk = base * SEGMENTS_A_PAGE + at;
      if (chunk >= this.#size.chunks * 0.9) break;
      const id = chunkId(chunk);
      const fingerprint = own && at === 0 ? sha256Hex(Buffer.from(`own ${number}`)) : id;
      lines += `${JSON.stringify({ fingerprint, bytes: 65_536, chunks: [[id, 65_536]], first: `folder/file-${chunk}` })}\n`;
    }
    return Buffer.from(lines);
  }

  #manifest(name: string): Buffer {
    const snapshot = indexOf(name);
    const pages = [...this.#basePages];
    pages[snapshot % pages.length] = this.#ownPages[snapshot] ?? '';
    const bytes = pages.length * SEGMENTS_A_PAGE * 65_536;
    const artifact = {
      name: 'data',
      format: 'tar',
      pages,
      bytes,
      segments: pages.length * SEGMENTS_A_PAGE,
      digest: artifactDigest(pages),
    } as const;
    return toManifestBytes(makeManifest('simulated', name, [{ id: toComponentId('volume/media'), artifacts: [artifact] }]));
  }

  async put(): Promise<void> {
    throw readOnly();
  }

  async putIfAbsent(): Promise<boolean> {
    throw readOnly();
  }

  async stat(key: string): Promise<StoreEntry> {
    return { key, bytes: 65_536, modifiedMs: 0 };
  }

  async remove(): Promise<void> {
    throw readOnly();
  }

  async setAside(): Promise<void> {
    throw readOnly();
  }

  async flush(): Promise<void> {
    throw readOnly();
  }

  async tidy(): Promise<void> {
    throw readOnly();
  }

  async openBatch(): Promise<StoreBatch> {
    throw readOnly();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pages.clear();
  }
}

function readOnly(): Error {
  return new Error('a simulated store takes nothing');
}

function chunkId(number: number): string {
  return sha256Hex(Buffer.from(String(number)));
}

/** One snapshot a day. */
function nameOf(at: number): string {
  const time = new Date(Date.UTC(2020, 0, 1) + (at * YEAR_MS) / 365)
    .toISOString()
    .replaceAll(/[-:]|\..*/g, '')
    .replace('T', '_');
  return `media_backup_${time}`;
}

function indexOf(name: string): number {
  const [, year, month, day] = /_(\d{4})(\d\d)(\d\d)_/.exec(name) ?? [];
  return Math.round(((Date.UTC(Number(year), Number(month) - 1, Number(day)) - Date.UTC(2020, 0, 1)) / YEAR_MS) * 365);
}
