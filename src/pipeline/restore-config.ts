import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { Finding } from '../domain/finding.ts';
import type { HostWriter } from '../domain/host-writer.ts';
import type { Manifest, ManifestArtifact } from '../domain/manifest.ts';
import type { HostFiles, SnapshotRepository } from '../domain/ports.ts';
import type { JournalFile, PlannedFile, PlannedRestore, RestorePlan, RestoreRun } from '../domain/restore.ts';
import { McadsError } from '../errors.ts';
import { stagingName } from '../stream/restore-commands.ts';
import { RESOLVED_MODEL } from './config-tar.ts';
import { recordedFiles } from './recorded-config.ts';
import { artifactsOf } from './select-components.ts';

export interface ConfigPlace {
  /** Where `project/…` goes. */
  readonly directory: string;
  /** Replace what differs. */
  readonly replace: boolean;
  /** What lies outside of the directory is the original's: a project beside writes nothing there. */
  readonly insideOnly?: boolean;
  /** Why nothing is written at all; null where it is. */
  readonly unwritable: string | null;
}

const LONGEST_NAME = 200;

/** What happens to each recorded file, seen without changing anything. */
export async function planConfig(
  repository: SnapshotRepository,
  artifact: ManifestArtifact,
  place: ConfigPlace,
  host: HostFiles,
  signal: AbortSignal,
): Promise<readonly PlannedFile[]> {
  const planned: PlannedFile[] = [];
  for await (const { name, bytes } of recordedFiles(repository, artifact, signal)) {
    const path = pathOf(name, place.directory);
    if (path === null) continue;
    if (place.insideOnly === true && !path.startsWith(`${place.directory}/`)) continue;
    if (place.unwritable !== null) {
      planned.push({ path: shown(path, place.directory), action: 'keep' });
      continue;
    }
    const there = await lookAt(path, host);
    const same = there !== null && Buffer.compare(there, bytes) === 0;
    const action = same ? 'same' : there === null ? 'create' : place.replace ? 'replace' : 'keep';
    const createdFrom = action === 'create' ? await missingDirectory(path, host) : null;
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    planned.push({ path: shown(path, place.directory), action, createdFrom, sha256 });
  }
  return planned;
}

/** Empty where something is there that cannot be read: it differs, and a file of ours would replace it only when asked. */
async function lookAt(path: string, host: HostFiles): Promise<Uint8Array | null> {
  try {
    const file = await host.readFile(path);
    if (file !== null) return file.bytes;
  } catch (error) {
    if (!(error instanceof McadsError) || error.code !== 'forbidden') throw error;
    return new Uint8Array();
  }
  return (await host.identify(path)) === null ? null : new Uint8Array();
}

async function missingDirectory(path: string, host: HostFiles): Promise<string | null> {
  let missing: string | null = null;
  for (let at = posix.dirname(path); at !== '/' && (await host.identify(at)) === null; at = posix.dirname(at)) missing = at;
  return missing;
}

/** For people: what happened to the files as a whole. */
export function describeConfig(files: readonly PlannedFile[], place: ConfigPlace): string {
  if (place.unwritable !== null) return place.unwritable;
  const counts = (['create', 'replace', 'keep', 'same'] as const)
    .map((action) => [action, files.filter((file) => file.action === action).length] as const)
    .filter(([, count]) => count > 0);
  const words = { create: 'created', replace: 'replaced', keep: 'different and kept', same: 'the same' } as const;
  return counts.length === 0 ? 'no files' : `files: ${counts.map(([action, count]) => `${count} ${words[action]}`).join(', ')}`;
}

/** What will be replaced or made, for the journal. */
export function journalFilesOf({ components }: RestorePlan, run: RestoreRun): readonly JournalFile[] {
  return components.flatMap(({ target }) =>
    target.kind !== 'config'
      ? []
      : target.files.flatMap((file): readonly JournalFile[] => {
          const path = posix.resolve(target.directory, file.path);
          const { sha256, createdFrom = null } = file;
          if (file.action === 'replace') return [{ path, kept: keptName(path, run), createdFrom: null, sha256 }];
          return file.action === 'create' ? [{ path, kept: null, createdFrom, sha256 }] : [];
        }),
  );
}

