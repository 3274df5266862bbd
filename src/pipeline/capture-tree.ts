import type { SnapshotWriter } from '../domain/ports.ts';
import type { RawPath, Segment, TreeScan, TreeSource } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { printableRaw } from '../stream/catalogue.ts';
import { excludeMatcher } from '../stream/exclude-globs.ts';
import { upwards } from '../stream/raw-path.ts';
import { TRAILER } from '../stream/tar-header.ts';
import { pathOfMessage } from '../stream/stat-lines.ts';
import { captureArchive } from './capture-archive.ts';
import type { CapturedTree, CaptureTreeOptions } from './captured-tree.ts';
import { CatalogueGrouper, type CatalogueGroup } from './catalogue-groups.ts';
import { CatalogueWriter } from './catalogue-writer.ts';
import { BatchedEntries } from './entry-reader.ts';
import { SegmentSpool } from './segment-spool.ts';
import { catalogueLine, namesBySegment, type StoredNames } from './tree-catalogue.ts';
import { confirmStored, DatabaseWatch } from './tree-databases.ts';
import { TreeFindings } from './tree-findings.ts';
import { ParentSegments, planSegments, RACY_SECONDS, withReuse, type PlannedSegment, type TreeRules } from './tree-plan.ts';
import { messagesByPath, readSegments, type ReadSegment } from './tree-read.ts';
import type { Attempt } from './tree-recheck.ts';
import { relink } from './tree-relink.ts';
import { settle, type SettleContext, type Settled } from './tree-settle.ts';
import { UnchangedParts } from './unchanged-parts.ts';
import { Spool } from '../stream/spool.ts';

