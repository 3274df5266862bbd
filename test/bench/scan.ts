import { join } from 'node:path';
import { LEAN, measure } from './measure.ts';
import { mib, seconds, table } from './table.ts';

/** Ten million entries, all with a second name, through planning: fingerprints, segments, hard links. The entries are made up, find is not measured. */
export async function benchScan(say: (line: string) => void, scale: number): Promise<void> {
  const entries = 2 * Math.max(5_000, Math.round(5_000_000 * scale));
  const run = await measure(process.execPath, [...LEAN, join(import.meta.dirname, 'scan-run.ts'), String(entries)]);
  if (run.code !== 0) throw new Error(`the scan ended with ${run.code}\n${run.stderr}`);
  const facts = JSON.parse(run.stdout) as Readonly<Record<'seconds' | 'peakBytes' | 'links', number>>; // what scan-run.ts prints
  if (facts.links !== entries / 2) throw new Error(`${facts.links} of ${entries / 2} links were found`);
  say(`\nplan of ${entries} scanned entries`);
  say(
    table([
      ['', 'time', 'processor', 'peak memory'],
      ['planning', seconds(facts.seconds), seconds(run.cpuSeconds), mib(facts.peakBytes)],
    ]),
  );
}
