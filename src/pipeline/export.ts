import { ARCHIVE_MANIFEST, type ArchivedFile, type ExportReport } from '../domain/archive.ts';
import type { Bytes, JsonObject, JsonValue } from '../domain/byte-stream.ts';
import { kindOf } from '../domain/component.ts';
import type { EventSink } from '../domain/events.ts';
import type { Manifest, ManifestArtifact, ManifestComponent } from '../domain/manifest.ts';
import type { SnapshotRepository } from '../domain/ports.ts';
import { ArchiveReader, tarEvents, UnpackBudget } from '../stream/archive-reader.ts';
import { ArchiveWriter } from '../stream/archive-writer.ts';
import { compressed } from '../stream/gzip.ts';
import { TRAILER } from '../stream/tar-header.ts';
import { namedHeader } from '../stream/tar-name.ts';
import { toClassicConfig } from './archive-config.ts';
import { isTree, placeOf, SYSTEM_INFO, type ArchivePlace } from './archive-layout.ts';
import { archiveManifestBytes } from './archive-manifest.ts';
import { checkArchive } from './check-archive.ts';
import { artifactsOf } from './select-components.ts';
import { toRaw } from '../stream/raw-path.ts';

export interface ExportRequest {
  readonly snapshot: string;
  /** Absolute; nothing is there yet, or it may be replaced. */
  readonly path: string;
  readonly verificationPath: string;
}

export interface ExportPorts {
  /** The text of `…_verification.txt`. */
  renderVerification(manifest: Manifest, report: ExportReport): string;
  /** The text of `system_info.txt`; `state` is what the snapshot recorded of the system. */
  renderSystemInfo(manifest: Manifest, state: JsonValue): string;
  now(): Date;
  readonly events: EventSink;
}

const PROGRESS_BYTES = 16 * 1024 * 1024;

/**
 * Writes a snapshot as a classic archive: one `.tar.gz` that plain `tar` unpacks. It gets its name only after it was written, flushed and read back
 * in full; whatever fails before leaves nothing behind.
 */
export async function exportSnapshot(
  repository: SnapshotRepository,
  request: ExportRequest,
  ports: ExportPorts,
  signal: AbortSignal,
): Promise<ExportReport> {
  const startedAt = ports.now();
  const manifest = await repository.manifest(request.snapshot);
  await using writer = await ArchiveWriter.open(request.path, Date.parse(manifest.sealed.finishedAt), startedAt);
  const files = await new Export(repository, manifest, writer, ports, signal).run();
  ports.events({ type: 'stage', stage: 'check', detail: request.path });
  const checked = await readBack(writer.temporaryPath, signal);
  const report: ExportReport = {
    snapshot: manifest.name,
    path: request.path,
    verification: request.verificationPath,
    bytes: checked.bytes,
    sha256: checked.sha256,
    plainBytes: checked.plainBytes,
    files,
    seconds: (ports.now().getTime() - startedAt.getTime()) / 1000,
  };
  signal.throwIfAborted();
  await writer.publish(request.verificationPath, ports.renderVerification(manifest, report));
  return report;
}

/** With the eyes of an import: every checksum, every tar, every file against what was recorded of it. */
async function readBack(path: string, signal: AbortSignal): Promise<Pick<ExportReport, 'bytes' | 'sha256' | 'plainBytes'>> {
  await using reader = await ArchiveReader.open(path);
  return await checkArchive(reader, new UnpackBudget(Number.POSITIVE_INFINITY), signal);
}

class Export {
  readonly #repository: SnapshotRepository;
  readonly #manifest: Manifest;
  readonly #writer: ArchiveWriter;
  readonly #ports: ExportPorts;
  readonly #signal: AbortSignal;
  readonly #files: ArchivedFile[] = [];

  constructor(repository: SnapshotRepository, manifest: Manifest, writer: ArchiveWriter, ports: ExportPorts, signal: AbortSignal) {
    this.#repository = repository;
    this.#manifest = manifest;
    this.#writer = writer;
    this.#ports = ports;
    this.#signal = signal;
  }

