import type { OpenTreeOptions, RawPath, TreeEntry } from '../domain/tree.ts';
import type { CatalogueEntry } from '../domain/manifest.ts';
import { McadsError } from '../errors.ts';
import { parseCatalogue, printableRaw } from '../stream/catalogue.ts';
import { scanTar } from '../stream/tar-scanner.ts';
import type { CopyTools } from './drill-copy.ts';
import type { DrilledTree } from './drill-plan.ts';
import type { TreeSamples } from './drill-trees.ts';
import { HashedFiles } from './hashed-files.ts';
import { rawPathOf } from './select-components.ts';

/**
 * A sample of files against the live source, which is only read: one that has the recorded size, mtime and ctime and yet another content was changed
 * behind the file system's back, or was read wrongly. Sources that are not on this engine are left out.
 */
export async function compareWithLive(
  trees: readonly DrilledTree[],
  samples: TreeSamples,
  tools: CopyTools,
  options: OpenTreeOptions,
  signal: AbortSignal,
): Promise<void> {
  for (const tree of trees) {
    const sample = samples.get(tree.id);
    if (sample === undefined || sample.size === 0 || !(await isThere(tree, tools, options, signal))) continue;
    await tools.log.attempt(4, 'live files', tree.id, () => compareSample(tree, sample, tools, options, signal));
  }
}

async function isThere({ source }: DrilledTree, { engine }: CopyTools, options: OpenTreeOptions, signal: AbortSignal): Promise<boolean> {
  if (source.type === 'volume') return (await engine.viewVolumes([source.name], signal)).length > 0;
  return (await engine.probePlace({ mount: source, singleFile: null }, options, signal)).exists;
}

async function compareSample(
  tree: DrilledTree,
  sample: ReadonlyMap<RawPath, string>,
  { engine, repository }: CopyTools,
  options: OpenTreeOptions,
  signal: AbortSignal,
): Promise<string> {
  await using live = await engine.openTree(tree.source, options, signal);
  if (!live.scans) return 'the live files cannot be looked at without reading all of them';
  const recorded = await entriesOf(tree, sample, repository, signal);
  const unchanged: RawPath[] = [];
  const scan = live.restat(inOrder([...sample.keys()]), signal);
  for await (const entry of scan.entries) if (isUnchanged(recorded.get(entry.path), entry)) unchanged.push(entry.path);
  await scan.done;
  if (unchanged.length === 0) return `all ${sample.size} files of the sample have changed since`;
  const tar = live.read(inOrder(unchanged), signal);
  const files = new HashedFiles();
  const compare = (file: readonly [RawPath, string] | null): void => {
    if (file === null || sample.get(file[0]) === file[1]) return;
    throw new McadsError(
      'proof-failed',
      `${tree.id}: ${printableRaw(file[0])} at the source has the recorded size and times but another content than the snapshot`,
    );
  };
  for await (const event of scanTar(tar.body)) compare(files.observe(event));
  compare(files.finish());
  await tar.done;
  return `${unchanged.length} of ${sample.size} files are unchanged at the source and have the same content there`;
}

async function entriesOf(
  { catalogue }: DrilledTree,
  sample: ReadonlyMap<RawPath, string>,
  repository: CopyTools['repository'],
  signal: AbortSignal,
): Promise<ReadonlyMap<RawPath, CatalogueEntry>> {
  const found = new Map<RawPath, CatalogueEntry>();
  for await (const entry of parseCatalogue(repository.read(catalogue, signal))) {
    const path = rawPathOf(entry);
    if (sample.has(path)) found.set(path, entry);
  }
  return found;
}

/** Without a recorded ctime nothing can be said of a file. */
function isUnchanged(was: CatalogueEntry | undefined, is: TreeEntry): boolean {
  return (
    was?.ctime !== undefined && was.torn !== true && was.size === is.size && sameTime(was.mtime, is.mtime) && sameTime(was.ctime, is.ctime)
  );
}

function sameTime(a: string, b: string): boolean {
  const canonical = (time: string): string => (time.includes('.') ? time.replace(/\.?0+$/, '') : time);
  return canonical(a) === canonical(b);
}

async function* inOrder(paths: readonly RawPath[]): AsyncGenerator<RawPath> {
  yield* paths;
}
