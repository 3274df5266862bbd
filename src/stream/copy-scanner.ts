import { createHash, type Hash } from 'node:crypto';
import { McadsError } from '../errors.ts';
import { SqlStatements } from './sql-statements.ts';

export interface ScannedTable {
  readonly schema: string;
  readonly table: string;
  readonly rows: number;
  readonly bytes: number;
  /** SHA-256 over the rows as COPY text, newlines included. */
  readonly sha256: string;
}

export interface ScannedScript {
  /** In the archive's order. */
  readonly tables: readonly ScannedTable[];
  /** Entries of the archive's table of contents per type (`TABLE`, `INDEX`, `TABLE DATA` …). */
  readonly entries: Readonly<Record<string, number>>;
  readonly largeObjects: number;
  readonly sequences: number;
  /** SHA-256 over all SQL outside table data, without comments and psql commands (they hold random keys). */
  readonly statementsSha256: string;
  readonly bytes: number;
}

interface OpenTable {
  readonly schema: string;
  readonly table: string;
  readonly hash: Hash;
  rows: number;
  bytes: number;
}

const NEWLINE = 0x0a;
const END_OF_DATA = Buffer.from('\\.\n');
const END_OF_DATA_LINE = Buffer.from('\n\\.\n');
/** Above this average row length the native search beats counting by words. */
const LONG_ROW = 80;
const MAX_LINE = 256 * 1024 * 1024;

/**
 * Reads the script that `pg_restore -f -` writes (with or without `-a`), in pieces of any size, and keeps nothing but counts and hashes:
 * rows and SHA-256 of every table's data. `finish` throws `damaged` where the script ends inside something or lacks its last line.
 */
