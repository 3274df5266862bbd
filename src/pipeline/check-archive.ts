import { createHash } from 'node:crypto';
import { ARCHIVE_MANIFEST, type ArchiveManifest } from '../domain/archive.ts';
import { parseSnapshotName, type SnapshotName } from '../domain/snapshot-name.ts';
import { compareWalkOrder, type RawPath } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { tarEvents, UnpackBudget, type ArchiveMember, type ArchiveReader } from '../stream/archive-reader.ts';
import { printableRaw } from '../stream/catalogue.ts';
import { decompressed } from '../stream/gzip.ts';
import { leadsOut } from '../stream/tar-rename.ts';
import { classicComponent, classicPrefix, isTree, SYSTEM_INFO } from './archive-layout.ts';
import { parseArchiveManifest } from './archive-manifest.ts';
import { HostileMembers } from './tree-selection.ts';
import { toRaw } from '../stream/raw-path.ts';

/** A tar inside the archive. */
export interface CheckedTree {
  readonly members: number;
  /** In walk order and no name twice, so that it can be stored as it comes. */
  readonly isSorted: boolean;
  readonly isUnder: (prefix: RawPath) => boolean;
  /** Where the folder that the tree is named after lies in it (`media`, `opt/app/media`); null: not every member is below one. */
  readonly folder: RawPath | null;
  /** Names that hard links of the tree point to. */
  readonly linkTargets: ReadonlySet<RawPath>;
  /** What it consists of where it is a single symlink. */
  readonly soleSymlink: string | null;
  readonly devices: readonly RawPath[];
}

export interface CheckedFile {
  /** Below the archive's folder. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly head: Buffer;
  /** As its member in the archive says; `mtimeMs` in whole milliseconds. */
  readonly owner: { readonly mode: number; readonly uid: number; readonly gid: number; readonly mtimeMs: number };
  /** Null for what is no `.tar.gz`. */
  readonly tree: CheckedTree | null;
}

/** An archive that was read to its last byte. */
export interface CheckedArchive {
  readonly name: SnapshotName;
  readonly sha256: string;
  readonly bytes: number;
  readonly plainBytes: number;
  readonly files: readonly CheckedFile[];
  /** Null for those of the old scripts. */
  readonly manifest: ArchiveManifest | null;
  readonly systemInfo: string | null;
}

const LARGEST_TEXT = 64 * 1024 * 1024;
const HEAD_BYTES = 16;

/**
 * Reads a classic archive in full: checksums, tar structure, inner archives, names, sizes, and for our own that every file is the one that was
 * written. Changes nothing. Rejects `damaged` for whatever is not whole or not harmless, `usage` for a tar that is no backup.
 */
export async function checkArchive(reader: ArchiveReader, budget: UnpackBudget, signal: AbortSignal): Promise<CheckedArchive> {
  const files: CheckedFile[] = [];
  const texts = new Map<string, Buffer>();
  let name: SnapshotName | null = null;
  for await (const { member, body } of reader.members(budget, signal)) {
    const { path, type } = member;
    if (leadsOut(path) || path.startsWith('/')) throw hostile(reader.path, path, 'leads out of it');
    if (type !== 'f' && type !== 'd') throw hostile(reader.path, path, 'is neither a file nor a folder');
    if (!/^(?:x?|LK?|KL?)$/.test(member.extensions)) throw hostile(reader.path, path, 'has headers that no backup writes');
    if (path === '') continue;
    const [folder = '', ...rest] = printableRaw(path).split('/');
    name ??= parseSnapshotName(folder);
    if (name === null || name.full !== folder) throw notOurs(reader.path, folder);
    const file = rest.join('/');
    if (type === 'd') continue;
    if (files.some((one) => one.file === file)) throw hostile(reader.path, path, 'stands in it twice');
    files.push(await checkFile(file, { member, body }, `${file} in ${reader.path}`, budget, texts));
  }
  if (name === null) throw notOurs(reader.path, 'nothing');
  const recorded = texts.get(ARCHIVE_MANIFEST);
  const manifest = recorded === undefined ? null : parseArchiveManifest(recorded, reader.path);
  if (manifest !== null) assertAsWritten(manifest, files, name, reader.path);
  const { sha256, bytes } = reader;
  return { name, sha256, bytes, plainBytes: budget.used, files, manifest, systemInfo: texts.get(SYSTEM_INFO)?.toString('utf8') ?? null };
}

async function checkFile(
  file: string,
  { member, body }: ArchiveMember,
  what: string,
  budget: UnpackBudget,
  texts: Map<string, Buffer>,
): Promise<CheckedFile> {
  const hash = createHash('sha256');
  const kept: Uint8Array[] = [];
  let head = Buffer.alloc(0);
  const isText = file === ARCHIVE_MANIFEST || file === SYSTEM_INFO;
  if (isText && member.storedSize > LARGEST_TEXT) throw new McadsError('damaged', `${what} is too large: ${member.storedSize} bytes`);
  async function* observed(): AsyncGenerator<Uint8Array> {
    for await (const piece of body) {
      hash.update(piece);
      if (head.length < HEAD_BYTES) head = Buffer.concat([head, piece.subarray(0, HEAD_BYTES - head.length)]);
      if (isText) kept.push(Buffer.from(piece)); // the reader's buffers are views
      yield piece;
    }
  }
  let tree: CheckedTree | null = null;
  if (isTree(file)) tree = await checkTree(file, observed(), what, budget);
  else for await (const piece of observed()) void piece;
  if (isText) texts.set(file, Buffer.concat(kept));
  const { mode, uid, gid, mtime } = member;
  const owner = { mode: mode & 0o7777, uid, gid, mtimeMs: Math.floor(Number(mtime) * 1000) };
  return { file, bytes: member.storedSize, sha256: hash.digest('hex'), head, owner, tree };
}