  async run(): Promise<readonly ArchivedFile[]> {
    await this.#writer.folder(this.#manifest.name);
    for (const component of this.#manifest.components) await this.#component(component);
    if (this.#manifest.sealed.strategy === 'host') await this.#systemInfo();
    // Where segments are is of no use elsewhere.
    const snapshot: Manifest = { ...this.#manifest, components: this.#manifest.components.map(withoutPages) };
    const recorded = archiveManifestBytes({ archive: 1, files: this.#files, snapshot });
    await this.#writer.member(`${this.#manifest.name}/${ARCHIVE_MANIFEST}`, once(recorded), 'compressed', () => undefined);
    await this.#writer.finish();
    return this.#files;
  }

  async #component(component: ManifestComponent): Promise<void> {
    const { data } = artifactsOf(component);
    const { strategy } = this.#manifest.sealed;
    const place = placeOf(component.id, data.format, strategy);
    const plain = this.#counted(this.#repository.read(data, this.#signal), component.id, data.bytes);
    const isClassicConfig = kindOf(component.id) === 'config' && strategy === 'host';
    const bytes = isClassicConfig ? toClassicConfig(plain) : place.prefix === '' ? plain : prefixed(plain, place.prefix);
    await this.#member(place, component.id, data.format, bytes);
  }

  async #member(place: ArchivePlace, component: string | null, format: ArchivedFile['format'], plain: Bytes): Promise<void> {
    const name = `${this.#manifest.name}/${place.file}`;
    const [body, encoding] = isTree(place.file) ? ([compressed(plain), 'as-is'] as const) : ([plain, 'compressed'] as const);
    const { bytes, sha256 } = await this.#writer.member(name, body, encoding, () => undefined);
    this.#files.push({ ...place, component, format, bytes, sha256 });
  }

  async *#counted(bytes: Bytes, id: string, total: number): AsyncGenerator<Uint8Array> {
    let done = 0;
    let told = -PROGRESS_BYTES;
    for await (const piece of bytes) {
      this.#signal.throwIfAborted();
      if (done - told >= PROGRESS_BYTES) {
        const share = total === 0 ? '' : `, ${Math.floor((100 * done) / total)} %`;
        this.#ports.events({ type: 'stage', stage: 'export', detail: `${id}${share}` });
        told = done;
      }
      done += piece.length;
      yield piece;
    }
  }

  async #systemInfo(): Promise<void> {
    const state = this.#manifest.components.find(({ id }) => id === 'state');
    const recorded = state === undefined ? null : await readJson(this.#repository, artifactsOf(state).data, this.#signal);
    const text = this.#ports.renderSystemInfo(this.#manifest, recorded);
    await this.#member({ file: SYSTEM_INFO, prefix: '' }, null, 'text', once(Buffer.from(text)));
  }
}

function withoutPages({ id, artifacts }: ManifestComponent): ManifestComponent {
  return { id, artifacts: artifacts.map((artifact) => ({ ...artifact, pages: [] })) };
}

/** A tree with the folder that it is named after before every name, as the old scripts wrote it. */
async function* prefixed(tar: Bytes, prefix: string): AsyncGenerator<Uint8Array> {
  const raw = toRaw(prefix);
  for await (const event of tarEvents(tar, 'the snapshot')) {
    if (event.kind === 'data') {
      yield event.bytes;
      continue;
    }
    const { member } = event;
    const target = member.type === 'link' ? `${raw}${member.target ?? ''}` : null;
    yield namedHeader(member, member.path === '' ? raw : `${raw}${member.path}`, target);
  }
  yield TRAILER;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function readJson(repository: SnapshotRepository, artifact: ManifestArtifact, signal: AbortSignal): Promise<JsonObject> {
  const parts = await Array.fromAsync(repository.read(artifact, signal));
  return JSON.parse(Buffer.concat(parts).toString('utf8')) as JsonObject; // written by a backup, checked by its chunk ids
}
