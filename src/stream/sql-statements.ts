/**
 * Follows the SQL that `pg_restore -f -` writes, line by line, far enough to know where a statement ends: quoted text, quoted names,
 * dollar quotes and comments may hold anything. Lines are one character per byte (latin1) and come without their newline.
 */
export class SqlStatements {
  #open: { readonly end: string; readonly escapes: boolean } | null = null;
  #standardStrings = true;
  #head = '';
  #started = false;
  readonly #headLength: number;

  constructor(headLength = HEAD_LENGTH) {
    this.#headLength = headLength;
  }

  /** True while nothing is open: the next line starts a statement, a comment or a psql command. */
  get betweenStatements(): boolean {
    return !this.#started;
  }

  /** The heads (at most `headLength` characters) of the statements that end in this line. */
  push(line: string): readonly string[] {
    const ended: string[] = [];
    let from = 0;
    let at = 0;
    while (at < line.length) {
      if (this.#open !== null) {
        at = this.#close(line, at, this.#open);
        continue;
      }
      INTERESTING.lastIndex = at;
      const found = INTERESTING.exec(line);
      if (found === null) break;
      const [token] = found;
      at = found.index + token.length;
      if (token === '--') {
        this.#keep(line.slice(from, found.index));
        return ended;
      }
      if (token === ';') {
        this.#keep(line.slice(from, at));
        ended.push(this.#finish());
        from = at;
      } else if (token.endsWith("'")) {
        this.#open = { end: "'", escapes: token.length === 2 || !this.#standardStrings };
      } else if (token === '"') {
        this.#open = { end: '"', escapes: false };
      } else if (token.length > 1) {
        this.#open = { end: token, escapes: false };
      }
    }
    this.#keep(`${line.slice(from)}\n`);
    return ended;
  }

  /** The position behind the end of what is open, or the line's end. A doubled quote closes and opens again, which is the same. */
  #close(line: string, from: number, open: { readonly end: string; readonly escapes: boolean }): number {
    let at = from;
    while (open.escapes) {
      const quote = line.indexOf(open.end, at);
      const escape = line.indexOf('\\', at);
      if (escape === -1 || (quote !== -1 && quote < escape)) break;
      at = escape + 2;
    }
    const end = line.indexOf(open.end, at);
    if (end === -1) return line.length;
    const behind = end + open.end.length;
    if (open.escapes && line[behind] === open.end) return behind + 1;
    this.#open = null;
    return behind;
  }

  #keep(text: string): void {
    const part = this.#started ? text : text.trimStart();
    if (part === '') return;
    this.#started = true;
    if (this.#head.length < this.#headLength) this.#head += part.slice(0, this.#headLength - this.#head.length);
  }

  #finish(): string {
    const head = this.#head;
    this.#head = '';
    this.#started = false;
    if (head.startsWith('SET standard_conforming_strings')) this.#standardStrings = !/off/i.test(head);
    return head;
  }
}

const HEAD_LENGTH = 4096;
/** A comment, a string (with `E` where escapes count), a quoted name, a dollar quote, a statement's end; names are stepped over. */
const INTERESTING = /--|;|\b[eE]'|'|"|(?<![\w$\x80-\xff])\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$/g;
