import type { CatalogueEntry, ManifestArtifact } from '../domain/manifest.ts';
import type { Engine, SnapshotRepository } from '../domain/ports.ts';
import type { EventSink } from '../domain/events.ts';
import type { Finding } from '../domain/finding.ts';
import type { FilesProof, PlannedRestore, RestoredDatabase, RestoreRun, RestoreTarget } from '../domain/restore.ts';
import type { TreeTarget } from '../domain/restore-ports.ts';
import type { OpenTreeOptions, RawPath, TransportName } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { parseCatalogue, printableRaw } from '../stream/catalogue.ts';
import { excludeMatcher } from '../stream/exclude-globs.ts';
import { remembering } from '../stream/remembering.ts';
import { importedFrom } from './adopt-archive.ts';
import { compareTree } from './compare-tree.ts';
import { SampleHashes } from './sample-hashes.ts';
import { rawPathOf } from './select-components.ts';
import { wholeTar } from './tree-selection.ts';
import { rowsOf, sameRows, sqliteTar } from './restore-sqlite.ts';

export interface TreeRestoreContext {
  readonly engine: Engine;
  readonly repository: SnapshotRepository;
  readonly run: RestoreRun;
  readonly tree: OpenTreeOptions;
  readonly events: EventSink;
}

export interface PlannedTree extends PlannedRestore {
  readonly target: Extract<RestoreTarget, { readonly kind: 'tree' }>;
  readonly data: ManifestArtifact;
  readonly catalogue: ManifestArtifact | null;
  readonly capturedBy: TransportName | undefined;
}

/** A tree on its way: staged beside the live one and proven, then swapped in and proven again. */
export class TreeRestore implements AsyncDisposable {
  readonly planned: PlannedTree;
  readonly findings: Finding[] = [];
  /** A restored SQLite database with its rows. */
  readonly databases: RestoredDatabase[] = [];
  readonly #context: TreeRestoreContext;
  readonly #target: TreeTarget;
  #sample: ReadonlyMap<RawPath, string> = new Map();
  #compared = { entries: 0, bytes: 0 };

  private constructor(planned: PlannedTree, target: TreeTarget, context: TreeRestoreContext) {
    this.planned = planned;
    this.#target = target;
    this.#context = context;
  }

  /** Makes missing folders; the volume has to be there. */
  static async open(planned: PlannedTree, context: TreeRestoreContext, signal: AbortSignal): Promise<TreeRestore> {
    const target = await context.engine.openTarget(planned.target.place, context.tree, signal);
    return new TreeRestore(planned, target, context);
  }

  get swaps(): boolean {
    return this.#target.swaps;
  }

  /** Builds it beside what is there and compares it with what was recorded. Rejects `proof-failed` for a difference, `damaged` for a chunk. */
  async stage(signal: AbortSignal): Promise<void> {
    if (this.swaps) await this.#write(signal);
    if (this.swaps) await this.#prove(signal);
  }

  /** Services that use it are down. Where nothing can be swapped this is the writing itself. */
  async swap(signal: AbortSignal): Promise<void> {
    if (!this.swaps) return this.#write(signal);
    return this.#target.swap(this.#context.run, await this.#keptPaths(signal), signal);
  }

  /** Hashes a sample of the live files again. Rejects `proof-failed`. */
  async proveLive(signal: AbortSignal): Promise<FilesProof> {
    const { id } = this.planned;
    const kept = this.#isKept();
    const paths = [...this.#sample.keys()].filter((path) => !kept(path));
    const hashes = await this.#target.hash(paths, signal);
    for (const [index, path] of paths.entries()) {
      const is = hashes[index] ?? null;
      if (is === this.#sample.get(path) || (is === null && !this.swaps)) continue;
      throw new McadsError(
        'proof-failed',
        `${id}: ${printableRaw(path)} ${is === null ? 'is missing' : 'has another content'} after the swap`,
      );
    }
    return { component: id, ...this.#compared, hashed: hashes.filter((hash) => hash !== null).length };
  }

  async holdsReplaced(signal: AbortSignal): Promise<boolean> {
    return this.swaps && (await this.#target.holdsReplaced(this.#context.run, signal));
  }

  async discard(signal: AbortSignal): Promise<void> {
    if (this.swaps) await this.#target.discard(this.#context.run, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#target[Symbol.asyncDispose]();
  }

  async #write(signal: AbortSignal): Promise<void> {
    const { id, data, bytes: bytesExpected, facts } = this.planned;
    const { repository, run, events } = this.#context;
    const entries = typeof facts['entries'] === 'number' ? facts['entries'] : 0;
    const sample = new SampleHashes(entries);
    const progress = { bytes: 0, told: 0 };
    const counted = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const bytes of source) {
        progress.bytes += bytes.length;
        if (progress.bytes - progress.told > PROGRESS_STEP) {
          progress.told = progress.bytes;
          events({ type: 'component-progress', id, bytes: progress.bytes, stored: 0, bytesExpected, phase: 'files' });
        }
        yield bytes;
      }
    };
    // What the repository says about its own bytes comes before what tar made of their end.
    const tar =
      data.format === 'sqlite'
        ? sqliteTar(repository.read(data, signal), this.planned, (event) => sample.observe(event))
        : wholeTar(repository, data, (event) => sample.observe(event), signal);
    const source = remembering(tar);
    let warnings: readonly string[];
    try {
      warnings = await this.#target.stage(run, counted(source), signal);
    } catch (error) {
      throw source.failure ?? error;
    }
    for (const message of warnings) this.findings.push({ severity: 'warning', code: 'restore-warning', subject: id, message });
    this.#sample = sample.finish();
  }

  async #prove(signal: AbortSignal): Promise<void> {
    const { id, catalogue, data } = this.planned;
    if (data.format === 'sqlite') return this.#proveDatabase(signal);
    if (catalogue === null) return;
    const { repository, run } = this.#context;
    const scan = this.#target.scanStaged(run, signal);
    // Archives from the engine hold whole seconds only.
    const times = this.planned.capturedBy === 'archive' ? 'second' : this.#target.transport === 'node' ? 'millisecond' : 'nanosecond';
    const behind = { count: 0, mount: '' };
    const recorded = this.#noting(parseCatalogue(repository.read(catalogue, signal)), behind);
    const compared = await compareTree(recorded, scan.entries, { times });
    const { problems } = await scan.done;
    if (behind.count > 0) throw behindMount(id, printableRaw(behind.mount), behind.count);
    const first = compared.differences[0] ?? problems[0];
    if (first !== undefined) {
      throw new McadsError(
        'proof-failed',
        `${id}: what was built is not what was recorded: ${[...compared.differences, ...problems].slice(0, 5).join('; ')}`,
        {
          hint: 'nothing of the live project was changed',
        },
      );
    }
    this.#compared = { entries: compared.entries, bytes: compared.bytes };
  }

