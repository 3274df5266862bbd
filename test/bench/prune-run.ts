import { prune } from '../../src/repository/prune.ts';
import { SimulatedStore } from './simulated-store.ts';

/** The process that is measured: argv holds the numbers of snapshots and chunks. */
const [, , snapshots = '1000', chunks = '1000000'] = process.argv;
const store = new SimulatedStore({ snapshots: Number(snapshots), chunks: Number(chunks) });
const began = performance.now();
const report = await prune(store, null, {
  policy: { last: 10 },
  dryRun: true,
  sweep: 'always',
  now: new Date(),
  signal: new AbortController().signal,
});
process.stdout.write(
  JSON.stringify({
    seconds: (performance.now() - began) / 1000,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    removed: report.snapshots.filter(({ kept }) => !kept).length,
    freedChunks: report.freedBytes / 65_536,
  }),
);
