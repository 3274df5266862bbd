import type { SnapshotWriter } from '../domain/ports.ts';
import type { RawPath, Segment, TreeSource } from '../domain/tree.ts';
import { printableRaw } from '../stream/catalogue.ts';
import { excludeMatcher } from '../stream/exclude-globs.ts';
import { upwards } from '../stream/raw-path.ts';
import { TRAILER } from '../stream/tar-header.ts';
import { pathOfMessage } from '../stream/stat-lines.ts';
import { captureArchive } from './capture-archive.ts';
import { storeBytes } from './capture-stream.ts';
import type { CapturedTree, CaptureTreeOptions } from './captured-tree.ts';
import { catalogueLine, catalogueLines, namesIn } from './tree-catalogue.ts';
import { confirmStored, DatabaseWatch } from './tree-databases.ts';
import { TreeFindings } from './tree-findings.ts';
import { planSegments, withReuse, type PlannedSegment, type TreeRules } from './tree-plan.ts';
import { messagesByPath, readSegments, type ReadSegment } from './tree-read.ts';
import type { Attempt } from './tree-recheck.ts';
import { relink } from './tree-relink.ts';
import { settle, type SettleContext, type Settled } from './tree-settle.ts';
import { Spool } from '../stream/spool.ts';

/** Times this young may still be given to another change. */
const RACY_SECONDS = 2;
/**
 * Stores a tree as tar and catalogue: scans it, reuses the parent's segments whose fingerprints are the same, reads the others, and reads
 * again what changed meanwhile. Rejects where the walk or tar did not come to a good end; single files that are torn or unreadable are findings.
 */
export async function captureTree(
  source: TreeSource,
  writer: SnapshotWriter,
  options: CaptureTreeOptions,
  signal: AbortSignal,
): Promise<CapturedTree> {
  if (!source.scans) return captureArchive(source, writer, options, signal);
  await using plan = new Spool<SpooledSegment>(writer.spoolDirectory);
  await using reads = new Spool<ReadSegment>(writer.spoolDirectory);
  const began = await source.sync(signal);
  const run = new TreeCapture(source, writer, options, began, signal);
  const messages = await run.scanAndRead(plan, reads);
  const settled = await run.settle(plan, reads, messages);
  return await run.store(plan, reads, settled, messages);
}

/**
 * A segment between the passes. One that is reused goes into the catalogue as it was scanned: as text, made once. Its members are kept only where
 * they may be needed again, because a name in it stands for another.
 */
interface SpooledSegment extends PlannedSegment {
  readonly asStored?: { readonly lines: string; readonly entries: number };
}

function toSpooled(segment: PlannedSegment): SpooledSegment {
  const { members, reuse } = segment;
  if (reuse === null) return segment;
  const asStored = { lines: catalogueLines(members), entries: members.length };
  return { ...segment, members: members.some(({ link }) => link !== null) ? members : [], asStored };
}

class TreeCapture {
  readonly #source: TreeSource;
  readonly #writer: SnapshotWriter;
  readonly #options: CaptureTreeOptions;
  readonly #signal: AbortSignal;
  readonly #rules: TreeRules;
  readonly #findings = new TreeFindings();
  readonly #watch = new DatabaseWatch();
  #newestChange = Number.NEGATIVE_INFINITY;
  #reusedBytes = 0;
  #readBytes = 0;
  #storedBytes = 0;

  constructor(source: TreeSource, writer: SnapshotWriter, options: CaptureTreeOptions, began: number, signal: AbortSignal) {
    this.#source = source;
    this.#writer = writer;
    this.#options = options;
    this.#signal = signal;
    const { recipe, stableInodes } = source;
    const { neverCapture, neverCapturePaths = [] } = options;
    this.#rules = { recipe, stableInodes, began, isExcluded: excludeMatcher(options.exclude), neverCapture, neverCapturePaths };
  }