  /** What lay where another filesystem is mounted now cannot come back: a mount point does not move, and what is on it is not the snapshot's. */
  async *#noting(entries: AsyncIterable<CatalogueEntry>, behind: { count: number; mount: RawPath }): AsyncGenerator<CatalogueEntry> {
    const { nestedMounts } = this.planned.target.report;
    for await (const entry of entries) {
      const path = nestedMounts.length === 0 ? '' : rawPathOf(entry);
      const mount = nestedMounts.find((one) => path.startsWith(`${one}/`) || (path === one && entry.type !== 'd'));
      if (mount !== undefined) {
        behind.count += 1;
        behind.mount = mount;
      }
      yield entry;
    }
  }

  async #proveDatabase(signal: AbortSignal): Promise<void> {
    const { id, facts, target } = this.planned;
    const found = await this.#target.checkDatabase?.(this.#context.run, signal);
    const rows = rowsOf(found ?? {});
    const rowsEqual = facts['rows'] === undefined && importedFrom(facts) !== null ? null : sameRows(rows, rowsOf(facts));
    if (rowsEqual === false) {
      throw new McadsError('proof-failed', `${id}: what was built has other rows than were recorded`, {
        hint: 'nothing of the live project was changed',
      });
    }
    const total = Object.values(rows).reduce((sum, count) => sum + count, 0);
    this.databases.push({ component: id, name: target.name, tables: Object.keys(rows).length, rows: total, rowsEqual });
  }

  #isKept(): (path: RawPath) => boolean {
    const { kept, keptGlobs } = this.planned.target;
    const matches = excludeMatcher(keptGlobs);
    const below = (path: RawPath): boolean => kept.some((one) => path === one || path.startsWith(`${one}/`));
    return (path) => below(path) || ancestorsAndSelf(path).some(matches);
  }

  /** Excluded files and sockets that are there now stay where they are: the snapshot does not have them, and somebody may listen. */
  async #keptPaths(signal: AbortSignal): Promise<readonly RawPath[]> {
    const { kept, keptGlobs } = this.planned.target;
    // Those who use a volume are stopped; of a host somebody else may listen.
    const mayListen = this.#target.transport === 'local' || this.#target.transport === 'node';
    if (keptGlobs.length === 0 && !mayListen) return kept;
    const matches = excludeMatcher(keptGlobs);
    const found = [...kept];
    const scan = this.#target.scanLive(signal);
    let inside: RawPath | null = null;
    for await (const { path, type } of scan.entries) {
      if (inside !== null && path.startsWith(`${inside}/`)) continue;
      inside = type === 's' || matches(path) ? path : null;
      if (inside !== null) found.push(inside);
    }
    await scan.done;
    return found;
  }
}

function behindMount(id: string, mount: string, count: number): McadsError {
  return new McadsError(
    'component-failed',
    `${id}: ${count} entries of the snapshot lie in ${mount}, where another filesystem is mounted now`,
    {
      hint: `unmount it and restore again; or bring them onto it: extract NAME ${id}:${mount} --target FOLDER`,
    },
  );
}

const PROGRESS_STEP = 1024 * 1024;

function ancestorsAndSelf(path: RawPath): readonly RawPath[] {
  const parts = path.split('/');
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}
