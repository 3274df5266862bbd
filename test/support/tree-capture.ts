import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TreeSource } from '../../src/domain/tree.ts';
import { openLocalTree } from '../../src/host/local-tree.ts';
import { captureTree } from '../../src/pipeline/capture-tree.ts';
import type { CapturedTree, CaptureTreeOptions } from '../../src/pipeline/captured-tree.ts';
import { parseCatalogue } from '../../src/stream/catalogue.ts';
import { MemoryWriter } from './memory-writer.ts';

const NEVER = new AbortController().signal;

/** A folder with a tree in it and a writer to capture that with. */
export class TreeFixture implements AsyncDisposable {
  readonly base = mkdtempSync(join(tmpdir(), 'mcads-tree-'));
  readonly tree = join(this.base, 'tree');
  readonly writer = new MemoryWriter();

  constructor() {
    mkdirSync(this.tree);
  }

  write(files: Readonly<Record<string, string | Uint8Array>>): void {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.tree, name)), { recursive: true });
      writeFileSync(join(this.tree, name), content);
    }
  }

  /** Its times can be trusted at once: the clock is an hour ahead. */
  async source(over: Partial<TreeSource> | ((real: TreeSource) => Partial<TreeSource>) = {}): Promise<TreeSource> {
    const real = await openLocalTree(this.tree, {}, NEVER);
    const { transport, scans, recipe, stableInodes, clockIsOurs, singleFile, findings } = real;
    return {
      transport,
      scans,
      recipe,
      stableInodes,
      clockIsOurs,
      singleFile,
      findings,
      sync: async (signal) => (await real.sync(signal)) + 3600,
      scan: (signal) => real.scan(signal),
      restat: (paths, signal) => real.restat(paths, signal),
      read: (paths, signal) => real.read(paths, signal),
      readAll: (signal) => real.readAll(signal),
      [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
      ...(typeof over === 'function' ? over(real) : over),
    };
  }

  async capture(from: TreeSource, options: Partial<CaptureTreeOptions> = {}): Promise<CapturedTree> {
    return captureTree(from, this.writer, { parent: null, exclude: [], neverCapture: [], ...options }, NEVER);
  }

  async paths({ artifacts: [, catalogue] }: CapturedTree): Promise<readonly string[]> {
    if (catalogue === undefined) throw new Error('no catalogue');
    return Array.fromAsync(parseCatalogue(this.writer.read(catalogue)), (entry) => entry.path ?? entry.path64 ?? '');
  }

  async tar({ artifacts: [data] }: CapturedTree): Promise<Buffer> {
    if (data === undefined) throw new Error('no data');
    return Buffer.concat(await Array.fromAsync(this.writer.read(data)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.writer[Symbol.asyncDispose]();
    rmSync(this.base, { recursive: true, force: true });
  }
}

/** For a next capture. */
export function asParent({ artifacts: [data, catalogue] }: CapturedTree): NonNullable<CaptureTreeOptions['parent']> {
  if (data === undefined || catalogue === undefined) throw new Error('a tree has two artifacts');
  return { data, catalogue };
}