  /** One pass: the scan is planned and spooled while tar reads what it found changed. */
  async scanAndRead(plan: Spool<SpooledSegment>, reads: Spool<ReadSegment>): Promise<readonly string[]> {
    const scan = this.#source.scan(this.#signal);
    const messages = await readSegments(
      this.#source,
      this.#writer,
      this.#toRead(scan.entries, plan),
      async (read) => {
        await reads.write(read);
        this.#storedBytes += read.storedBytes;
        this.#progress();
      },
      {
        onBytes: (bytes) => {
          this.#readBytes = bytes;
          this.#progress();
        },
      },
      this.#signal,
    );
    for (const problem of (await scan.done).problems) {
      const path = pathOfMessage(problem);
      if (path !== null && upwards(path).some((one) => this.#isLeftOut(one))) continue;
      this.#findings.add('error', 'unreadable', path, `could not be looked at (${problem})`, 'give the reading user access, or exclude it');
    }
    await plan.end();
    await reads.end();
    return messages;
  }

  #isLeftOut(path: RawPath): boolean {
    return this.#rules.isExcluded(path) || this.#rules.neverCapturePaths.includes(path);
  }

  async *#toRead(entries: ReturnType<TreeSource['scan']>['entries'], plan: Spool<SpooledSegment>): AsyncGenerator<PlannedSegment> {
    const { parent, rescan } = this.#options;
    const older = parent === null || rescan === true ? null : this.#writer.segments(parent.data);
    const planned = planSegments(entries, this.#rules, this.#watch, this.#findings);
    for await (const segment of withReuse(planned, older, (candidate) => this.#writer.canReuse(candidate))) {
      await plan.write(toSpooled(segment));
      for (const { ctime } of segment.members) this.#newestChange = Math.max(this.#newestChange, Number(ctime));
      if (segment.reuse === null) yield segment;
      else this.#reusedBytes += segment.reuse.bytes;
      this.#progress();
    }
  }

  /** Looks at what was read again, and gives the other names of files whose first name got lost a new one. */
  async settle(plan: Spool<SpooledSegment>, reads: Spool<ReadSegment>, messages: readonly string[]): Promise<ReadonlyMap<number, Settled>> {
    const context: SettleContext = {
      source: this.#source,
      writer: this.#writer,
      rules: this.#rules,
      findings: this.#findings,
      signal: this.#signal,
      onReread: (_, storedBytes) => {
        this.#storedBytes += storedBytes;
        this.#progress();
      },
    };
    return relink(plan, await settle(attempts(plan, reads), messages, context), context);
  }

  /** The last pass: pages of the data and, beside them, the catalogue. */
  async store(
    plan: Spool<SpooledSegment>,
    reads: Spool<ReadSegment>,
    settled: ReadonlyMap<number, Settled>,
    messages: readonly string[],
  ): Promise<CapturedTree> {
    const young = (this.#source.clockIsOurs ? this.#rules.began : Math.min(this.#rules.began, this.#newestChange)) - RACY_SECONDS;
    const said = messagesByPath(messages.filter((message) => !/Cannot (stat|open)|file changed|shrank|removed before/.test(message)));
    const data = this.#writer.artifact('data', 'tar');
    const counts = { entries: 0, read: 0, reused: 0 };
    const torn: string[] = [];
    const findings = this.#findings;
    const [watch, writer] = [this.#watch, this.#writer];
    async function* lines(): AsyncGenerator<Uint8Array> {
      const results = reads.read();
      for await (const segment of plan.read()) {
        const final = settled.get(segment.index);
        if (segment.reuse !== null && segment.asStored !== undefined && final === undefined) {
          counts.reused += 1;
          const { reuse, asStored, first, fingerprint, newest } = segment;
          if (reuse.bytes === 0) continue;
          await data.add({ fingerprint: newest < young ? fingerprint : null, bytes: reuse.bytes, chunks: reuse.chunks, first });
          const { lines: text, entries } = asStored;
          if (watch.hasSuspects) await confirmStored(watch, { members: namesIn(text), chunks: reuse.chunks }, writer);
          counts.entries += entries;
          yield Buffer.from(text, 'utf8');
          continue;
        }
        const result = segment.reuse === null ? (await results.next()).value : undefined;
        const stored = final?.read ?? result ?? segment.reuse;
        const missing = new Set((final?.read ?? result)?.missing);
        if (segment.reuse === null) counts.read += 1;
        else counts.reused += 1;
        if (stored === null || stored.bytes === 0) continue;
        const { first, fingerprint, newest, members } = final?.planned ?? segment;
        const complaints = members.filter(({ path }) => said.has(path));
        for (const { path } of complaints)
          findings.add('warning', 'read-problem', path, said.get(path) ?? '', 'the file is stored as far as tar could read it');
        const trusted = final === undefined && missing.size === 0 && complaints.length === 0 && newest < young;
        await data.add({ fingerprint: trusted ? fingerprint : null, bytes: stored.bytes, chunks: stored.chunks, first } satisfies Segment);
        const present = missing.size === 0 ? members : members.filter(({ path }) => !missing.has(path));
        await confirmStored(watch, { members: present, chunks: stored.chunks }, writer);
        let text = '';
        for (const member of present) {
          const isTorn = final?.torn.includes(member.path) ?? false;
          if (isTorn) torn.push(printableRaw(member.path));
          text += catalogueLine(member, { begins: text === '', torn: isTorn, size: final?.read.sizes?.[member.path] });
          counts.entries += 1;
        }
        if (text !== '') yield Buffer.from(text, 'utf8');
      }
    }
    const catalogue = await storeBytes(lines(), 'catalogue', this.#writer, { format: 'jsonl' }, this.#signal);
    await this.#writer.room();
    const trailer = await this.#writer.putChunk(Buffer.from(TRAILER));
    await data.add({ fingerprint: null, bytes: TRAILER.length, chunks: [trailer.ref] });
    const artifact = await data.finish();
    return {
      artifacts: [artifact, catalogue.artifact],
      bytes: artifact.bytes,
      storedBytes: this.#storedBytes + catalogue.storedBytes + trailer.storedBytes,
      entries: counts.entries,
      segmentsRead: counts.read,
      segmentsReused: counts.reused,
      findings: findings.list(),
      databasesSeen: this.#watch.list(),
      torn,
    };
  }

  #progress(): void {
    this.#options.onProgress?.(this.#reusedBytes + this.#readBytes, this.#storedBytes);
  }
}

/** The segments that were read, each with its plan. */
async function* attempts(plan: Spool<SpooledSegment>, reads: Spool<ReadSegment>): AsyncGenerator<Attempt> {
  const results = reads.read();
  let read = await results.next();
  // Where nothing was read, or nothing more, the plan is not gone through again.
  if (read.done === true) return;
  for await (const planned of plan.read()) {
    if (planned.reuse !== null) continue;
    yield { planned, read: read.value };
    read = await results.next();
    if (read.done === true) return;
  }
}
