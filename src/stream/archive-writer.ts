import { createHash, randomUUID } from 'node:crypto';
import { open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Bytes } from '../domain/byte-stream.ts';
import { McadsError, messageOf } from '../errors.ts';
import { compressed, storedMember } from './gzip.ts';
import { encodePaxMember, encodeTarHeader, paddedSize, sealTarHeader, TRAILER } from './tar-header.ts';
import { toRaw } from './raw-path.ts';

const PART = '.part';
/** A running export writes all the time: what nobody wrote for this long belongs to a run that died. */
const DEAD_AFTER_MS = 3_600_000;
/** More does not fit into the octal digits of a header. */
const OCTAL_LIMIT = 8 ** 11;

/** How a member's bytes go into the outer gzip. */
export type MemberEncoding = 'compressed' | 'as-is';

export interface WrittenMember {
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * A `.tar.gz` that is written under a temporary name beside its final one. Decision: members are streamed although a tar header holds the size before
 * the bytes. Each header is a gzip member of its own with its bytes stored, so its length is known, and it is written again once the size is: no data is
 * spooled, and what is compressed already is not compressed twice.
 */
export class ArchiveWriter implements AsyncDisposable {
  /** Where the bytes are until `publish`. */
  readonly temporaryPath: string;
  readonly #path: string;
  readonly #modifiedMs: number;
  readonly #file: FileHandle;
  #at = 0;
  #isOpen = true;
  #isPublished = false;

  private constructor(path: string, temporaryPath: string, file: FileHandle, modifiedMs: number) {
    this.#path = path;
    this.temporaryPath = temporaryPath;
    this.#file = file;
    this.#modifiedMs = modifiedMs;
  }

  /** Mode 0600. Rejects `forbidden` or `store-failed` where the folder takes no file. */
  static async open(path: string, modifiedMs: number, now: Date): Promise<ArchiveWriter> {
    const temporaryPath = join(dirname(path), `.${basename(path)}.${randomUUID()}${PART}`);
    await removeDead(dirname(path), now);
    const file = await orFailure(path, () => open(temporaryPath, 'wx', 0o600));
    return new ArchiveWriter(path, temporaryPath, file, modifiedMs);
  }

  async folder(name: string): Promise<void> {
    const header = { name: `${name}/`, type: '5', mode: 0o700, uid: 0, gid: 0, size: 0, mtime: this.#modifiedMs / 1000, linkName: '' };
    await this.#append(storedMember(encodeTarHeader(header)));
  }

  /** One file of any length. */
  async member(name: string, body: Bytes, encoding: MemberEncoding, onBytes: (bytes: number) => void): Promise<WrittenMember> {
    const raw = toRaw(name);
    if (raw.length > 100 || raw.length !== name.length)
      await this.#append(storedMember(encodePaxMember([['path', raw]], './PaxHeaders/name')));
    const headerAt = this.#at;
    await this.#append(storedMember(this.#fileHeader(raw, 0)));
    const hash = createHash('sha256');
    let bytes = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const piece of body) {
        hash.update(piece);
        bytes += piece.length;
        onBytes(bytes);
        yield piece;
      }
    }
    if (encoding === 'compressed') for await (const piece of compressed(counted())) await this.#append(piece);
    else for await (const piece of counted()) if (piece.length > 0) await this.#append(storedMember(piece));
    const padding = paddedSize(bytes) - bytes;
    if (padding > 0) await this.#append(storedMember(Buffer.alloc(padding)));
    await this.#write(storedMember(this.#fileHeader(raw, bytes)), headerAt);
    return { bytes, sha256: hash.digest('hex') };
  }

  /** Ends the tar and flushes it. */
  async finish(): Promise<void> {
    await this.#append(storedMember(TRAILER));
    await orFailure(this.#path, () => this.#file.sync());
    await this.#close();
  }

  /** Gives it its name, with a text file beside it that is there first. Both are durable afterwards. */
  async publish(textPath: string, text: string): Promise<void> {
    const temporaryText = join(dirname(textPath), `.${basename(textPath)}.${randomUUID()}${PART}`);
    try {
      await orFailure(textPath, async () => {
        await using file = await open(temporaryText, 'wx', 0o600);
        await file.writeFile(text);
        await file.sync();
      });
      await orFailure(textPath, () => rename(temporaryText, textPath));
      await orFailure(this.#path, () => rename(this.temporaryPath, this.#path));
      this.#isPublished = true;
      await orFailure(this.#path, async () => {
        await using folder = await open(dirname(this.#path), 'r');
        await folder.sync();
      });
    } finally {
      if (!this.#isPublished) await Promise.all([temporaryText, textPath].map((path) => rm(path, { force: true })));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    if (!this.#isPublished) await rm(this.temporaryPath, { force: true });
  }

  #fileHeader(name: string, size: number): Buffer {
    const isLarge = size >= OCTAL_LIMIT;
    const fields = { name, type: '0', mode: 0o600, uid: 0, gid: 0, mtime: this.#modifiedMs / 1000, linkName: '' };
    const block = encodeTarHeader({ ...fields, size: isLarge ? 0 : size });
    if (!isLarge) return block;
    block.fill(0, 124, 136);
    block[124] = 0x80; // base 256, as GNU tar writes and every tar reads it
    block.writeBigUInt64BE(BigInt(size), 128);
    return sealTarHeader(block);
  }

  async #append(bytes: Uint8Array): Promise<void> {
    await this.#write(bytes, this.#at);
    this.#at += bytes.length;
  }

  async #write(bytes: Uint8Array, position: number): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await orFailure(this.#path, () => this.#file.write(bytes, at, bytes.length - at, position + at));
      at += bytesWritten;
    }
  }

  async #close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#file.close();
  }
}

/** What exports that were killed left here. */
async function removeDead(folder: string, now: Date): Promise<void> {
  const names = await orFailure(folder, () => readdir(folder));
  for (const name of names.filter((one) => /^\..+_backup_\d{8}_\d{6}(?:\.tar\.gz|_verification\.txt)\.[0-9a-f-]{36}\.part$/.test(one))) {
    const path = join(folder, name);
    const info = await stat(path).catch(() => null); // gone meanwhile
    if (info !== null && now.getTime() - info.mtimeMs > DEAD_AFTER_MS) await rm(path, { force: true });
  }
}

async function orFailure<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    const isDenied = code === 'EACCES' || code === 'EPERM';
    const hint = isDenied
      ? 'choose another place with --output, or run with sudo'
      : code === 'ENOENT'
        ? 'the folder has to exist; choose another place with --output'
        : 'make room, or choose another place with --output';
    throw new McadsError(isDenied ? 'forbidden' : 'store-failed', `${path} could not be written: ${messageOf(error)}`, {
      hint,
      cause: error,
    });
  }
}
