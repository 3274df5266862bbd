import type { Bytes } from '../domain/byte-stream.ts';
import type { EventSink } from '../domain/events.ts';
import type { Finding } from '../domain/finding.ts';
import type { ManifestArtifact } from '../domain/manifest.ts';
import type { SnapshotRepository } from '../domain/ports.ts';
import type { RawPath, TarExtractor } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { parseCatalogue, printableRaw } from '../stream/catalogue.ts';
import { scanTar } from '../stream/tar-scanner.ts';
import {
  artifactsOf,
  nothingThere,
  pathFilter,
  rawPathOf,
  selectComponents,
  type SelectedComponent,
  type Selection,
} from './select-components.ts';
import { selectedTar, selectTree, type TreeSelection } from './tree-selection.ts';
import { toRaw } from '../stream/raw-path.ts';

export interface ExtractRequest {
  readonly snapshot: string;
  /** Empty: everything. */
  readonly selections: readonly Selection[];
  /** Absolute directory; null: the one selected stream goes to `output`. */
  readonly target: string | null;
  readonly overwrite: boolean;
  readonly output: (bytes: Uint8Array) => Promise<void>;
}

export interface ExtractReport {
  readonly components: readonly { readonly id: string; readonly files: number; readonly bytes: number; readonly path: string | null }[];
  readonly findings: readonly Finding[];
}

const EXTENSIONS: Readonly<Record<ManifestArtifact['format'], string>> = {
  tar: '.tar',
  pgdump: '.dump',
  sql: '.sql',
  json: '.json',
  jsonl: '.jsonl',
  sqlite: '.sqlite3',
};

/**
 * Gets components or parts of them out of a snapshot, without any engine: trees into `<target>/<component>/`, dumps into
 * `<target>/<component>.dump`; or one of them to `output` (a file's bytes, a tar for a directory). Rejects `usage` where nothing matches.
 */
export async function extract(
  repository: SnapshotRepository,
  request: ExtractRequest,
  events: EventSink,
  signal: AbortSignal,
  extractor: TarExtractor,
): Promise<ExtractReport> {
  const manifest = await repository.manifest(request.snapshot);
  const selected = selectComponents(manifest, request.selections);
  if (request.target === null && selected.length !== 1) {
    throw new McadsError('usage', `${selected.length} components cannot go to stdout at once`, {
      hint: 'name one of them, or give --target DIR',
    });
  }
  if (request.target !== null && !request.overwrite)
    for (const one of selected) await assertFree(one, { repository, target: request.target, extractor, signal });
  const components: ExtractReport['components'][number][] = [];
  const findings: Finding[] = [];
  for (const one of selected) {
    signal.throwIfAborted();
    events({ type: 'stage', stage: 'extract', detail: one.component.id });
    const run = { repository, request, extractor, signal, findings };
    components.push(artifactsOf(one.component).data.format === 'tar' ? await extractTree(one, run) : await extractDump(one, run));
  }
  return { components, findings };
}

interface Run {
  readonly repository: SnapshotRepository;
  readonly request: ExtractRequest;
  readonly extractor: TarExtractor;
  readonly signal: AbortSignal;
  readonly findings: Finding[];
}

interface Place {
  readonly repository: SnapshotRepository;
  readonly target: string;
  readonly extractor: TarExtractor;
  readonly signal: AbortSignal;
}

/** Before anything is written: nothing that exists may be in the way, but for empty directories where a directory is wanted. */
async function assertFree({ component, paths }: SelectedComponent, { repository, target, extractor, signal }: Place): Promise<void> {
  const { data, catalogue } = artifactsOf(component);
  const place = toRaw(`${target}/${component.id}`);
  if (data.format !== 'tar') {
    if ((await extractor.stateOf(`${place}${EXTENSIONS[data.format]}`)) !== 'missing') throw taken(`${place}${EXTENSIONS[data.format]}`);
    return;
  }
  const state = await extractor.stateOf(place);
  if (state === 'missing' || state === 'empty-directory') return;
  if (state === 'other') throw taken(place);
  const isSelected = pathFilter(paths);
  for await (const { path, type } of entriesOf(repository, data, catalogue, signal)) {
    if (!isSelected(path)) continue;
    const name = path === '' ? place : `${place}/${path}`;
    const found = await extractor.stateOf(name);
    if (found !== 'missing' && !(found === 'empty-directory' && type === 'd')) throw taken(name);
  }
}

