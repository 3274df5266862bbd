import type { Finding } from './finding.ts';
import type { SnapshotSummary } from './snapshot-summary.ts';

const LOOKED_AT = 5;
/** Fewer say nothing about what is usual. */
const FEWEST = 3;
const SMALLEST_SHARE = 0.5;
const LARGEST_SHARE = 3;

type Sized = Pick<SnapshotSummary, 'name' | 'project' | 'strategy' | 'startedAt' | 'completeness' | 'bytes'>;

export interface UnusualSize {
  readonly snapshot: string;
  readonly bytes: number;
  /** Of the (up to five) complete snapshots before it. */
  readonly medianBytes: number;
  readonly kind: 'small' | 'large';
}

/**
 * Whether a complete snapshot is below half or above three times the median of the last five complete ones of its project and strategy. Null
 * where it is not, where it is partial, and where fewer than three are there to compare with.
 */
export function unusualSize(snapshot: Sized, others: readonly Sized[]): UnusualSize | null {
  if (snapshot.completeness !== 'complete') return null;
  const before = others
    .filter(
      (one) =>
        one.completeness === 'complete' &&
        one.project === snapshot.project &&
        one.strategy === snapshot.strategy &&
        one.name !== snapshot.name &&
        one.startedAt <= snapshot.startedAt,
    )
    .toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1))
    .slice(0, LOOKED_AT)
    .map(({ bytes }) => bytes);
  if (before.length < FEWEST) return null;
  const medianBytes = median(before);
  const { name, bytes } = snapshot;
  if (bytes < medianBytes * SMALLEST_SHARE) return { snapshot: name, bytes, medianBytes, kind: 'small' };
  if (bytes > medianBytes * LARGEST_SHARE) return { snapshot: name, bytes, medianBytes, kind: 'large' };
  return null;
}

/** The warning of an unusual size; what was lost, or what has grown, is for people to judge. */
export function sizeFinding({ snapshot, bytes, medianBytes, kind }: UnusualSize): Finding {
  const percent = medianBytes === 0 ? 'more than nothing' : `${Math.round((bytes / medianBytes) * 100)} %`;
  return {
    severity: 'warning',
    code: 'unusual-size',
    subject: snapshot,
    message: `it is much ${kind === 'small' ? 'smaller' : 'larger'} than usual: ${percent} of the median of the snapshots before it`,
    hint: 'compare it with the one before: `diff`',
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