export interface AppliedConfig {
  readonly findings: readonly Finding[];
  /** Absolute paths that were missing when the restore was planned and that somebody has written since: they are theirs. */
  readonly theirs: ReadonlySet<string>;
}

/** Writes what the plan says: what it replaces is moved aside first. */
export async function applyConfig(
  plan: RestorePlan,
  manifest: Manifest,
  repository: SnapshotRepository,
  writer: HostWriter,
  run: RestoreRun,
  signal: AbortSignal,
): Promise<AppliedConfig> {
  const config = plan.components.find(({ target }) => target.kind === 'config');
  if (config?.target.kind !== 'config') return { findings: [], theirs: new Set() };
  const { directory, files } = config.target;
  const wanted = new Map(files.map((file) => [posix.resolve(directory, file.path), file.action]));
  const notGiven: string[] = [];
  const theirs = new Set<string>();
  for await (const { name, bytes, ...attributes } of recordedFiles(repository, dataOf(config, manifest), signal)) {
    const path = pathOf(name, directory);
    const action = path === null ? undefined : wanted.get(path);
    if (path === null || (action !== 'create' && action !== 'replace')) continue;
    if (action === 'replace') await writer.rename(path, keptName(path, run));
    const written = await (action === 'create' ? writer.writeNew(path, bytes, attributes) : writer.write(path, bytes, attributes));
    if (written === null) theirs.add(path);
    else if (!written.hasOwner) notGiven.push(shown(path, directory));
  }
  const kept = [...theirs].map((path) => theirsFinding(shown(path, directory)));
  return { findings: [...kept, ...(notGiven.length === 0 ? [] : [ownersFinding(notGiven)])], theirs };
}

function theirsFinding(path: string): Finding {
  return {
    severity: 'warning',
    code: 'written-meanwhile',
    subject: path,
    message: 'it was missing when the restore was planned and has been written since: it is kept as it is',
    hint: 'restore again with --with-config to replace it',
  };
}

function ownersFinding(paths: readonly string[]): Finding {
  return {
    severity: 'warning',
    code: 'owner-not-set',
    subject: 'config',
    message: `this user may not give ${paths.slice(0, 5).join(', ')}${paths.length > 5 ? ', …' : ''} to the owner and group that the snapshot records`,
    hint: 'restore with sudo, or chown them; nothing else of them is missing',
  };
}

/** Back to what was there: idempotent. Calls back with what was put back and with what stays because somebody has written it since, for people. */
export async function revertFiles(
  files: readonly JournalFile[],
  writer: HostWriter,
  done: (what: string) => void,
  stays: (what: string) => void,
): Promise<void> {
  for (const { path, kept, createdFrom, sha256 } of files.toReversed()) {
    if (kept !== null) {
      if (await writer.rename(kept, path)) done(`put back ${path}`);
      continue;
    }
    if ((await writer.removeSame(path, sha256)) === 'changed') stays(`${path} was not there before, and is not what the restore writes`);
    const top = createdFrom ?? null;
    for (let at = posix.dirname(path); top !== null && (at === top || at.startsWith(`${top}/`)); at = posix.dirname(at))
      await writer.removeEmptyDirectory(at);
  }
}

function dataOf({ id }: PlannedRestore, manifest: Manifest): ManifestArtifact {
  const component = manifest.components.find((one) => one.id === id);
  if (component === undefined) throw new McadsError('damaged', `${manifest.name} lost its component ${id}`);
  return artifactsOf(component).data;
}

/** Null for what is no file of the project's. */
function pathOf(name: string, directory: string): string | null {
  if (name === RESOLVED_MODEL) return null;
  if (name.startsWith('project/')) return posix.join(directory, name.slice('project/'.length));
  if (name.startsWith('host/')) return `/${name.slice('host/'.length)}`;
  return null;
}

function shown(path: string, directory: string): string {
  return path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : path;
}

/** Beside the file, under a name that no backup captures and no swap moves. */
function keptName(path: string, run: RestoreRun): string {
  const name = posix.basename(path);
  const short = Buffer.byteLength(name) <= LONGEST_NAME ? name : createHash('sha256').update(name).digest('hex');
  return posix.join(posix.dirname(path), `${stagingName(run)}-${short}`);
}
