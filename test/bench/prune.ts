import { join } from 'node:path';
import { LEAN, measure } from './measure.ts';
import { mib, seconds, table } from './table.ts';

/** Prune (as a dry run: everything but the deleting) of 1,000 snapshots over 1,000,000 chunks in a simulated store. */
export async function benchPrune(say: (line: string) => void, scale: number): Promise<void> {
  const [snapshots, chunks] = [Math.max(20, Math.round(1_000 * scale)), Math.max(10_000, Math.round(1_000_000 * scale))];
  const run = await measure(process.execPath, [...LEAN, join(import.meta.dirname, 'prune-run.ts'), String(snapshots), String(chunks)]);
  if (run.code !== 0) throw new Error(`prune ended with ${run.code}\n${run.stderr}`);
  const facts = JSON.parse(run.stdout) as Readonly<Record<'seconds' | 'peakBytes' | 'removed' | 'freedChunks', number>>; // what prune-run.ts prints
  if (facts.removed !== snapshots - 10 || facts.freedChunks < chunks * 0.1)
    throw new Error(`prune found ${facts.removed} snapshots and ${facts.freedChunks} chunks to remove`);
  say(`\nprune of ${snapshots} snapshots over ${chunks} chunks, simulated`);
  say(
    table([
      ['', 'time', 'processor', 'peak memory'],
      ['prune --dry-run', seconds(facts.seconds), seconds(run.cpuSeconds), mib(facts.peakBytes)],
    ]),
  );
}
