import { kindOf } from '../domain/component.ts';
import type { Manifest, ManifestArtifact } from '../domain/manifest.ts';
import type { SnapshotRepository } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import { parseCatalogue } from '../stream/catalogue.ts';
import { BLOCK, encodePaxMember, encodeTarHeader, paddedSize } from '../stream/tar-header.ts';
import { scanTar } from '../stream/tar-scanner.ts';
import type { DrilledComponent } from './drilled-component.ts';
import { injectedFrom } from './injected-files.ts';
import { toText } from '../stream/raw-path.ts';

/** A file of the source's host that containers mounted: it is put into those of the copy. */
export interface HeldFile {
  readonly bytes: Uint8Array;
  readonly mode: number;
  /** Where it keeps its mode and its owner. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

const LARGEST_TOTAL = 256 * 1024 * 1024;

/** Files of the configuration (secrets and configs are among them) and binds of single files, by host path. */
export async function heldFilesOf(
  components: readonly DrilledComponent[],
  manifest: Manifest,
  repository: SnapshotRepository,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, HeldFile>> {
  const held = new Map<string, HeldFile>();
  const directory = manifest.sealed.workingDirectory;
  for (const component of components) {
    const kind = kindOf(component.id);
    const hostPath = component.details.facts['hostPath'];
    if (kind === 'config') {
      for await (const [name, file] of filesOf(component.data, repository, signal)) {
        const path = hostPathOf(name, directory) ?? (injectedFrom(name) === null ? null : name);
        if (path !== null) held.set(path, file);
      }
    } else if (kind === 'bind' && typeof hostPath === 'string' && (await isSingleFile(component, repository, signal))) {
      for await (const [, file] of filesOf(component.data, repository, signal)) held.set(hostPath, file);
    }
  }
  return held;
}

/** Names inside the configuration's archive: below the project directory, or below the root. */
function hostPathOf(name: string, directory: string | null): string | null {
  if (name.startsWith('host/')) return name.slice('host'.length);
  return name.startsWith('project/') && directory !== null ? `${directory}${name.slice('project'.length)}` : null;
}

async function isSingleFile(
  { catalogue, details }: DrilledComponent,
  repository: SnapshotRepository,
  signal: AbortSignal,
): Promise<boolean> {
  if (catalogue === null || details.facts['entries'] !== 1) return false;
  for await (const entry of parseCatalogue(repository.read(catalogue, signal))) return entry.type === 'f';
  return false;
}

async function* filesOf(
  data: ManifestArtifact,
  repository: SnapshotRepository,
  signal: AbortSignal,
): AsyncGenerator<readonly [name: string, file: HeldFile]> {
  if (data.bytes > LARGEST_TOTAL) throw new McadsError('component-failed', 'a mounted file is too large to be put into a container');
  let open: { readonly name: string; readonly mode: number; readonly parts: Buffer[]; left: number } | null = null;
  for await (const event of scanTar(repository.read(data, signal))) {
    if (event.kind === 'member') {
      if (open !== null) yield [open.name, { bytes: Buffer.concat(open.parts), mode: open.mode }];
      const { path, type, mode, storedSize, sparse } = event.member;
      const name = toText(path);
      open = type === 'f' && !sparse ? { name, mode, parts: [], left: storedSize } : null;
    } else if (open !== null) {
      const mine = event.bytes.subarray(0, open.left);
      open.parts.push(Buffer.from(mine));
      open.left -= mine.length;
    }
  }
  if (open !== null) yield [open.name, { bytes: Buffer.concat(open.parts), mode: open.mode }];
}

/** Those of a service that Compose had put into its containers, by what `heldFilesOf` has them under. */
export function injectedInto(
  service: string,
  held: ReadonlyMap<string, HeldFile>,
): readonly { readonly target: string; readonly file: HeldFile }[] {
  return [...held].flatMap(([name, file]) => {
    const injected = injectedFrom(name);
    return injected?.service === service ? [{ target: injected.target, file }] : [];
  });
}

/** A tar that puts files at absolute paths. Everybody in the container may read them, the copy has no other users, but where an owner is known. */
export async function* tarOfFiles(files: readonly { readonly target: string; readonly file: HeldFile }[]): AsyncGenerator<Uint8Array> {
  for (const { target, file } of files) {
    const name = Buffer.from(target.replace(/^\/+/, '')).toString('latin1');
    const { length: size } = file.bytes;
    const mode = file.owner === undefined ? 0o444 | (file.mode & 0o111) : file.mode;
    const { uid, gid } = file.owner ?? { uid: 0, gid: 0 };
    const header = encodeTarHeader({ name, type: '0', mode, uid, gid, size, mtime: 0, linkName: '' });
    const plain = name.length <= 100 && /^[\x20-\x7e]*$/.test(name);
    yield plain ? header : Buffer.concat([encodePaxMember([['path', name]], 'PaxHeaders/long-name'), header]);
    yield file.bytes;
    yield Buffer.alloc(paddedSize(size) - size);
  }
  yield Buffer.alloc(2 * BLOCK);
}
