import { basename } from 'node:path';
import type { ImportReport } from '../domain/archive.ts';
import type { EventSink } from '../domain/events.ts';
import type { Manifest } from '../domain/manifest.ts';
import type { SnapshotRepository } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import { ArchiveReader, UnpackBudget } from '../stream/archive-reader.ts';
import { printableRaw } from '../stream/catalogue.ts';
import { adoptedManifest, adoptionPlan, importedFrom, recordedManifest, recordedPlan } from './adopt-archive.ts';
import { checkArchive, type CheckedArchive } from './check-archive.ts';
import { ImportWriter } from './import-writer.ts';

export interface ImportRequest {
  /** Absolute. */
  readonly file: string;
  /** Null: a hundred times the archive's own size, at least 1 GiB. */
  readonly maxUnpackedBytes: number | null;
  /** Also device nodes, which a restore would make. */
  readonly allowDevices: boolean;
}

export interface ImportPorts {
  /** Opens (and creates) the repository for writing; called after the archive was found good. */
  openRepository(): Promise<SnapshotRepository>;
  renderVerification(manifest: Manifest): string;
  readonly tool: { readonly name: string; readonly version: string };
  readonly events: EventSink;
}

const LEAST_LIMIT = 1024 ** 3;
const LIMIT_RATIO = 100;

/**
 * Stores a classic archive, ours or one of the old scripts, as an ordinary snapshot. It is read in full and found whole and harmless before anything
 * is touched, and read again to be stored; the snapshot exists once all of it is. Rejects `damaged` for a bad archive and `usage` where another
 * snapshot has its name.
 */
export async function importArchive(request: ImportRequest, ports: ImportPorts, signal: AbortSignal): Promise<ImportReport> {
  await using reader = await ArchiveReader.open(request.file);
  ports.events({ type: 'stage', stage: 'check', detail: request.file });
  const limit = request.maxUnpackedBytes ?? Math.max(LEAST_LIMIT, LIMIT_RATIO * reader.bytes);
  const checked = await checkArchive(reader, new UnpackBudget(limit), signal);
  if (!request.allowDevices) assertNoDevices(checked, request.file);
  await using repository = await ports.openRepository();
  const known = await knownSnapshot(repository, checked);
  const report = { snapshot: checked.name.full, file: request.file, sha256: checked.sha256 };
  if (known !== null) return { ...report, isNew: false, manifest: known };
  const manifest = await store(reader, checked, repository, ports, signal);
  return { ...report, isNew: true, manifest };
}

function assertNoDevices({ files }: CheckedArchive, archive: string): void {
  for (const { file, tree } of files) {
    const device = tree?.devices[0];
    if (device === undefined) continue;
    throw new McadsError('damaged', `${file} in ${archive} holds a device node: ${printableRaw(device)}`, {
      hint: 'a restore would make it; where that is wanted, import with --allow-devices',
    });
  }
}

/** The snapshot that this archive was imported as, or exported from; null where there is none of its name. */
async function knownSnapshot(repository: SnapshotRepository, { name, sha256, manifest }: CheckedArchive): Promise<Manifest | null> {
  if ((await repository.snapshots()).every((one) => one.name !== name.full)) return null;
  const known = await repository.manifest(name.full);
  const isImported = Object.values(known.sealed.components).some(({ facts }) => importedFrom(facts) === sha256);
  const isOriginal =
    manifest !== null &&
    known.components.length === manifest.snapshot.components.length &&
    manifest.snapshot.components.every(({ id, artifacts }) => {
      const mine = known.components.find((component) => component.id === id)?.artifacts ?? [];
      return artifacts.every((artifact) => mine.some((one) => one.name === artifact.name && one.digest === artifact.digest));
    });
  if (isImported || isOriginal) return known;
  throw new McadsError('usage', `${repository.location} holds another snapshot named ${name.full}`, {
    hint: 'import it into a repository of its own: -r DIR',
  });
}

async function store(
  reader: ArchiveReader,
  checked: CheckedArchive,
  repository: SnapshotRepository,
  ports: ImportPorts,
  signal: AbortSignal,
): Promise<Manifest> {
  const { name, manifest: recorded } = checked;
  await using writer = await repository.begin(name.full, name.project, signal);
  const running = AbortSignal.any([signal, writer.signal]);
  const plan = recorded === null ? adoptionPlan(checked) : recordedPlan(recorded);
  const into = new ImportWriter(writer, checked, running);
  for await (const { member, body } of reader.members(new UnpackBudget(Number.POSITIVE_INFINITY), running)) {
    const file = printableRaw(member.path).split('/').slice(1).join('/');
    const planned = member.type === 'f' ? plan.files.find((one) => one.file === file) : undefined;
    if (planned === undefined) continue;
    ports.events({ type: 'stage', stage: 'store', detail: file });
    await into.file(planned, body);
  }
  const source = {
    file: basename(reader.path),
    sha256: checked.sha256,
    tool: ports.tool,
    repository: repository.id,
    newChunks: writer.newChunks,
  };
  const manifest =
    recorded === null ? adoptedManifest(checked, plan, into.stored, source) : recordedManifest(recorded, into.stored, source);
  ports.events({ type: 'stage', stage: 'commit', detail: manifest.name });
  running.throwIfAborted();
  await writer.commit(manifest, ports.renderVerification(manifest));
  return manifest;
}
