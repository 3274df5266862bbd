import type { TreeEntry } from '../../src/domain/tree.ts';
import { DatabaseWatch } from '../../src/pipeline/tree-databases.ts';
import { BatchedEntries } from '../../src/pipeline/entry-reader.ts';
import { TreeFindings } from '../../src/pipeline/tree-findings.ts';
import { ParentSegments, planSegments, withReuse } from '../../src/pipeline/tree-plan.ts';

/** The process that is measured: argv holds the number of entries, every two of which are one file with two names. */
const entries = Number(process.argv[2] ?? 10_000_000);

async function* scanned(): AsyncGenerator<readonly TreeEntry[]> {
  const common = {
    type: 'f',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 1_500,
    mtime: '1700000000.5',
    ctime: '1700000000.5',
    device: '1',
  } as const;
  let batch: TreeEntry[] = [];
  for (let i = 0; i < entries; i += 1) {
    const path = `d${String(i >> 8).padStart(6, '0')}/file-${i}`;
    batch.push({ ...common, path, inode: String(i >> 1), links: 2, target: null });
    if (batch.length < 512) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}

const rules = {
  recipe: 'bench',
  stableInodes: true,
  began: 1.8e9,
  exclude: [],
  isExcluded: () => false,
  neverCapture: [],
  neverCapturePaths: [],
};
const began = performance.now();
const parent = new ParentSegments(null, () => true);
let links = 0;
for await (const { members } of withReuse(
  planSegments(new BatchedEntries(scanned()), rules, new DatabaseWatch(), new TreeFindings()),
  parent,
))
  for (const { link } of members) links += link === null ? 0 : 1;
process.stdout.write(
  JSON.stringify({ seconds: (performance.now() - began) / 1000, peakBytes: process.resourceUsage().maxRSS * 1024, links }),
);
