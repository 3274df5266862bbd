import type { SnapshotWriter } from '../domain/ports.ts';
import type { RawPath, TreeSource } from '../domain/tree.ts';
import { pathOfMessage } from '../stream/stat-lines.ts';
import type { TreeFindings } from './tree-findings.ts';
import type { PlannedSegment, TreeRules } from './tree-plan.ts';
import { messagesByPath, readSegments, type ReadSegment } from './tree-read.ts';
import { isSameFile, onlyGrew, recheck, storedContents, type Attempt, type Rechecked, type StoredContent } from './tree-recheck.ts';

const ACCESS_HINT = 'give the reading user access, or exclude it';

/** How often a segment that changes under the reader is read again. */
const RETRIES = 2;

/** What is stored for a segment in the end, where it is not what the first attempt planned. */
export interface Settled {
  readonly planned: PlannedSegment;
  readonly read: ReadSegment;
  readonly torn: readonly RawPath[];
}

export interface SettledTree {
  /** By index of their segment. */
  readonly segments: ReadonlyMap<number, Settled>;
  /** Names that others are stored as links to, and that are not stored themselves. */
  readonly lost: ReadonlySet<RawPath>;
}

export interface SettleContext {
  readonly source: TreeSource;
  readonly writer: SnapshotWriter;
  readonly rules: TreeRules;
  readonly findings: TreeFindings;
  readonly onReread: (bytes: number, storedBytes: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Rechecks what was read and reads again what changed meanwhile. Returns the segments that differ from the first attempt.
 * Decision: a file that was only appended to is proven by content, the first attempt's bytes being a prefix of the second's, because
 * a grown size alone says nothing of what happened inside. Held in memory: only segments that changed.
 */
export async function settle(first: AsyncIterable<Attempt>, messages: readonly string[], context: SettleContext): Promise<SettledTree> {
  const settled = new Map<number, Settled>();
  const lost = new Set<RawPath>();
  const originals = new Map<number, PlannedSegment>();
  const keep = (segment: Settled): void => {
    settled.set(segment.planned.index, segment);
    for (const path of lostNames(originals.get(segment.planned.index) ?? segment.planned, segment, context.rules)) lost.add(path);
  };
  let attempts = first;
  let said = messagesByPath(messages);
  let proofs: ReadonlyMap<RawPath, StoredContent> = new Map();
  const gone = new GoneFiles();
  for (let retry = 0; ; retry += 1) {
    const again: Rechecked[] = [];
    for await (const result of recheck(context.source, context.rules, attempts, (problem) => gone.explain(problem), context.signal)) {
      const verdict = judge(result, said, proofs, retry);
      if (verdict === 'again') again.push(result);
      else if (verdict !== 'stable' || retry > 0) keep(finish(result, verdict, said, context, gone));
    }
    if (again.length === 0) {
      gone.tell(context.findings);
      return { segments: settled, lost };
    }
    if (retry === 0) for (const { planned } of again) originals.set(planned.index, planned);
    proofs = await contentsOfGrown(again, context);
    const reads: ReadSegment[] = [];
    const planned = again.map(({ now }) => now).filter(({ members }) => members.length > 0);
    for (const result of again) {
      gone.add(result.gone);
      if (result.now.members.length === 0) keep(dropped(result.now));
    }
    said = messagesByPath(
      await readSegments(
        context.source,
        context.writer,
        iterate(planned),
        async (read) => {
          reads.push(read);
          context.onReread(read.bytes, read.storedBytes);
        },
        { onBytes: () => undefined, prefixOf: (path) => proofs.get(path)?.length },
        context.signal,
      ),
    );
    attempts = pairs(planned, reads);
  }
}

/** Files that were not there when they were looked at again, and why that may not mean that they were deleted. */
class GoneFiles {
  readonly #paths = new Set<RawPath>();
  readonly #problems = new Map<RawPath | null, string>();

  add(paths: readonly RawPath[]): void {
    for (const path of paths) this.#paths.add(path);
  }

  explain(problem: string): void {
    this.#problems.set(pathOfMessage(problem), problem);
  }

  tell(findings: TreeFindings): void {
    for (const [path, problem] of this.#problems)
      findings.add('error', 'unreadable', path, `could not be looked at (${problem})`, ACCESS_HINT);
    for (const path of this.#paths) {
      if (!this.#problems.has(path)) findings.add('info', 'vanished', path, 'was deleted while the tree was read');
    }
  }
}

/** Names of files with more than one that were planned as first ones and are not stored, or not as that file. */
function lostNames(before: PlannedSegment, { planned, read }: Settled, rules: TreeRules): readonly RawPath[] {
  const missing = new Set(read.missing);
  const after = new Map(planned.members.map((member) => [member.path, member]));
  return before.members
    .filter((member) => {
      if (member.link !== null || member.links < 2 || member.type === 'd') return false;
      const stored = after.get(member.path);
      return stored === undefined || missing.has(member.path) || !isSameFile(member, stored, rules);
    })
    .map(({ path }) => path);
}

type Judgement = 'stable' | 'again' | 'appended' | 'unreadable' | 'torn';

function judge(
  { planned, now, read, gone, changed, unreadable }: Rechecked,
  said: ReadonlyMap<RawPath | null, string>,
  proofs: ReadonlyMap<RawPath, StoredContent>,
  retry: number,
): Judgement {
  const lastTime = retry >= RETRIES;
  // What was gone before tar came to it left nothing behind in the segment.
  const onlyMissing = gone.every((path) => read.missing.includes(path)) && changed.length === 0;
  if (
    unreadable.length > 0 &&
    (lastTime || (onlyMissing && unreadable.every((path) => /denied|not permitted|Input\/output/.test(said.get(path) ?? ''))))
  )
    return 'unreadable';
  if (gone.length === 0 && changed.length === 0 && unreadable.length === 0) return 'stable';
  const grown = changed.length > 0 && gone.length === 0 && unreadable.length === 0 && onlyGrew(planned, now);
  const proven = changed.every((path) => {
    const before = proofs.get(path);
    // A file that was seen empty, as while it is written anew, is no proof of anything.
    return before !== undefined && before.length > 0 && read.prefixes?.[path] === before.digest && !/shrank/.test(said.get(path) ?? '');
  });
  if (grown && proven) return 'appended';
  return lastTime ? 'torn' : 'again';
}

function finish(
  { planned, read, changed, gone, unreadable }: Rechecked,
  verdict: Exclude<Judgement, 'again'>,
  said: ReadonlyMap<RawPath | null, string>,
  { findings }: SettleContext,
  goneFiles: GoneFiles,
): Settled {
  for (const path of unreadable)
    findings.add('error', 'unreadable', path, `could not be read (${said.get(path) ?? 'tar did not deliver it'})`, ACCESS_HINT);
  goneFiles.add(gone);
  if (verdict === 'appended')
    for (const path of changed)
      findings.add('info', 'appended', path, 'was appended to while it was read; what it held before is stored whole');
  const torn = verdict === 'torn' || verdict === 'unreadable' ? [...changed, ...gone.filter((path) => !read.missing.includes(path))] : [];
  for (const path of torn)
    findings.add(
      'warning',
      'torn',
      path,
      'changed each time it was read; what is stored may be a mixture',
      'quiesce the service that writes it (mcads.quiesce), or exclude it',
    );
  return { planned, read, torn };
}

/** Every member vanished: nothing is stored for the segment. */
function dropped(planned: PlannedSegment): Settled {
  return { planned, read: { index: planned.index, bytes: 0, storedBytes: 0, chunks: [], missing: [] }, torn: [] };
}

async function contentsOfGrown(again: readonly Rechecked[], { writer }: SettleContext): Promise<ReadonlyMap<RawPath, StoredContent>> {
  const proofs = new Map<RawPath, StoredContent>();
  for (const { planned, now, read, changed } of again) {
    if (!onlyGrew(planned, now)) continue;
    for (const [path, content] of await storedContents(writer, read, new Set(changed))) proofs.set(path, content);
  }
  return proofs;
}

export async function* iterate<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}

export async function* pairs(planned: readonly PlannedSegment[], reads: readonly ReadSegment[]): AsyncGenerator<Attempt> {
  for (const [at, read] of reads.entries()) {
    const segment = planned[at];
    if (segment !== undefined) yield { planned: segment, read };
  }
}
