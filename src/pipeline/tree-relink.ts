import type { RawPath } from '../domain/tree.ts';
import { printableRaw } from '../stream/catalogue.ts';
import type { PlannedMember } from '../stream/segmenter.ts';
import type { SegmentSpool } from './segment-spool.ts';
import { toSegment, type PlannedSegment } from './tree-plan.ts';
import { readSegments, type ReadSegment } from './tree-read.ts';
import { iterate, pairs, settle, type Settled, type SettleContext, type SettledTree } from './tree-settle.ts';

/**
 * Where the first name of a file vanished, could not be read or became another file while the tree was read, its next name in walk order is
 * read as the file itself and the others become links to that; wherever they lie, in segments that would be reused too. Ends because every
 * round takes a name away from its file. Held in memory: only segments with such names.
 */
export async function relink(plan: SegmentSpool, tree: SettledTree, context: SettleContext): Promise<ReadonlyMap<number, Settled>> {
  const settled = new Map(tree.segments);
  for (let lost = tree.lost; lost.size > 0;) {
    const again = await withNewFirstNames(plan, settled, lost, context);
    const reads: ReadSegment[] = [];
    const messages = await readSegments(
      context.source,
      context.writer,
      iterate(again),
      async (read) => {
        reads.push(read);
        context.onReread(read.bytes, read.storedBytes);
      },
      { onBytes: () => undefined },
      context.signal,
    );
    const further = await settle(pairs(again, reads), messages, context);
    for (const [at, planned] of again.entries()) {
      const read = reads[at];
      const final = further.segments.get(planned.index) ?? (read === undefined ? undefined : { planned, read, torn: [] });
      if (final === undefined) continue;
      // What was found torn once stays marked, though it may have come whole this time.
      const torn = [...new Set([...(settled.get(planned.index)?.torn ?? []), ...final.torn])];
      settled.set(planned.index, { ...final, torn });
    }
    lost = further.lost;
  }
  return settled;
}

async function withNewFirstNames(
  plan: SegmentSpool,
  settled: ReadonlyMap<number, Settled>,
  lost: ReadonlySet<RawPath>,
  { rules, findings }: SettleContext,
): Promise<readonly PlannedSegment[]> {
  const heirs = new Map<RawPath, RawPath>();
  const moved = (member: PlannedMember): PlannedMember => {
    if (member.link === null || !lost.has(member.link)) return member;
    const heir = heirs.get(member.link);
    if (heir !== undefined) return { ...member, link: heir };
    heirs.set(member.link, member.path);
    findings.add(
      'info',
      'hard-link-moved',
      member.path,
      `is stored as the file itself, because ${printableRaw(member.link)}, another name of it, vanished, changed or could not be read meanwhile`,
    );
    return { ...member, link: null };
  };
  const again: PlannedSegment[] = [];
  for await (const segment of plan.read()) {
    const final = settled.get(segment.index)?.planned;
    if (final === undefined && !segment.hasLinks) continue;
    const planned = final ?? segment;
    if (!planned.members.some(({ link }) => link !== null && lost.has(link))) continue;
    again.push({ ...toSegment(planned.index, planned.members.map(moved), rules), reuse: null });
  }
  return again;
}
