import { chmod, chown, lchown, link, lutimes, mkdir, open, symlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Bytes } from '../domain/byte-stream.ts';
import type { RawPath } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { scanTar, type TarMember } from '../stream/tar-scanner.ts';
import { bytesOf } from './node-walk.ts';
import { utimeOf } from './node-times.ts';
import { toText } from '../stream/raw-path.ts';

/**
 * Extracts a tar whose members are known to be harmless into an empty folder, with owners (as root), modes and times. Decision: not tar-fs'
 * own extraction, which drops setuid bits, times of symlinks and names that are not UTF-8. Resolves with what could not be made.
 */
export async function extractTar(tar: Bytes, folder: string, signal: AbortSignal): Promise<readonly string[]> {
  const run = new Extraction(folder);
  try {
    for await (const event of scanTar(tar)) {
      signal.throwIfAborted();
      if (event.kind === 'member') await run.begin(event.member);
      else await run.write(event.bytes);
    }
    await run.finish();
  } finally {
    await run.close();
  }
  return run.warnings;
}

class Extraction {
  readonly warnings: string[] = [];
  readonly #folder: string;
  readonly #isRoot = process.getuid?.() === 0;
  /** Set last, deepest first: what is made in them changes their times, and their modes may forbid it. */
  readonly #directories: TarMember[] = [];
  #file: { readonly handle: FileHandle; readonly member: TarMember; left: number } | null = null;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async begin(member: TarMember): Promise<void> {
    await this.#endFile();
    const place = bytesOf(this.#folder, member.path);
    switch (member.type) {
      case 'd':
        if (member.path !== '') await mkdir(place, { mode: 0o700 });
        this.#directories.push(member);
        return;
      case 'f':
        if (member.sparse) throw needsTar(member.path, 'a sparse file');
        this.#file = { handle: await open(place, 'wx', 0o600), member, left: member.size };
        return;
      case 'l':
        await symlink(Buffer.from(member.target ?? '', 'latin1'), place);
        await this.#settle(place, member);
        return;
      case 'link':
        await link(bytesOf(this.#folder, member.target ?? ''), place);
        return;
      default:
        this.warnings.push(`${shown(member.path)} is a FIFO or device, which is not made without GNU tar`);
    }
    if ([...member.pax.keys()].some((key) => key.startsWith('SCHILY.')))
      this.warnings.push(`${shown(member.path)} loses its attributes without GNU tar`);
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#file === null) return;
    const piece = bytes.subarray(0, this.#file.left);
    this.#file.left -= piece.length;
    let done = 0;
    while (done < piece.length) done += (await this.#file.handle.write(piece, done, piece.length - done)).bytesWritten;
  }

  async finish(): Promise<void> {
    await this.#endFile();
    for (const member of this.#directories.toReversed()) await this.#settle(bytesOf(this.#folder, member.path), member);
  }

  async close(): Promise<void> {
    await this.#file?.handle.close();
  }

  async #endFile(): Promise<void> {
    if (this.#file === null) return;
    const { handle, member } = this.#file;
    this.#file = null;
    await handle.sync();
    await handle.close();
    await this.#settle(bytesOf(this.#folder, member.path), member);
  }

  async #settle(place: Buffer, { type, mode, uid, gid, mtime }: TarMember): Promise<void> {
    if (this.#isRoot) await (type === 'l' ? lchown : chown)(place, uid, gid);
    if (type !== 'l') await chmod(place, mode);
    await lutimes(place, utimeOf(Number(mtime)), utimeOf(Number(mtime)));
  }
}

function needsTar(path: RawPath, what: string): McadsError {
  return new McadsError('component-failed', `${shown(path)} is ${what}, which only GNU tar can make`, {
    hint: 'install GNU tar, findutils and coreutils',
  });
}

function shown(path: RawPath): string {
  return JSON.stringify(toText(path));
}
