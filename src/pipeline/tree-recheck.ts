import { createHash } from 'node:crypto';
import type { SnapshotWriter } from '../domain/ports.ts';
import type { RawPath, TreeEntry, TreeSource } from '../domain/tree.ts';
import type { PlannedMember } from '../stream/segmenter.ts';
import { scanTar } from '../stream/tar-scanner.ts';
import { SpooledSegment } from './segment-spool.ts';
import type { ReadSegment } from './tree-read.ts';
import { toSegment, type PlannedSegment, type TreeRules } from './tree-plan.ts';

/** A segment as it was planned and read. */
export interface Attempt {
  readonly planned: PlannedSegment;
  readonly read: ReadSegment;
}

/** An attempt and its members as they are afterwards. */
export interface Rechecked extends Attempt {
  readonly now: PlannedSegment;
  /** Members that do not exist any more. */
  readonly gone: readonly RawPath[];
  /** Members whose stat lines differ from the planned ones. */
  readonly changed: readonly RawPath[];
  /** Members that exist and were not delivered by tar. */
  readonly unreadable: readonly RawPath[];
}

/**
 * Looks at the members of read segments again, in order and without holding more than what is under way. `onProblem` is told at the end of what
 * could not be looked at, which until then counts as gone.
 */
export async function* recheck(
  source: TreeSource,
  rules: TreeRules,
  attempts: AsyncIterable<Attempt>,
  onProblem: (message: string) => void,
  signal: AbortSignal,
): AsyncGenerator<Rechecked> {
  const waiting: Waiting[] = [];
  const names = namesOf(attempts, waiting);
  const first = await names.next();
  if (first.done === true) return;
  async function* all(some: readonly RawPath[]): AsyncGenerator<readonly RawPath[]> {
    yield some;
    yield* names;
  }
  const scan = source.restat(all(first.value), signal);
  const seen = new MemberMatcher(waiting, rules);
  for await (const batch of scan.batches) for (const entry of batch) yield* seen.entry(entry);
  for (const problem of (await scan.done).problems) onProblem(problem);
  yield* seen.end();
}

/** An attempt whose members are being looked at. */
interface Waiting {
  readonly attempt: Attempt;
  readonly paths: readonly RawPath[];
  readonly hasLinks: boolean;
}

async function* namesOf(attempts: AsyncIterable<Attempt>, waiting: Waiting[]): AsyncGenerator<readonly RawPath[]> {
  for await (const attempt of attempts) {
    const { planned } = attempt;
    // Most need no more of their members than the names.
    const [paths, hasLinks] =
      planned instanceof SpooledSegment ? [planned.paths, planned.hasLinks] : [planned.members.map(({ path }) => path), true];
    waiting.push({ attempt, paths, hasLinks });
    yield paths;
  }
}

class MemberMatcher {
  readonly #waiting: Waiting[];
  readonly #rules: TreeRules;
  #next = 0;
  #now: PlannedMember[] = [];

  constructor(waiting: Waiting[], rules: TreeRules) {
    this.#waiting = waiting;
    this.#rules = rules;
  }

  *entry(entry: TreeEntry): Generator<Rechecked> {
    for (;;) {
      const waiting = this.#waiting[0];
      if (waiting === undefined) return;
      const { paths, hasLinks, attempt } = waiting;
      while (this.#next < paths.length && paths[this.#next] !== entry.path) this.#next += 1;
      if (this.#next < paths.length) {
        const member = hasLinks ? attempt.planned.members[this.#next] : undefined;
        this.#next += 1;
        // Another file under a later name is no link to the first one any more.
        const link = member !== undefined && isSameFile(member, entry, this.#rules) ? member.link : null;
        if (entry.type !== 's') this.#now.push({ ...entry, link });
        return;
      }
      yield this.#take(attempt);
    }
  }

  *end(): Generator<Rechecked> {
    for (let waiting = this.#waiting[0]; waiting !== undefined; waiting = this.#waiting[0]) yield this.#take(waiting.attempt);
  }

  #take(attempt: Attempt): Rechecked {
    const { planned, read } = attempt;
    const now: PlannedSegment = { ...toSegment(planned.index, this.#now, this.#rules), reuse: null };
    this.#waiting.shift();
    this.#next = 0;
    this.#now = [];
    if (now.fingerprint === planned.fingerprint) return { ...attempt, now, gone: [], changed: [], unreadable: read.missing };
    const lines = new Map(now.members.map((member) => [member.path, this.#lineOf(member)]));
    const gone = planned.members.filter(({ path }) => !lines.has(path)).map(({ path }) => path);
    const changed = planned.members.filter((member) => this.#differs(member, lines)).map(({ path }) => path);
    return { ...attempt, now, gone, changed, unreadable: read.missing.filter((path) => lines.has(path)) };
  }

  #differs(member: PlannedMember, lines: ReadonlyMap<RawPath, string>): boolean {
    const line = lines.get(member.path);
    return line !== undefined && line !== this.#lineOf(member);
  }

  #lineOf(member: PlannedMember): string {
    return toSegment(0, [member], this.#rules).fingerprint;
  }
}

export function isSameFile(
  before: Pick<TreeEntry, 'device' | 'inode'>,
  after: Pick<TreeEntry, 'device' | 'inode'>,
  { stableInodes }: Pick<TreeRules, 'stableInodes'>,
): boolean {
  return !stableInodes || (before.device === after.device && before.inode === after.inode);
}

/** True where all changed members are the same files as before and not shorter. */
export function onlyGrew(before: Pick<PlannedSegment, 'members'>, after: Pick<PlannedSegment, 'members'>): boolean {
  const old = new Map(before.members.map((member) => [member.path, member]));
  return (
    before.members.length === after.members.length &&
    after.members.every((member) => {
      const was = old.get(member.path);
      if (was === undefined) return false;
      if (was.mtime === member.mtime && was.ctime === member.ctime && was.size === member.size) return true;
      return (
        member.type === 'f' &&
        was.type === 'f' &&
        member.size >= was.size &&
        member.inode === was.inode &&
        member.mode === was.mode &&
        member.uid === was.uid &&
        member.gid === was.gid
      );
    })
  );
}

export interface StoredContent {
  readonly length: number;
  readonly digest: string;
}

/** Digests of the named members' data in a stored segment; sparse ones are left out. */
export async function storedContents(
  writer: SnapshotWriter,
  read: ReadSegment,
  paths: ReadonlySet<RawPath>,
): Promise<ReadonlyMap<RawPath, StoredContent>> {
  const contents = new Map<RawPath, StoredContent>();
  let current: { readonly path: RawPath; readonly length: number; left: number; readonly hash: ReturnType<typeof createHash> } | null =
    null;
  const end = (): void => {
    if (current !== null) contents.set(current.path, { length: current.length, digest: current.hash.digest('hex') });
    current = null;
  };
  async function* withTrailer(): AsyncGenerator<Uint8Array> {
    yield* writer.readChunks(read.chunks);
    yield Buffer.alloc(1024);
  }
  for await (const event of scanTar(withTrailer())) {
    if (event.kind === 'member') {
      end();
      const { path, sparse, storedSize: length, type } = event.member;
      if (paths.has(path) && !sparse && type === 'f') current = { path, length, left: length, hash: createHash('sha256') };
    } else if (current !== null) {
      const part: Uint8Array = event.bytes.subarray(0, current.left);
      current.hash.update(part);
      current.left -= part.length;
    }
  }
  end();
  return contents;
}
