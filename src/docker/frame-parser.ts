import { McadsError } from '../errors.ts';

export interface Frame {
  /** 0 and 1 go to stdout, 2 to stderr. */
  readonly type: 0 | 1 | 2;
  readonly data: Buffer;
}

const HEADER_BYTES = 8;
const PLAIN_TEXT_LIMIT = 16 * 1024;

/**
 * Takes the engine's multiplexed stream apart: headers of 8 bytes (type, three zeros, length big-endian), then the data.
 * Data is handed on as it comes, so a frame may be given in several pieces; nothing of it is copied or gathered.
 *
 * Strict: an unknown header is an error, so is an end inside a frame. The one exception is a stream whose very first bytes
 * are no header: that is how an engine tells why a process could not start, in plain text; `plainText` then holds it.
 */
export class FrameParser {
  #header = Buffer.alloc(HEADER_BYTES);
  #headerLength = 0;
  #type: Frame['type'] = 1;
  #left = 0;
  #started = false;
  #plain: Buffer[] | null = null;
  #plainLength = 0;

  /** The frames (or parts of them) in one piece of the stream. Throws `engine-failed` for a broken stream. */
  *push(chunk: Buffer): Generator<Frame, void, undefined> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#plain !== null) return this.#keepPlain(chunk.subarray(at));
      if (this.#left > 0) {
        const data = chunk.subarray(at, at + this.#left);
        at += data.length;
        this.#left -= data.length;
        yield { type: this.#type, data };
        continue;
      }
      const taken = chunk.copy(this.#header, this.#headerLength, at, at + HEADER_BYTES - this.#headerLength);
      this.#headerLength += taken;
      at += taken;
      if (!this.#started && !couldBeHeader(this.#header.subarray(0, this.#headerLength))) {
        this.#plain = [];
        this.#keepPlain(Buffer.from(this.#header.subarray(0, this.#headerLength)));
      } else if (this.#headerLength === HEADER_BYTES) {
        this.#readHeader();
      }
    }
  }

  /** Throws `engine-failed` where the stream ended inside a frame. */
  end(): void {
    if (this.#plain === null && (this.#left > 0 || this.#headerLength > 0)) {
      throw new McadsError('engine-failed', 'the output of a process ended inside a frame: part of it is lost', {
        context: { missing: this.#left > 0 ? this.#left : HEADER_BYTES - this.#headerLength },
      });
    }
  }

  /** What came instead of frames, null where there were frames or nothing. */
  get plainText(): string | null {
    return this.#plain === null ? null : Buffer.concat(this.#plain).toString().trim();
  }

  #readHeader(): void {
    const header = this.#header;
    const type = header[0];
    if ((type !== 0 && type !== 1 && type !== 2) || !couldBeHeader(header)) {
      throw new McadsError('engine-failed', 'the output of a process is not framed as the engine frames it', {
        context: { header: header.toString('hex') },
      });
    }
    this.#type = type;
    this.#left = header.readUInt32BE(4);
    this.#headerLength = 0;
    this.#started = true;
  }

  #keepPlain(data: Buffer): void {
    // A copy: the piece may be given back.
    if (this.#plainLength < PLAIN_TEXT_LIMIT) this.#plain?.push(Buffer.from(data.subarray(0, PLAIN_TEXT_LIMIT - this.#plainLength)));
    this.#plainLength += data.length;
  }
}

function couldBeHeader(start: Buffer): boolean {
  return (start[0] ?? 0) <= 2 && (start[1] ?? 0) === 0 && (start[2] ?? 0) === 0 && (start[3] ?? 0) === 0;
}
