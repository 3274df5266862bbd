import type { ArchiveManifest } from '../domain/archive.ts';
import { isJsonObject, type JsonObject } from '../domain/byte-stream.ts';
import { componentId, parseComponentId, type ComponentId } from '../domain/component.ts';
import type { Uncovered } from '../domain/finding.ts';
import type { ComponentDetails, FailedComponent, Manifest, ManifestArtifact } from '../domain/manifest.ts';
import { timeOf } from '../domain/snapshot-name.ts';
import { McadsError } from '../errors.ts';
import { printableRaw } from '../stream/catalogue.ts';
import { classicComponent, isTree } from './archive-layout.ts';
import type { CheckedArchive, CheckedFile } from './check-archive.ts';
import type { PlannedImport, StoredImport } from './import-writer.ts';

export interface ImportPlan {
  readonly files: readonly PlannedImport[];
  readonly failed: readonly FailedComponent[];
  readonly uncovered: readonly Uncovered[];
}

export interface ImportSource {
  /** Name of the archive. */
  readonly file: string;
  readonly sha256: string;
  readonly tool: { readonly name: string; readonly version: string };
  /** Id of the repository that it goes into. */
  readonly repository: string;
  readonly newChunks: number;
}

const SQLITE_MAGIC = 'SQLite format 3\0';
const UNKNOWN = 'unknown';
/** What an export writes beside the names of the old scripts. */
const OWN_LAYOUT = /^(?:databases|volumes|binds|images)\//;

/** SHA-256 of the archive that a component was imported from; null where it was not. */
export function importedFrom(facts: ComponentDetails['facts']): string | null {
  const source = facts['importedFrom'];
  return isJsonObject(source) && typeof source['sha256'] === 'string' ? source['sha256'] : null;
}

/** What becomes of the files of an old archive, by their names. */
export function adoptionPlan(checked: CheckedArchive): ImportPlan {
  const files: PlannedImport[] = [];
  const failed: FailedComponent[] = [];
  const uncovered: Uncovered[] = [];
  for (const one of checked.files) {
    const component = classicComponent(one.file);
    if (component === null && OWN_LAYOUT.test(one.file)) {
      const reason = 'this tool wrote it into its archive, and what says what it is (mcads_manifest.json) is missing';
      failed.push({ id: componentId('files', one.file), status: 'failed', reason });
      continue;
    }
    if (component === null) {
      uncovered.push({ subject: one.file, reason: 'a file that no known script writes; it stays in the archive only' });
      continue;
    }
    const reason = whyUnusable(one, component.format);
    if (reason !== null) failed.push({ id: component.id, status: 'failed', reason });
    else files.push({ file: one.file, ...component, how: howOf(one.file, component.id), prefix: one.tree?.folder ?? '' });
  }
  if (files.length === 0) throw new McadsError('usage', `${checked.name.full} holds nothing that can be imported`);
  return { files, failed: failed.toSorted((a, b) => (a.id < b.id ? -1 : 1)), uncovered };
}

function howOf(file: string, id: ComponentId): PlannedImport['how'] {
  if (id === 'config') return 'adopted-config';
  if (id === 'state') return 'system-info';
  return isTree(file) ? 'tree' : 'bytes';
}

function whyUnusable({ head, bytes, tree, file }: CheckedFile, format: ManifestArtifact['format']): string | null {
  if (tree !== null && tree.soleSymlink !== null)
    return `${file} holds nothing but a symbolic link to ${tree.soleSymlink}: the files themselves are not in the archive`;
  if (format === 'sqlite' && bytes > 0 && !head.toString('latin1').startsWith(SQLITE_MAGIC)) return `${file} is no SQLite database`;
  return null;
}

