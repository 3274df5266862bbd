import type { TreeTarget } from '../domain/restore-ports.ts';
import type { OpenTreeOptions, RawPath } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { parseCatalogue, printableRaw } from '../stream/catalogue.ts';
import { remembering } from '../stream/remembering.ts';
import { compareTree } from './compare-tree.ts';
import type { CopyTools } from './drill-copy.ts';
import type { DrilledTree } from './drill-plan.ts';
import { HashedFiles } from './hashed-files.ts';
import { SampleHashes } from './sample-hashes.ts';
import { wholeTar } from './tree-selection.ts';
import { scanTar } from '../stream/tar-scanner.ts';

/** SHA-256 of a sample of a tree's files, as they are in the archive. */
export type TreeSamples = ReadonlyMap<string, ReadonlyMap<RawPath, string>>;

const HASHED_AT_ONCE = 500;

/** Puts every tree into its private volume, the way a restore does, and compares all of it with what was recorded. */
export async function restoreTrees(
  trees: readonly DrilledTree[],
  tools: CopyTools,
  options: OpenTreeOptions,
  proves: boolean,
  signal: AbortSignal,
): Promise<TreeSamples> {
  const samples = new Map<string, ReadonlyMap<RawPath, string>>();
  for (const tree of trees) {
    signal.throwIfAborted();
    tools.log.begin(2, 'files', tree.id);
    const name = await tools.copy.volume(tree.recorded, signal);
    const place = { mount: { type: 'volume' as const, name, driver: 'local', subpath: null }, singleFile: null };
    await using target = await tools.engine.openTarget(place, options, signal);
    const isRestored = await tools.log.attempt(2, 'files', tree.id, async () => {
      samples.set(tree.id, await fill(tree, target, tools, signal));
      return `restored into ${name}`;
    });
    if (isRestored && proves) {
      await tools.log.attempt(3, 'entries', tree.id, () => compareEntries(tree, target, tools, signal));
      await tools.log.attempt(3, 'contents', tree.id, () => compareContents(tree, target, tools, signal));
    }
  }
  return samples;
}

async function fill(
  tree: DrilledTree,
  target: TreeTarget,
  { repository, run }: CopyTools,
  signal: AbortSignal,
): Promise<ReadonlyMap<RawPath, string>> {
  const { entries } = tree.details.facts;
  const sample = new SampleHashes(typeof entries === 'number' ? entries : 0);
  const source = remembering(wholeTar(repository, tree.data, (event) => sample.observe(event), signal));
  let warnings: readonly string[];
  try {
    warnings = await target.stage(run, source, signal);
  } catch (error) {
    throw source.failure ?? error;
  }
  const [first] = warnings;
  if (first !== undefined) throw new McadsError('component-failed', `${tree.id}: tar says ${first}`);
  if (target.swaps) {
    await target.swap(run, [], signal);
    await target.discard(run, signal);
  }
  return sample.finish();
}

/** Type, owner, mode, size, times, link targets and hard links of every entry. */
async function compareEntries(tree: DrilledTree, target: TreeTarget, { repository }: CopyTools, signal: AbortSignal): Promise<string> {
  if (!target.swaps) throw cannotCompare(tree);
  const scan = target.scanLive(signal);
  const times = tree.details.transport === 'archive' ? 'second' : 'nanosecond';
  const compared = await compareTree(parseCatalogue(repository.read(tree.catalogue, signal)), scan.entries, { times });
  const { problems } = await scan.done;
  const differences = [...compared.differences, ...problems];
  if (differences.length > 0) throw new McadsError('proof-failed', `${tree.id}: ${differences.slice(0, 5).join('; ')}`);
  return `${compared.entries} entries have the recorded type, owner, mode, size, times and targets`;
}

/** Every file's bytes, read back from the copy, against those in the repository. Memory for one handful of files at a time. */
async function compareContents(tree: DrilledTree, target: TreeTarget, { repository }: CopyTools, signal: AbortSignal): Promise<string> {
  if (!target.swaps) throw cannotCompare(tree);
  const files = new HashedFiles();
  let waiting: (readonly [RawPath, string])[] = [];
  let compared = 0;
  const compare = async (): Promise<void> => {
    const hashes = await target.hash(
      waiting.map(([path]) => path),
      signal,
    );
    for (const [index, [path, wanted]] of waiting.entries()) {
      const got = hashes[index] ?? null;
      if (got === wanted) continue;
      throw new McadsError(
        'proof-failed',
        `${tree.id}: ${printableRaw(path)} ${got === null ? 'is missing' : 'has another content than the archive'}`,
      );
    }
    compared += waiting.length;
    waiting = [];
  };
  for await (const event of scanTar(repository.read(tree.data, signal), { recycles: true })) {
    const ended = files.observe(event);
    if (ended !== null) waiting.push(ended);
    if (waiting.length >= HASHED_AT_ONCE) await compare();
  }
  const last = files.finish();
  if (last !== null) waiting.push(last);
  if (waiting.length > 0) await compare();
  return `${compared} files have the content of the archive`;
}

function cannotCompare({ id }: DrilledTree): McadsError {
  return new McadsError('component-failed', `${id}: without an image that has GNU tar and find nothing can be compared`, {
    hint: 'name one with --helper-image',
  });
}
