import { lstat, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Finding } from '../domain/finding.ts';
import { McadsError } from '../errors.ts';
import { isClassicEntry } from './classic-archives.ts';
import {
  newRepositoryConfig,
  parseRepositoryConfig,
  RECOVERY_KEY,
  REPOSITORY_COPY_KEY,
  REPOSITORY_KEY,
  unknownWriteFeatures,
  type RepositoryConfig,
} from './format.ts';
import { RECOVERY_TEXT } from './recovery-text.ts';
import { Repository, type RepositoryTuning } from './repository.ts';
import type { Store } from './store.ts';
import { errnoOf, guarded, makeFolder, nullIfMissing, storeError } from './stores/local-files.ts';
import { LocalStore } from './stores/local.ts';

export interface OpenRepositoryOptions extends RepositoryTuning {
  /** A directory, existing or to be made. */
  readonly path: string;
  /** `write` rejects where nothing can be written; `read` then gives a repository with `writable: false`. */
  readonly mode: 'read' | 'write';
  /** Make one where the path is missing, empty, or holds only files of the old scripts. */
  readonly create: boolean;
}

/** A project's own version control must not take the repository in. */
const GITIGNORE = '*\n';
const FOLDERS = ['chunks', 'segments', 'snapshots', 'incoming', 'locks'];

/**
 * Opens (or makes) the repository in a directory. Rejects `no-repository`, `foreign-folder` (nothing written), `newer-format`,
 * `forbidden`, `store-failed` and `damaged`.
 */
export async function openRepository(options: OpenRepositoryOptions): Promise<Repository> {
  const path = resolve(options.path);
  if (await holdsRepository(path, options.create)) await assertFolders(path);
  else await makeRepository(path);
  const store = await LocalStore.open(path);
  return openOn(store, options);
}

/** Opens a repository that exists in a store. */
export async function openOn(store: Store, options: Omit<OpenRepositoryOptions, 'path' | 'create'>): Promise<Repository> {
  const { config, bytes, damage } = await readConfig(store);
  const unknown = unknownWriteFeatures(config.features);
  if (options.mode === 'write') {
    if (store.refusal !== null) throw store.refusal;
    if (unknown.length > 0) {
      throw new McadsError('newer-format', `${store.location} can only be read here: it uses ${unknown.join(', ')}`, {
        hint: 'Update mcads-orchestrate on this machine.',
      });
    }
    if (damage !== null) await store.put(REPOSITORY_KEY, bytes);
    await refresh(store, REPOSITORY_COPY_KEY, bytes);
    await refresh(store, RECOVERY_KEY, Buffer.from(RECOVERY_TEXT));
  }
  return new Repository(store, config, { ...options, findings: damage === null ? [] : [ofDamage(damage, store, options.mode)] });
}

interface FoundConfig {
  readonly config: RepositoryConfig;
  readonly bytes: Buffer;
  /** Why they are the copy's. */
  readonly damage: string | null;
}

/** What is of a newer format is damaged in no way, and no copy of an older one stands in for it. */
async function readConfig(store: Store): Promise<FoundConfig> {
  const bytes = await store.get(REPOSITORY_KEY);
  try {
    if (bytes === null) throw new McadsError('no-repository', `there is no ${REPOSITORY_KEY} in ${store.location}`);
    return { config: parseRepositoryConfig(bytes, store.location), bytes, damage: null };
  } catch (error) {
    if (!(error instanceof McadsError) || error.code === 'newer-format') throw error;
    const copy = await store.get(REPOSITORY_COPY_KEY);
    const config = copy === null ? null : parsedOrNull(copy, store);
    if (copy === null || config === null) throw error;
    return { config, bytes: copy, damage: error.message };
  }
}

function parsedOrNull(bytes: Buffer, store: Store): RepositoryConfig | null {
  try {
    return parseRepositoryConfig(bytes, store.location);
  } catch (error) {
    if (error instanceof McadsError && error.code === 'damaged') return null;
    throw error;
  }
}

function ofDamage(damage: string, store: Store, mode: OpenRepositoryOptions['mode']): Finding {
  const what = mode === 'write' ? 'it was put back from its copy' : 'its copy stands in for it, and the next backup puts it back';
  return {
    severity: 'warning',
    code: 'repository-config-damaged',
    subject: store.location,
    message: `${damage}; ${what}`,
    hint: 'look at the health of the disk; verify reads everything',
  };
}