/** The manifest of an old archive: what its name and its files tell. */
export function adoptedManifest(
  checked: CheckedArchive,
  plan: ImportPlan,
  stored: readonly StoredImport[],
  source: ImportSource,
): Manifest {
  const { name } = checked;
  const at = (timeOf(name.time) ?? new Date(0)).toISOString();
  const details: Record<string, ComponentDetails> = {};
  for (const one of stored) {
    details[one.id] = {
      outcome: 'captured',
      how: `${one.file} of an archive`,
      because: 'detected',
      consistency: 'archive',
      startedAt: at,
      finishedAt: at,
      bytes: one.bytes,
      storedBytes: one.storedBytes,
      facts: { ...factsOf(one, source), ...ownerFact(one, checked) },
      findings: one.findings,
    };
  }
  const failures = plan.failed.map(({ id, reason }) => ({
    severity: 'error' as const,
    code: 'component-failed',
    subject: id,
    message: reason,
  }));
  return {
    format: 1,
    features: { read: [], write: [] },
    name: name.full,
    repository: source.repository,
    components: componentsOf(stored),
    sealed: {
      project: name.project,
      strategy: name.strategy,
      completeness: plan.failed.length === 0 ? 'complete' : 'partial',
      startedAt: at,
      finishedAt: at,
      tool: source.tool,
      host: { name: UNKNOWN, platform: UNKNOWN, node: UNKNOWN },
      engine: null,
      workingDirectory: null,
      environment: {},
      components: details,
      failed: plan.failed,
      uncovered: plan.uncovered,
      findings: [...stored.flatMap(({ findings }) => findings), ...failures],
      stats: statsOf(stored, source, 0),
      parents: [],
    },
  };
}

/** What becomes of the files of our own archive: what they were. */
export function recordedPlan({ files, snapshot }: ArchiveManifest): ImportPlan {
  const planned = files.flatMap(({ file, component, format, prefix }): readonly PlannedImport[] => {
    const id = component === null ? null : parseComponentId(component);
    if (id === null || format === 'text') return [];
    const artifacts = snapshot.components.find((one) => one.id === id)?.artifacts ?? [];
    const hasCatalogue = artifacts.some(({ name }) => name === 'catalogue');
    const packed = id === 'config' && snapshot.sealed.strategy === 'host' ? 'classic-config' : 'packed';
    const how = !isTree(file) ? 'bytes' : hasCatalogue ? 'tree' : packed;
    return [{ file, id, format, how, prefix: Buffer.from(prefix.replace(/\/$/, ''), 'utf8').toString('latin1') }];
  });
  return { files: planned, failed: [], uncovered: [] };
}

/** The manifest of our own archive: as it was recorded, and where its components are now. */
export function recordedManifest(recorded: ArchiveManifest, stored: readonly StoredImport[], source: ImportSource): Manifest {
  const { snapshot } = recorded;
  const details: Record<string, ComponentDetails> = {};
  for (const one of stored) {
    const before = snapshot.sealed.components[one.id];
    if (before === undefined) throw new McadsError('damaged', `nothing is recorded of ${one.id}`); // checked before
    const { bytes, storedBytes } = one;
    const facts = { ...before.facts, ...factsOf(one, source) };
    details[one.id] = { ...before, outcome: 'captured', bytes, storedBytes, facts, findings: [...before.findings, ...one.findings] };
  }
  return {
    format: 1,
    features: { read: [], write: [] },
    name: snapshot.name,
    repository: source.repository,
    components: componentsOf(stored),
    sealed: {
      ...snapshot.sealed,
      components: details,
      findings: [...snapshot.sealed.findings, ...stored.flatMap(({ findings }) => findings)],
      stats: statsOf(stored, source, snapshot.sealed.stats.seconds),
      parents: [],
    },
  };
}

function componentsOf(stored: readonly StoredImport[]): Manifest['components'] {
  return stored.map(({ id, artifacts }) => ({ id, artifacts })).toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function factsOf({ file, prefix }: StoredImport, source: ImportSource): JsonObject {
  const folder = prefix === '' ? {} : { folder: printableRaw(prefix) };
  return { importedFrom: { archive: source.file, sha256: source.sha256, file, ...folder } };
}

/** A tree's tar says of its files whose they are; of a database the archive itself does. */
function ownerFact({ format, file }: StoredImport, { files }: CheckedArchive): JsonObject {
  const owner = format === 'sqlite' ? files.find((one) => one.file === file)?.owner : undefined;
  return owner === undefined ? {} : { owner };
}

function statsOf(stored: readonly StoredImport[], { newChunks }: ImportSource, seconds: number): Manifest['sealed']['stats'] {
  return {
    bytes: stored.reduce((sum, { bytes }) => sum + bytes, 0),
    newBytes: stored.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    seconds,
    newChunks,
  };
}
