import type { SnapshotWriter } from '../domain/ports.ts';
import type { RawPath, TreeSource } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { excludeMatcher } from '../stream/exclude-globs.ts';
import { endsInStagingName } from '../stream/restore-commands.ts';
import { upwards } from '../stream/raw-path.ts';
import { SegmentCutter, type PlannedMember } from '../stream/segmenter.ts';
import { TarFormatError, TRAILER } from '../stream/tar-header.ts';
import { isNamedHere, leadsOut, renamedHeader } from '../stream/tar-rename.ts';
import { scanTar, type TarMember } from '../stream/tar-scanner.ts';
import { printableRaw } from '../stream/catalogue.ts';
import { storeBytes } from './capture-stream.ts';
import { OWN_FOLDER, type CapturedTree, type CaptureTreeOptions } from './captured-tree.ts';
import { SegmentAssembler } from './segment-assembler.ts';
import { catalogueLine } from './tree-catalogue.ts';
import { DatabaseWatch, isSqlite } from './tree-databases.ts';
import { TreeFindings } from './tree-findings.ts';

/**
 * Captures a source that cannot be scanned: its whole tar is read and cut like any other, so that only what is new is stored; nothing is
 * reused by its times. Rejects `component-failed` where the tar has no trailer: the engine drops every later file in silence when
 * one shrinks under it.
 */
export async function captureArchive(
  source: Pick<TreeSource, 'readAll'>,
  writer: SnapshotWriter,
  options: CaptureTreeOptions,
  signal: AbortSignal,
): Promise<CapturedTree> {
  const run = { bytes: 0, storedBytes: 0, entries: 0, segments: 0 };
  const findings = new TreeFindings();
  const watch = new DatabaseWatch();
  const data = writer.artifact('data', 'tar');
  const assembler = new SegmentAssembler(writer);
  const cutter = new SegmentCutter();
  const isDropped = dropper(options, findings);
  let first: RawPath | null = null;

  async function endSegment(): Promise<void> {
    if (first === null) return;
    const [storing] = await assembler.end();
    const stored = await storing;
    if (stored !== undefined) {
      await data.add({ fingerprint: null, bytes: stored.bytes, chunks: stored.chunks, first });
      run.storedBytes += stored.storedBytes;
    }
    run.segments += 1;
    first = null;
    cutter.reset();
  }

  async function* lines(): AsyncGenerator<Uint8Array> {
    const stream = source.readAll(signal);
    stream.done.catch(() => undefined); // awaited below
    let mode: 'gather' | 'cut' | 'drop' = 'gather';
    let endsHere = false;
    let began: RawPath | null = null;
    for await (const event of scanTar(stream.body)) {
      if (event.kind === 'data') {
        if (mode === 'drop') continue;
        if (began !== null && isSqlite(event.bytes)) watch.confirm(began);
        began = null;
        if (mode === 'cut') await assembler.cut(event.bytes);
        else await assembler.gather(event.bytes);
      } else {
        if (endsHere) await endSegment();
        endsHere = false;
        const { member } = event;
        const entry = toMember(member);
        began = null;
        if (entry === null || isDropped(entry)) {
          mode = 'drop';
          if (entry === null) findings.add('warning', 'unknown-member', member.path, 'is of a kind that cannot be stored');
          continue;
        }
        if (entry.type === 'f') began = entry.path;
        watch.see(entry);
        const large = SegmentCutter.isLarge({ type: entry.type, size: member.storedSize }, entry.link !== null);
        if (large) await endSegment();
        const begins = first === null;
        first ??= entry.path;
        await assembler.gather(isNamedHere(member) ? member.header : renamedHeader(member, entry.path, entry.link));
        if (large) await assembler.flush();
        mode = large ? 'cut' : 'gather';
        endsHere = large || cutter.endsAfter(entry.path, member.storedSize);
        run.entries += 1;
        yield Buffer.from(catalogueLine(entry, { begins, torn: false, asRead: undefined }), 'utf8');
      }
      run.bytes += event.kind === 'data' ? event.bytes.length : event.member.header.length;
      options.onProgress?.(run.bytes, run.storedBytes);
    }
    await endSegment();
    await stream.done;
  }

  const catalogue = await storeBytes(lines(), 'catalogue', writer, { format: 'jsonl' }, signal).catch((error: unknown) => {
    if (!(error instanceof TarFormatError)) throw error;
    throw new McadsError('component-failed', `the archive is not whole: ${error.message}`, {
      hint: 'a file that shrinks while it is read cuts the archive; quiesce the services that write (mcads.quiesce), or use a helper image with GNU tar',
      cause: error,
    });
  });
  await writer.room();
  const trailer = await writer.putChunk(Buffer.from(TRAILER));
  await data.add({ fingerprint: null, bytes: TRAILER.length, chunks: [trailer.ref] });
  const artifact = await data.finish();
  return {
    artifacts: [artifact, catalogue.artifact],
    bytes: artifact.bytes,
    storedBytes: run.storedBytes + catalogue.storedBytes + trailer.storedBytes,
    entries: run.entries,
    segmentsRead: run.segments,
    segmentsReused: 0,
    findings: findings.list(),
    databasesSeen: watch.list(),
    torn: [],
    unread: findings.unread(),
  };
}

/** Null for members that are no entries of a tree. */
function toMember(member: TarMember): PlannedMember | null {
  const { path, type, mode, uid, gid, size, mtime, target } = member;
  if (type === 'other') return null;
  const link = type === 'link' ? target : null;
  if (leadsOut(path) || (link !== null && leadsOut(link)))
    throw new McadsError('component-failed', `the archive names a file outside of the tree: ${JSON.stringify(path)}`);
  return {
    path,
    type: type === 'link' ? 'f' : type,
    mode,
    uid,
    gid,
    size,
    mtime,
    ctime: '',
    device: '',
    inode: '',
    links: 1,
    target: type === 'l' ? target : null,
    link,
  };
}

/** Excluded members and our own folders, and everything below them. */
function dropper({ exclude, neverCapturePaths = [] }: CaptureTreeOptions, findings: TreeFindings): (entry: PlannedMember) => boolean {
  const isExcluded = excludeMatcher(exclude);
  const isOwn = (path: RawPath): boolean => neverCapturePaths.includes(path) || endsInStagingName(path);
  const isLeftOut = (path: RawPath): boolean => isOwn(path) || isExcluded(path);
  let below: RawPath | null = null;
  return ({ path, link }) => {
    if (below !== null && path.startsWith(below)) return true;
    if (isOwn(path)) findings.add('info', 'own-folder', path, OWN_FOLDER);
    else if (isExcluded(path)) findings.add('info', 'excluded', path, 'was left out by an exclude pattern, with everything below');
    else if (link !== null && upwards(link).some(isLeftOut)) {
      findings.add(
        'error',
        'hard-link-lost',
        path,
        `is the same file as ${printableRaw(link)}, which is left out; its content came only under that name`,
        'do not exclude the one without the other, or use a helper image with GNU tar and find (--helper-image)',
      );
      return true;
    } else return false;
    below = `${path}/`;
    return true;
  };
}