const NO_LINES = new Uint8Array();

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
  await using plan = new SegmentSpool(writer.spoolDirectory);
  await using reads = new Spool<ReadSegment>(writer.spoolDirectory);
  const began = await source.sync(signal);
  const run = new TreeCapture(source, writer, options, began, signal);
  const messages = await run.scanAndRead(plan, reads);
  const settled = await run.settle(plan, reads, messages);
  return await run.store(plan, reads, settled, messages);
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
    const { exclude } = options;
    this.#rules = { recipe, stableInodes, began, exclude, isExcluded: excludeMatcher(exclude), neverCapture, neverCapturePaths };
  }

  /** One pass: the scan is planned and spooled while tar reads what it found changed. */
  async scanAndRead(plan: SegmentSpool, reads: Spool<ReadSegment>): Promise<readonly string[]> {
    const scan = this.#source.scan(this.#signal);
    const messages = await readSegments(
      this.#source,
      this.#writer,
      this.#toRead(scan, plan),
      async (read) => {
        reads.write(read);
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
    plan.end();
    reads.end();
    return messages;
  }

  #isLeftOut(path: RawPath): boolean {
    return this.#rules.isExcluded(path) || this.#rules.neverCapturePaths.includes(path);
  }

  async *#toRead(scan: TreeScan, plan: SegmentSpool): AsyncGenerator<PlannedSegment> {
    await using data = this.#parentOf('data');
    await using catalogue = this.#parentOf('catalogue');
    // Inodes that change by themselves are told too: nothing would ever be the same.
    const records = this.#rules.stableInodes ? (scan.records ?? null) : null;
    await using entries = records ?? new BatchedEntries(scan.batches);
    const groups = new CatalogueGrouper(catalogue, records);
    const unchanged = records === null ? null : new UnchangedParts(records, this.#rules, { catalogue, data });
    const planned = withReuse(planSegments(entries, this.#rules, this.#watch, this.#findings), data);
    for (;;) {
      // Before the planner takes the next entry: nothing in its hands belongs to what is left out.
      while (unchanged !== null && groups.isBetween && (await this.#passOver(unchanged, plan)));
      const next = await planned.next();
      if (next.done === true) break;
      const segment = next.value;
      for (const grouped of await groups.add(segment)) plan.write(grouped);
      this.#newestChange = Math.max(this.#newestChange, segment.newestChange);
      if (segment.reuse === null) yield segment;
      else this.#reusedBytes += segment.reuse.bytes;
      this.#progress();
    }
    for (const grouped of await groups.end()) plan.write(grouped);
  }

  /** False where the next part of the tree is to be looked at. */
  async #passOver(unchanged: UnchangedParts, plan: SegmentSpool): Promise<boolean> {
    const part = await unchanged.next();
    if (part === null) return false;
    this.#signal.throwIfAborted();
    for (const segment of part.segments) {
      plan.write(segment);
      this.#reusedBytes += segment.reuse?.bytes ?? 0;
    }
    this.#watch.passOver(part.group.last);
    this.#newestChange = Math.max(this.#newestChange, part.newestChange);
    this.#progress();
    return true;
  }

  #parentOf(name: 'data' | 'catalogue'): ParentSegments {
    const { parent, rescan } = this.#options;
    const older = parent === null || rescan === true ? null : this.#writer.segments(parent[name]);
    // A catalogue can be made anew without reading a file; data cannot.
    const onDamaged = name === 'catalogue' ? (error: McadsError): void => this.#tellDamaged(error) : null;
    return new ParentSegments(older, (candidate) => this.#writer.canReuse(candidate), onDamaged);
  }

  /** What lies in the repository under its name counts as stored, so that this snapshot may need the damaged object too. */
  #tellDamaged(error: McadsError): void {
    // That is stored again.
    if (error.context['problem'] === 'missing') return;
    const hint = 'run verify --read-data: it sets aside what is damaged, and the backup after it stores that again';
    this.#findings.add('error', 'catalogue-damaged', null, `the list of files cannot be relied on: ${error.message}`, hint);
  }

  /** Looks at what was read again, and gives the other names of files whose first name got lost a new one. */
  async settle(plan: SegmentSpool, reads: Spool<ReadSegment>, messages: readonly string[]): Promise<ReadonlyMap<number, Settled>> {
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
    plan: SegmentSpool,
    reads: Spool<ReadSegment>,
    settled: ReadonlyMap<number, Settled>,
    messages: readonly string[],
  ): Promise<CapturedTree> {
    const young = (this.#source.clockIsOurs ? this.#rules.began : Math.min(this.#rules.began, this.#newestChange)) - RACY_SECONDS;
    const said = messagesByPath(messages.filter((message) => !/Cannot (stat|open)|file changed|shrank|removed before/.test(message)));
    const data = this.#writer.artifact('data', 'tar');
    const catalogue = new CatalogueWriter(this.#writer);
    const counts = { entries: 0, read: 0, reused: 0 };
    const torn: string[] = [];
    await using results = reads.read();
    let names: Iterator<StoredNames> | null = null;
    for await (const segment of plan.read()) {
      if (segment.group !== null) {
        this.#signal.throwIfAborted();
        await catalogue.begin(segment.group);
        names = await this.#namesOfSuspects(segment.group);
      }
      const final = settled.get(segment.index);
      const result = segment.reuse === null ? (await results.next()).value?.value : undefined;
      const read = final?.read ?? result;
      const stored = read ?? segment.reuse;
      if (segment.reuse === null) counts.read += 1;
      else counts.reused += 1;
      const known: StoredNames | undefined = names?.next().value;
      if (stored === null || stored.bytes === 0) {
        catalogue.add(NO_LINES, false);
        continue;
      }
      const { first, fingerprint, newest } = final?.planned ?? segment;
      const complaints = said.size === 0 ? [] : (final?.planned ?? segment).members.filter(({ path }) => said.has(path));
      for (const { path } of complaints)
        this.#findings.add('warning', 'read-problem', path, said.get(path) ?? '', 'the file is stored as far as tar could read it');
      const missing = new Set(read?.missing);
      const trusted = final === undefined && missing.size === 0 && complaints.length === 0 && newest < young;
      await data.add({ fingerprint: trusted ? fingerprint : null, bytes: stored.bytes, chunks: stored.chunks, first } satisfies Segment);
      if (final === undefined && missing.size === 0 && read?.asRead === undefined) {
        // As it was planned: nearly every one.
        if (segment.lines.length > 0) catalogue.add(segment.lines, trusted);
        if (known !== undefined || this.#watch.suspectsIn(first, segment.last).length > 0)
          await confirmStored(this.#watch, { members: known ?? segment.members, chunks: stored.chunks }, this.#writer);
        counts.entries += segment.entries;
        continue;
      }
      const { members } = final?.planned ?? segment;
      const present = members.filter(({ path }) => !missing.has(path));
      await confirmStored(this.#watch, { members: present, chunks: stored.chunks }, this.#writer);
      let lines = '';
      for (const member of present) {
        const isTorn = final?.torn.includes(member.path) ?? false;
        if (isTorn) torn.push(printableRaw(member.path));
        lines += catalogueLine(member, { begins: lines === '', torn: isTorn, asRead: read?.asRead?.[member.path] });
      }
      counts.entries += present.length;
      catalogue.add(Buffer.from(lines, 'utf8'), trusted && read?.asRead === undefined);
    }
    const listed = await catalogue.finish();
    await this.#writer.room();
    const trailer = await this.#writer.putChunk(Buffer.from(TRAILER));
    await data.add({ fingerprint: null, bytes: TRAILER.length, chunks: [trailer.ref] });
    const artifact = await data.finish();
    return {
      artifacts: [artifact, listed.artifact],
      bytes: artifact.bytes,
      storedBytes: this.#storedBytes + listed.storedBytes + trailer.storedBytes,
      entries: counts.entries,
      segmentsRead: counts.read,
      segmentsReused: counts.reused,
      findings: this.#findings.list(),
      databasesSeen: this.#watch.list(),
      torn,
      unread: this.#findings.unread(),
    };
  }

  /** Names of each segment of a group whose lines nobody made, where a suspect is among them. */
  async #namesOfSuspects({ first, last, reuse }: CatalogueGroup): Promise<Iterator<StoredNames> | null> {
    const suspects = this.#watch.suspectsIn(first, last);
    if (reuse === null || suspects.length === 0) return null;
    try {
      return (await Array.fromAsync(namesBySegment(this.#writer.readChunks(reuse.chunks)))).values();
    } catch (error) {
      if (!(error instanceof McadsError) || error.code !== 'damaged') throw error;
      this.#tellDamaged(error);
      // It cannot be told: better a hint too many.
      for (const path of suspects) this.#watch.confirm(path);
      return null;
    }
  }

  #progress(): void {
    this.#options.onProgress?.(this.#reusedBytes + this.#readBytes, this.#storedBytes);
  }
}

/** The segments that were read, each with its plan. */
async function* attempts(plan: SegmentSpool, reads: Spool<ReadSegment>): AsyncGenerator<Attempt> {
  await using results = reads.read();
  let read = await results.next();
  // Where nothing was read, or nothing more, the plan is not gone through again.
  if (read.done === true) return;
  for await (const planned of plan.read()) {
    if (planned.reuse !== null) continue;
    yield { planned, read: read.value.value };
    read = await results.next();
    if (read.done === true) return;
  }
}