export class CopyScanner {
  readonly #tables = new Map<string, ScannedTable>();
  readonly #entries: Record<string, number> = {};
  readonly #statements = new SqlStatements();
  readonly #statementsHash = createHash('sha256');
  #decode = decoderOf('UTF8');
  #open: OpenTable | null = null;
  /** Bytes of an unfinished line, or of what may become the end of a table's data. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #atDataStart = false;
  #averageRow = LONG_ROW * 2;
  #largeObjects = 0;
  #sequences = 0;
  #complete = false;
  #bytes = 0;

  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    while (rest.length > 0) rest = this.#open === null ? this.#pushSql(rest) : this.#pushData(rest, this.#open);
  }

  finish(): ScannedScript {
    if (this.#open !== null) throw damaged(`ends inside the data of ${this.#open.schema}.${this.#open.table}`);
    if (this.#pendingBytes > 0 || !this.#statements.betweenStatements) throw damaged('ends inside a statement');
    if (!this.#complete) throw damaged('lacks its last line');
    return {
      tables: [...this.#tables.values()],
      entries: this.#entries,
      largeObjects: this.#largeObjects,
      sequences: this.#sequences,
      statementsSha256: this.#statementsHash.digest('hex'),
      bytes: this.#bytes,
    };
  }

  /** Takes one line of SQL; returns what follows it. */
  #pushSql(bytes: Buffer): Buffer {
    const end = bytes.indexOf(NEWLINE);
    if (end === -1) {
      this.#hold(Buffer.from(bytes));
      return bytes.subarray(bytes.length);
    }
    const line = this.#release(bytes.subarray(0, end));
    this.#sqlLine(line);
    return bytes.subarray(end + 1);
  }

  #sqlLine(bytes: Buffer): void {
    const line = bytes.toString('latin1');
    if (this.#statements.betweenStatements) {
      if (line.startsWith('--')) return this.#comment(line);
      if (line.startsWith('\\') || line === '') return;
    }
    this.#statementsHash.update(bytes).update('\n');
    for (const statement of this.#statements.push(line)) this.#statement(statement, line);
  }

  #comment(line: string): void {
    if (line === '-- PostgreSQL database dump complete') this.#complete = true;
    const type = ENTRY.exec(line)?.[1];
    if (type !== undefined) this.#entries[type] = (this.#entries[type] ?? 0) + 1;
  }

  #statement(head: string, lastLine: string): void {
    if (head.startsWith('COPY ') && lastLine.endsWith(' FROM stdin;')) this.#openTable(head);
    else if (head.startsWith('SELECT pg_catalog.lo_open(')) this.#largeObjects += 1;
    else if (head.startsWith('SELECT pg_catalog.setval(')) this.#sequences += 1;
    else if (head.startsWith('SET client_encoding = ')) this.#decode = decoderOf(/'([^']*)'/.exec(head)?.[1] ?? 'UTF8');
  }

  #openTable(head: string): void {
    const [first, second] = [...(COPY_NAME.exec(head)?.slice(1) ?? [])];
    if (first === undefined) throw damaged(`holds a COPY statement without a table name: ${head.slice(0, 200)}`);
    const schema = second === undefined ? '' : this.#name(first);
    const table = this.#name(second ?? first);
    this.#open = { schema, table, hash: createHash('sha256'), rows: 0, bytes: 0 };
    this.#atDataStart = true;
  }

  #name(quoted: string): string {
    const bare = quoted.startsWith('"') ? quoted.slice(1, -1).replaceAll('""', '"') : quoted;
    return this.#decode(Buffer.from(bare, 'latin1'));
  }

  /** Takes a table's rows; returns what follows its end, or nothing. */
  #pushData(chunk: Buffer, table: OpenTable): Buffer {
    const bytes = this.#release(chunk);
    if (this.#atDataStart) {
      if (bytes.length < END_OF_DATA.length && END_OF_DATA.subarray(0, bytes.length).equals(bytes)) return this.#holdAll(bytes);
      if (bytes.subarray(0, END_OF_DATA.length).equals(END_OF_DATA)) return this.#closeTable(bytes.subarray(END_OF_DATA.length), table);
      this.#atDataStart = false;
    }
    const end = endOfData(bytes);
    if (end !== -1) {
      this.#rows(bytes.subarray(0, end), table);
      return this.#closeTable(bytes.subarray(end + END_OF_DATA.length), table);
    }
    const kept = possibleEnd(bytes);
    this.#rows(bytes.subarray(0, bytes.length - kept), table);
    return this.#holdAll(bytes.subarray(bytes.length - kept));
  }

  #rows(bytes: Buffer, table: OpenTable): void {
    if (bytes.length === 0) return;
    table.hash.update(bytes);
    table.bytes += bytes.length;
    const rows = this.#averageRow < LONG_ROW ? countByWords(bytes) : countBySearch(bytes);
    table.rows += rows;
    this.#averageRow = bytes.length / (rows + 1);
  }

  #closeTable(rest: Buffer, table: OpenTable): Buffer {
    const { schema, rows, bytes } = table;
    const key = JSON.stringify([schema, table.table]);
    if (this.#tables.has(key)) throw damaged(`holds the data of ${schema}.${table.table} twice`);
    this.#tables.set(key, { schema, table: table.table, rows, bytes, sha256: table.hash.digest('hex') });
    this.#open = null;
    this.#atDataStart = false;
    return rest;
  }

  #hold(bytes: Buffer): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes > MAX_LINE) throw damaged('holds a line of SQL without an end');
  }

  #holdAll(bytes: Buffer): Buffer {
    if (bytes.length > 0) this.#hold(Buffer.from(bytes));
    return EMPTY;
  }

  /** What was held back, and these bytes behind it. */
  #release(bytes: Buffer): Buffer {
    if (this.#pendingBytes === 0) return bytes;
    const whole = Buffer.concat([...this.#pending, bytes]);
    this.#pending = [];
    this.#pendingBytes = 0;
    return whole;
  }
}

const EMPTY = Buffer.alloc(0);
const ENTRY = /^-- (?:Data for )?Name: .*; Type: ([A-Z][A-Z ]*); Schema: .*; Owner: /;
const COPY_NAME = /^COPY ("(?:[^"]|"")*"|[^\s".(]+)(?:\.("(?:[^"]|"")*"|[^\s".(]+))?/;