async function checkTree(file: string, body: AsyncGenerator<Uint8Array>, what: string, budget: UnpackBudget): Promise<CheckedTree> {
  const hostileMembers = new HostileMembers();
  const id = classicComponent(file)?.id;
  const folderName = id === undefined ? null : classicPrefix(id);
  const folders = new CommonFolder(folderName);
  const linkTargets = new Set<RawPath>();
  const devices: RawPath[] = [];
  let members = 0;
  let isSorted = true;
  let before: RawPath | null = null;
  let sole: string | null = null;
  for await (const { kind, ...event } of tarEvents(budget.through(decompressed(body, what)), what)) {
    if (kind === 'data' || !('member' in event)) continue;
    const { member } = event;
    hostileMembers.assertHarmless(member);
    const { path, type, target } = member;
    if (type === 'link' && target !== null && target !== path) linkTargets.add(target);
    if (type === 'b' || type === 'c') devices.push(path);
    if (before !== null && compareWalkOrder(before, path) >= 0) isSorted = false;
    folders.see(path);
    sole = members === 0 && type === 'l' ? (target ?? '') : null;
    before = path;
    members += 1;
  }
  return {
    members,
    isSorted,
    isUnder: (prefix) => folders.isUnder(prefix),
    folder: folders.folder,
    linkTargets,
    soleSymlink: sole === null ? null : printableRaw(sole),
    devices,
  };
}

/** The longest folder that all members are in, and where the one with the wanted name is. */
class CommonFolder {
  readonly #wanted: RawPath | null;
  #common: readonly string[] | null = null;

  constructor(wanted: string | null) {
    this.#wanted = wanted === null ? null : toRaw(wanted);
  }

  see(path: RawPath): void {
    const names = path.split('/');
    if (this.#common === null) {
      this.#common = names;
      return;
    }
    let same = 0;
    while (same < this.#common.length && this.#common[same] === names[same]) same += 1;
    if (same < this.#common.length) this.#common = this.#common.slice(0, same);
  }

  isUnder(prefix: RawPath): boolean {
    return this.#common === null || prefix === '' || `${this.#common.join('/')}/`.startsWith(`${prefix}/`);
  }

  get folder(): RawPath | null {
    if (this.#wanted === null || this.#common === null) return null;
    const at = this.#common.indexOf(this.#wanted);
    return at < 0 ? null : this.#common.slice(0, at + 1).join('/');
  }
}

/** Our own archives say of each file what it was. */
function assertAsWritten(manifest: ArchiveManifest, files: readonly CheckedFile[], name: SnapshotName, archive: string): void {
  const { sealed } = manifest.snapshot;
  const fail = (why: string): never => {
    throw new McadsError('damaged', `${archive} is not as it was written: ${why}`, {
      hint: 'get another copy of it; nothing was imported',
    });
  };
  if (manifest.snapshot.name !== name.full || sealed.project !== name.project || sealed.strategy !== name.strategy)
    fail(`its manifest is that of ${manifest.snapshot.name}`);
  for (const one of manifest.files) {
    const found = files.find(({ file }) => file === one.file);
    if (found === undefined) fail(`${one.file} is missing`);
    else if (found.bytes !== one.bytes || found.sha256 !== one.sha256) fail(`${one.file} differs`);
    else if (found.tree?.isUnder(one.prefix.replace(/\/$/, '')) === false) fail(`${one.file} holds names outside of ${one.prefix}`);
  }
  const stranger = files.find(({ file }) => file !== ARCHIVE_MANIFEST && manifest.files.every((one) => one.file !== file));
  if (stranger !== undefined) fail(`${stranger.file} was added`);
  for (const { id, artifacts } of manifest.snapshot.components) {
    if (manifest.files.filter(({ component }) => component === id).length !== 1) fail(`${id} is missing`);
    if (sealed.components[id] === undefined || artifacts.every((one) => one.name !== 'data')) fail(`nothing is recorded of ${id}`);
  }
  const unknown = manifest.files.find(
    ({ component }) => component !== null && manifest.snapshot.components.every(({ id }) => id !== component),
  );
  if (unknown !== undefined) fail(`nothing is recorded of ${unknown.file}`);
}

function hostile(archive: string, path: RawPath, why: string): McadsError {
  return new McadsError('damaged', `${archive} holds a member that ${why}: ${printableRaw(path)}`, {
    hint: 'this was not written by a backup; do not extract it with other tools either',
  });
}

function notOurs(archive: string, folder: string): McadsError {
  return new McadsError('usage', `${archive} is no backup archive: it holds ${folder === '' ? 'nothing' : folder}`, {
    hint: 'an archive holds one folder named like mcads_system_backup_20250801_142905',
  });
}
