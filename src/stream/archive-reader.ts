import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import type { Bytes } from '../domain/byte-stream.ts';
import { McadsError, messageOf } from '../errors.ts';
import { decompressed } from './gzip.ts';
import { TarFormatError } from './tar-header.ts';
import { scanTar, type TarEvent, type TarMember } from './tar-scanner.ts';

const READ_BYTES = 256 * 1024;

/** How many bytes may come out of an archive, its inner ones included: what unpacks to more than that is taken for a bomb. */
export class UnpackBudget {
  readonly #limit: number;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  async *through(bytes: Bytes): AsyncGenerator<Uint8Array> {
    for await (const piece of bytes) {
      this.#used += piece.length;
      if (this.#used > this.#limit) {
        throw new McadsError('damaged', `the archive unpacks to more than ${this.#limit} bytes, which its own size does not explain`, {
          hint: 'it may be made to fill disks; where you know that it is not, raise the limit with --max-unpacked SIZE',
        });
      }
      yield piece;
    }
  }
}

export interface ArchiveMember {
  readonly member: TarMember;
  /** Its data without padding; to be read before the next member, or left alone. */
  readonly body: Bytes;
}

/** A `.tar.gz` on this machine, read from its first byte to its last. */
export class ArchiveReader implements AsyncDisposable {
  readonly path: string;
  /** Length of the file. */
  readonly bytes: number;
  readonly #file: FileHandle;
  readonly #identity: string;
  #sha256: string | null = null;

  private constructor(path: string, file: FileHandle, bytes: number, identity: string) {
    this.path = path;
    this.bytes = bytes;
    this.#file = file;
    this.#identity = identity;
  }

  /** Rejects `usage` for what is no file, `forbidden` where we may not read. */
  static async open(path: string): Promise<ArchiveReader> {
    let file: FileHandle;
    try {
      file = await open(path, 'r');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : null;
      throw new McadsError(code === 'EACCES' ? 'forbidden' : 'usage', `${path} cannot be read: ${messageOf(error)}`, {
        hint: code === 'EACCES' ? 'run with sudo' : 'give the path of a .tar.gz that export or the old scripts wrote',
        cause: error,
      });
    }
    const info = await file.stat({ bigint: true });
    if (!info.isFile()) {
      await file.close();
      throw new McadsError('usage', `${path} is no file`, { hint: 'give the path of a .tar.gz that export or the old scripts wrote' });
    }
    return new ArchiveReader(path, file, Number(info.size), `${info.size} ${info.mtimeNs} ${info.ctimeNs}`);
  }

  /** Once `members` has come to its end. */
  get sha256(): string {
    if (this.#sha256 === null) throw new McadsError('unexpected', 'an archive was not read to its end');
    return this.#sha256;
  }

  /** May be called again after its end. Rejects `damaged` for a file that is no whole `.tar.gz` or changed since it was opened. */
  async *members(budget: UnpackBudget, signal: AbortSignal): AsyncGenerator<ArchiveMember> {
    const plain = budget.through(decompressed(this.#read(signal), this.path));
    const events = tarEvents(plain, this.path);
    const state = { next: await events.next() };
    try {
      while (state.next.done !== true) {
        const event = state.next.value;
        if (event.kind === 'member') {
          const body = bodyOf(event.member, events, state);
          yield { member: event.member, body };
          await body.return(undefined);
          if (state.next.value !== event) continue;
        }
        state.next = await events.next(); // data that nobody wanted
      }
      if (this.#sha256 === null)
        throw new McadsError('damaged', `${this.path} goes on behind its end`, {
          hint: 'something was appended to it; nothing was changed',
        });
    } finally {
      await events.return(undefined);
    }
  }

  async *#read(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha256');
    for (let at = 0; ;) {
      signal.throwIfAborted();
      const { bytesRead, buffer } = await this.#file.read(Buffer.allocUnsafeSlow(READ_BYTES), 0, READ_BYTES, at);
      if (bytesRead === 0) break;
      const piece = buffer.subarray(0, bytesRead);
      hash.update(piece);
      at += bytesRead;
      yield piece;
    }
    const info = await this.#file.stat({ bigint: true });
    if (`${info.size} ${info.mtimeNs} ${info.ctimeNs}` !== this.#identity)
      throw new McadsError('damaged', `${this.path} changed while it was read`, { hint: 'wait until whoever writes it has finished' });
    this.#sha256 = hash.digest('hex');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

async function* bodyOf(
  member: TarMember,
  events: AsyncGenerator<TarEvent>,
  state: { next: IteratorResult<TarEvent> },
): AsyncGenerator<Uint8Array> {
  let left = member.storedSize;
  for (state.next = await events.next(); state.next.done !== true && state.next.value.kind === 'data'; state.next = await events.next()) {
    const piece = state.next.value.bytes.subarray(0, left);
    left -= piece.length;
    if (piece.length > 0) yield piece;
  }
}

/** Members and data of a tar; rejects `damaged` in words that name the file. */
export async function* tarEvents(body: Bytes, what: string): AsyncGenerator<TarEvent> {
  try {
    yield* scanTar(body);
  } catch (error) {
    if (!(error instanceof TarFormatError)) throw error;
    throw new McadsError('damaged', `${what} is no whole tar: ${error.message}`, {
      hint: 'get the file again from where it was copied from; nothing was changed',
      cause: error,
    });
  }
}