async function* entriesOf(
  repository: SnapshotRepository,
  data: ManifestArtifact,
  catalogue: ManifestArtifact | null,
  signal: AbortSignal,
): AsyncGenerator<{ readonly path: RawPath; readonly type: string }> {
  if (catalogue === null) {
    for await (const event of scanTar(repository.read(data, signal))) if (event.kind === 'member') yield event.member;
  } else {
    for await (const entry of parseCatalogue(repository.read(catalogue, signal))) yield { path: rawPathOf(entry), type: entry.type };
  }
}

function taken(path: RawPath): McadsError {
  return new McadsError('usage', `${printableRaw(path)} exists already; nothing was written`, {
    hint: 'give another --target, or --overwrite to replace files and merge directories',
  });
}

async function extractTree({ component, paths }: SelectedComponent, run: Run): Promise<ExtractReport['components'][number]> {
  const { repository, request, extractor, signal, findings } = run;
  const { id } = component;
  const { data, catalogue } = artifactsOf(component);
  const selection =
    catalogue === null
      ? await selectWithoutCatalogue(repository.read(data, signal), paths)
      : await selectTree(repository, catalogue, paths, signal);
  if (selection.entries === 0 && paths !== null) throw nothingThere(id, paths, request.snapshot);
  for (const path of selection.torn) {
    const message = `${path} changed each time it was read when the snapshot was made; it may be a mixture`;
    findings.push({ severity: 'warning', code: 'torn', subject: `${id}:${path}`, message });
  }
  const tar = selectedTar(repository, data, selection, signal);
  const report = { id, files: selection.entries, bytes: selection.bytes };
  if (request.target === null) {
    const bytes = selection.onlyType === 'f' ? extractor.contentOf(tar, signal) : tar;
    for await (const piece of bytes) await request.output(piece);
    return { ...report, path: null };
  }
  const directory = `${request.target}/${id}`;
  for (const message of await extractor.extract(tar, directory, { overwrite: request.overwrite }, signal))
    findings.push({ severity: 'warning', code: 'extract-warning', subject: id, message });
  return { ...report, path: directory };
}

/** Small archives without a catalogue (the configuration) are read twice. */
async function selectWithoutCatalogue(tar: Bytes, paths: SelectedComponent['paths']): Promise<TreeSelection> {
  const isSelected = pathFilter(paths);
  const found = { entries: 0, bytes: 0, type: '' };
  for await (const event of scanTar(tar)) {
    if (event.kind !== 'member' || !isSelected(event.member.path)) continue;
    found.entries += 1;
    found.bytes += event.member.size;
    found.type = event.member.type;
  }
  const onlyType = found.entries === 1 ? found.type : null;
  return { segments: null, isSelected, renamed: new Map(), entries: found.entries, bytes: found.bytes, torn: [], onlyType };
}

async function extractDump({ component, paths }: SelectedComponent, run: Run): Promise<ExtractReport['components'][number]> {
  const { repository, request, extractor, signal } = run;
  const { id } = component;
  const { data } = artifactsOf(component);
  if (paths !== null) throw new McadsError('usage', `${id} is a dump and holds no paths`, { hint: `ask for ${id} alone` });
  const bytes = repository.read(data, signal);
  const report = { id, files: 1, bytes: data.bytes };
  if (request.target === null) {
    for await (const piece of bytes) await request.output(piece);
    return { ...report, path: null };
  }
  const path = `${request.target}/${id}${EXTENSIONS[data.format]}`;
  await extractor.save(bytes, path, { overwrite: request.overwrite }, signal);
  return { ...report, path };
}
