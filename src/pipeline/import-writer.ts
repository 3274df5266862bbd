import type { Bytes } from '../domain/byte-stream.ts';
import type { ComponentId } from '../domain/component.ts';
import type { Finding } from '../domain/finding.ts';
import type { ManifestArtifact } from '../domain/manifest.ts';
import type { SnapshotWriter } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import { decompressed } from '../stream/gzip.ts';
import { TarSorter } from '../stream/tar-sorter.ts';
import { adoptedConfig, fromClassicConfig, OutsideFiles, watchedTar } from './archive-config.ts';
import { captureArchive } from './capture-archive.ts';
import { storeBytes } from './capture-stream.ts';
import type { CheckedArchive, CheckedTree } from './check-archive.ts';
import { rebasedTar } from './rebase-tar.ts';

/** How one file of an archive becomes a component. */
export interface PlannedImport {
  readonly file: string;
  readonly id: ComponentId;
  readonly format: ManifestArtifact['format'];
  /**
   * bytes: as they are; packed: unzipped; tree: with a catalogue; system-info: text as JSON; the configuration of a host's archive, and that of the
   * old scripts.
   */
  readonly how: 'bytes' | 'packed' | 'tree' | 'system-info' | 'classic-config' | 'adopted-config';
  /** The folder in the tar that becomes the tree's root, one character per byte. */
  readonly prefix: string;
}

export interface StoredImport extends PlannedImport {
  readonly artifacts: readonly ManifestArtifact[];
  readonly bytes: number;
  readonly storedBytes: number;
  readonly findings: readonly Finding[];
}

/** Stores the files of a checked archive as components. */
export class ImportWriter {
  readonly stored: StoredImport[] = [];
  readonly #writer: SnapshotWriter;
  readonly #checked: CheckedArchive;
  readonly #signal: AbortSignal;

  constructor(writer: SnapshotWriter, checked: CheckedArchive, signal: AbortSignal) {
    this.#writer = writer;
    this.#checked = checked;
    this.#signal = signal;
  }

  async file(planned: PlannedImport, body: Bytes): Promise<void> {
    const { file, how } = planned;
    switch (how) {
      case 'bytes':
        return this.#keep(planned, body);
      case 'packed': {
        const outside = new OutsideFiles();
        const plain = decompressed(body, file);
        const isConfig = planned.id === 'config';
        return this.#keep(planned, isConfig ? watchedTar(plain, file, (member) => outside.see(member)) : plain, () => outside.findings());
      }
      case 'classic-config': {
        const outside = new OutsideFiles();
        const bytes = watchedTar(fromClassicConfig(decompressed(body, file)), file, (member) => outside.see(member));
        return this.#keep(planned, bytes, () => outside.findings());
      }
      case 'adopted-config': {
        const leftOut: string[] = [];
        const tar = decompressed(body, file);
        if (this.#treeOf(file).isSorted)
          return this.#keep(planned, adoptedConfig(tar, this.#checked.name.project, leftOut), () => leftOutOf(leftOut));
        await using sorter = await TarSorter.of(tar, this.#writer.spoolDirectory, this.#signal);
        return await this.#keep(planned, adoptedConfig(sorter.tar(), this.#checked.name.project, leftOut), () => leftOutOf(leftOut));
      }
      case 'system-info':
        return this.#keep(planned, systemInfo(this.#checked.systemInfo ?? ''));
      case 'tree':
        return this.#tree(planned, body);
    }
  }

  async #keep(planned: PlannedImport, bytes: Bytes, findingsOf: () => readonly Finding[] = () => []): Promise<void> {
    const stored = await storeBytes(bytes, 'data', this.#writer, { format: planned.format }, this.#signal);
    const { artifact, storedBytes } = stored;
    this.stored.push({ ...planned, artifacts: [artifact], bytes: artifact.bytes, storedBytes, findings: findingsOf() });
  }

  async #tree(planned: PlannedImport, body: Bytes): Promise<void> {
    const { file, prefix, id } = planned;
    const makesMissing = this.#checked.manifest === null;
    const tree = this.#treeOf(file);
    const plain = decompressed(body, file);
    await using sorter = tree.isSorted ? null : await TarSorter.of(plain, this.#writer.spoolDirectory, this.#signal);
    const tar = rebasedTar(sorter?.tar() ?? plain, { prefix, linkTargets: sorter === null ? tree.linkTargets : null, makesMissing }, file);
    const captured = await captureArchive(
      { readAll: () => ({ body: tar, done: Promise.resolve({ messages: [] }) }) },
      this.#writer,
      { parent: null, exclude: [], neverCapture: [] },
      this.#signal,
    );
    const { artifacts, bytes, storedBytes } = captured;
    const findings = captured.findings.map((finding) => ({ ...finding, subject: `${id}:${finding.subject}` }));
    this.stored.push({ ...planned, artifacts, bytes, storedBytes, findings });
  }

  #treeOf(file: string): CheckedTree {
    const tree = this.#checked.files.find((one) => one.file === file)?.tree ?? null;
    if (tree === null) throw new McadsError('damaged', `${file} was to be a tree and is none`);
    return tree;
  }
}

function leftOutOf(paths: readonly string[]): readonly Finding[] {
  return paths.map((path) => ({
    severity: 'warning',
    code: 'config-left-out',
    subject: `config:${path}`,
    message: `${path} in config.tar.gz is no regular file and was left out: the configuration holds files only`,
    hint: 'take it from the archive by hand where it is needed: tar xzf',
  }));
}

async function* systemInfo(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`${JSON.stringify({ systemInfo: text }, null, 1)}\n`);
}