/** Makes a repository in an empty store; of two at the same time both get the same one. */
export async function createOn(store: Store, created = new Date()): Promise<RepositoryConfig> {
  const config = newRepositoryConfig(created);
  const bytes = Buffer.from(`${JSON.stringify(config, null, 2)}\n`);
  await store.put('.gitignore', Buffer.from(GITIGNORE));
  await refresh(store, RECOVERY_KEY, Buffer.from(RECOVERY_TEXT));
  // Before all else but those: a folder without it is no repository yet, whatever else a dead run made in it.
  if (await store.putIfAbsent(REPOSITORY_KEY, bytes)) await store.put(REPOSITORY_COPY_KEY, bytes);
  return config;
}

async function refresh(store: Store, key: string, bytes: Buffer): Promise<void> {
  const present = await store.get(key);
  if (present === null || !present.equals(bytes)) await store.put(key, bytes);
}

async function makeRepository(path: string): Promise<void> {
  await guarded(`making the repository folder ${path}`, async () => {
    await mkdir(path, { recursive: true, mode: 0o700 });
    for (const folder of FOLDERS) await makeFolder(join(path, folder));
  });
  await using store = await LocalStore.open(path);
  if (store.refusal !== null) throw store.refusal;
  await createOn(store);
}

/** False where one may be made. Throws before anything is written, `foreign-folder` where the folder holds something that is not ours. */
async function holdsRepository(path: string, mayMake: boolean): Promise<boolean> {
  try {
    const found = await nullIfMissing(stat(path));
    if (found === null && mayMake) return false;
    if (found === null) throw noRepository(path);
    if (!found.isDirectory()) throw foreign(path, 'it is not a directory');
    for (const key of [REPOSITORY_KEY, REPOSITORY_COPY_KEY]) if ((await nullIfMissing(stat(join(path, key)))) !== null) return true;
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (isClassicEntry(entry.name, entry.isDirectory()) || entry.name === 'lost+found') continue;
      if (await isOurSkeleton(path, entry.name)) continue;
      throw mayMake ? foreign(path, `it holds ${entry.name}`) : noRepository(path);
    }
    if (!mayMake) throw noRepository(path);
    return false;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw storeError(error, `looking at ${path}`);
  }
}

/**
 * A folder that is made with the repository and is a file or a link to nowhere now is damage, and so are lost snapshots: without them what
 * the chunks are for is forgotten, and a prune would remove them all.
 */
async function assertFolders(path: string): Promise<void> {
  for (const name of FOLDERS) {
    const folder = join(path, name);
    const [entry, leadsTo] = await guarded(`looking at ${folder}`, () =>
      Promise.all([nullIfMissing(lstat(folder)), nullIfMissing(stat(folder))]),
    );
    if (leadsTo?.isDirectory() === true) continue;
    if (entry !== null)
      throw new McadsError('damaged', `${folder} is ${leadsTo === null ? 'a link to nowhere' : 'no folder'}`, {
        hint: 'Put the folder back where it belongs; nothing was read or written.',
      });
    if (name === 'snapshots' && (await holdsChunks(path)))
      throw new McadsError('damaged', `${path} holds chunks but no folder ${name}`, {
        hint: `Put ${name}/ back from a copy. RECOVERY.md, section 7, finds copies of the manifests; for those, make the folder anew.`,
      });
  }
}

async function holdsChunks(path: string): Promise<boolean> {
  const found = await guarded(`looking at ${path}/chunks`, () => nullIfMissing(readdir(join(path, 'chunks'))));
  return found !== null && found.length > 0;
}

/** What a run leaves that died while it made a repository: empty folders and the two fixed files. */
async function isOurSkeleton(path: string, name: string): Promise<boolean> {
  if (name === '.gitignore') return (await readFile(join(path, name), 'latin1')) === GITIGNORE;
  if (name === RECOVERY_KEY || /^\.(\.gitignore|RECOVERY\.md|repository\.json)\.[0-9a-f]+\.tmp$/.test(name)) return true;
  if (!FOLDERS.includes(name)) return false;
  if ((await readdir(join(path, name))).length === 0) return true;
  throw new McadsError('damaged', `${path} holds chunks or snapshots but no ${REPOSITORY_KEY}`, {
    hint: `Put ${REPOSITORY_KEY} back from a copy; RECOVERY.md gets the data out without it.`,
  });
}

function noRepository(path: string): McadsError {
  return new McadsError('no-repository', `there is no repository in ${path}`, {
    hint: 'The first backup makes one; --repository names another place.',
  });
}

function foreign(path: string, why: string): McadsError {
  return new McadsError('foreign-folder', `${path} cannot become a repository: ${why}`, {
    hint: 'Choose an empty or missing folder with --repository. Nothing was written.',
  });
}
