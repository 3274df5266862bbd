import type { ExecExit, ExecHandle } from '../../domain/ports.ts';
import { howItEnded } from './failures.ts';

export class QueryError extends Error {
  readonly sqlState: string;

  constructor(sqlState: string, message: string) {
    super(message);
    this.name = 'QueryError';
    this.sqlState = sqlState;
  }
}

/** The session ended before it answered: could not connect, was terminated, or the container went away. */
export class SessionEnded extends Error {
  readonly exit: ExecExit | null;

  constructor(exit: ExecExit | null, cause: unknown) {
    const words = exit?.stderr.trim() ?? '';
    super(exit === null ? 'the session broke off' : `${howItEnded('psql', exit.code)}${words === '' ? '' : `: ${words}`}`, { cause });
    this.name = 'SessionEnded';
    this.exit = exit;
  }
}

/** Arguments after `psql` for a session that is fed by stdin: no start-up file, no decoration, no password prompt. */
export const SESSION_ARGUMENTS: readonly string[] = ['-X', '-q', '-A', '-t', '-w'];

/** A queue of input that a running process reads. */
export class SessionInput implements AsyncIterable<Uint8Array> {
  #queued: string[] = [];
  #wake: (() => void) | null = null;
  #ended = false;

  write(text: string): void {
    this.#queued.push(text);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const encoder = new TextEncoder();
    for (;;) {
      const text = this.#queued.join('');
      this.#queued = [];
      if (text !== '') yield encoder.encode(text);
      else if (this.#ended) return;
      else {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
      }
    }
  }
}

/**
 * One long-lived `psql`: a query goes in, its lines come out up to a mark that psql echoes after it together with the SQLSTATE.
 * One query at a time. Rejects `QueryError` for what the server refuses, `SessionEnded` when nobody answers any more.
 */
export class PsqlSession implements AsyncDisposable {
  readonly #input: SessionInput;
  readonly #handle: ExecHandle;
  readonly #output: AsyncIterator<Uint8Array>;
  readonly #decoder = new TextDecoder();
  readonly #mark = `mcads-${crypto.randomUUID()}`;
  #text = '';
  #ended = false;

  constructor(input: SessionInput, handle: ExecHandle) {
    this.#input = input;
    this.#handle = handle;
    this.#output = handle.stdout[Symbol.asyncIterator]();
  }

  /** One statement without its semicolon. Lines of unaligned output, so ask for JSON where values may hold newlines. */
  async query(sql: string): Promise<readonly string[]> {
    // psql's own variable names, filled in by psql after the statement.
    this.#input.write(`${sql}\n;\n\\echo ${this.#mark} :SQLSTATE :LAST_ERROR_MESSAGE\n\\echo ${this.#mark}.\n`);
    const start = `${this.#mark} `;
    const end = `${this.#mark}.\n`;
    let searched = 0;
    for (;;) {
      const at = this.#text.indexOf(end, Math.max(0, searched - end.length));
      if (at !== -1) {
        const answer = this.#text.slice(0, at);
        this.#text = this.#text.slice(at + end.length);
        const status = answer.lastIndexOf(start);
        const sqlState = answer.slice(status + start.length, status + start.length + 5);
        if (sqlState !== '00000') throw new QueryError(sqlState, answer.slice(status + start.length + 6).trim());
        const body = answer.slice(0, status);
        return body === '' ? [] : body.replace(/\n$/, '').split('\n');
      }
      searched = this.#text.length;
      await this.#read();
    }
  }

  /** The single JSON value of a query, not checked any further. */
  async json(sql: string): Promise<unknown> {
    const lines = await this.query(sql);
    // psql counts a query that it never sent, because its savepoint failed, as no error.
    if (lines.length === 0) throw new QueryError('XX000', 'the server gave no answer');
    return JSON.parse(lines.join('\n'));
  }

  /** From now on a refused statement does not end the transaction around it (a snapshot must be exported before: savepoints forbid that). */
  surviveErrors(): void {
    this.#input.write('\\set ON_ERROR_ROLLBACK on\n');
  }

  /** Ends the session well; resolves with psql's exit. */
  async end(): Promise<ExecExit> {
    this.#ended = true;
    this.#input.write('\\q\n');
    this.#input.end();
    for (;;) {
      const next = await this.#output.next();
      if (next.done === true) return this.#handle.exit;
    }
  }

  /** Lets go of psql without waiting for it; it leaves by itself when its input ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#input.end();
    await this.#output.return?.();
  }

  async #read(): Promise<void> {
    let next: IteratorResult<Uint8Array>;
    try {
      next = await this.#output.next();
    } catch (error) {
      this.#ended = true;
      throw new SessionEnded(null, error);
    }
    if (next.done !== true) {
      this.#text += this.#decoder.decode(next.value, { stream: true });
      return;
    }
    this.#ended = true;
    const exit = await this.#handle.exit.catch((error: unknown) => {
      throw new SessionEnded(null, error);
    });
    throw new SessionEnded(exit, undefined);
  }
}