/** Where the line `\.` begins, -1 without one. Searched by its backslash, which is rarer than newlines; `\\.` at a row's end is data. */
function endOfData(bytes: Buffer): number {
  let at = bytes.indexOf(END_OF_DATA);
  while (at !== -1 && bytes[at - 1] !== NEWLINE) at = bytes.indexOf(END_OF_DATA, at + 1);
  return at;
}

/** How many bytes at the end may begin `\n\.\n`. */
function possibleEnd(bytes: Buffer): number {
  for (let kept = Math.min(3, bytes.length); kept > 0; kept -= 1) {
    if (END_OF_DATA_LINE.subarray(0, kept).equals(bytes.subarray(bytes.length - kept))) return kept;
  }
  return 0;
}

function countBySearch(bytes: Buffer): number {
  let rows = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) rows += 1;
  return rows;
}

/** Four bytes at a time: a byte of `differs` is 0 only for a newline, which sets the high bit of that byte in `hits`; the product adds them up. */
function countByWords(bytes: Uint8Array): number {
  if (bytes.length < 8) return countOneByOne(bytes, 0, bytes.length);
  const head = (4 - (bytes.byteOffset & 3)) & 3;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + head, (bytes.length - head) >> 2);
  let rows = countOneByOne(bytes, 0, head);
  for (let at = 0; at < words.length; at += 1) {
    const differs = (words[at] ?? 0) ^ 0x0a0a0a0a;
    const hits = ~(((differs & 0x7f7f7f7f) + 0x7f7f7f7f) | differs | 0x7f7f7f7f);
    rows += Math.imul((hits >>> 7) & 0x01010101, 0x01010101) >>> 24;
  }
  return rows + countOneByOne(bytes, head + words.length * 4, bytes.length);
}

function countOneByOne(bytes: Uint8Array, from: number, to: number): number {
  let rows = 0;
  for (let at = from; at < to; at += 1) rows += bytes[at] === NEWLINE ? 1 : 0;
  return rows;
}

/** PostgreSQL's name of an encoding → a decoder; one character per byte where there is none. */
function decoderOf(encoding: string): (bytes: Uint8Array) => string {
  const name = encoding.toUpperCase().replaceAll(/[^A-Z0-9]/g, '');
  const label =
    name === 'UTF8'
      ? 'utf-8'
      : (LABELS[name] ??
        name
          .replace(/^LATIN([2-48])$/, 'iso-8859-$1')
          .replace(/^ISO8859(\d)$/, 'iso-8859-$1')
          .replace(/^WIN(\d+)$/, 'windows-$1'));
  try {
    const decoder = new TextDecoder(label);
    return (bytes) => decoder.decode(bytes);
  } catch (error) {
    if (error instanceof RangeError) return (bytes) => Buffer.from(bytes).toString('latin1');
    throw error;
  }
}

const LABELS: Readonly<Record<string, string>> = {
  LATIN1: 'iso-8859-1',
  LATIN5: 'iso-8859-9',
  LATIN6: 'iso-8859-10',
  LATIN7: 'iso-8859-13',
  LATIN9: 'iso-8859-15',
  LATIN10: 'iso-8859-16',
  KOI8R: 'koi8-r',
  KOI8U: 'koi8-u',
  EUCJP: 'euc-jp',
  EUCJIS2004: 'euc-jp',
  EUCKR: 'euc-kr',
  EUCCN: 'gbk',
  GBK: 'gbk',
  GB18030: 'gb18030',
  BIG5: 'big5',
  SJIS: 'shift_jis',
  WIN874: 'windows-874',
  WIN866: 'ibm866',
};

function damaged(what: string): McadsError {
  return new McadsError('damaged', `the archive ${what}`);
}
