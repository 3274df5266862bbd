/** What a terminal shows of the bytes that a program writes: enough of a VT100 for prompts and tables. Throws for a control sequence that it does not know. */
export class Screen {
  readonly #columns: number;
  readonly #lines: string[][] = [[]];
  #row = 0;
  #column = 0;
  /** The beginning of a control sequence whose rest has not come yet. */
  #rest = '';
  /** Lines that were longer than the screen is wide. */
  wrapped = 0;
  /** True once anything was coloured. */
  colored = false;

  constructor(columns: number) {
    this.#columns = columns;
  }

  write(text: string): void {
    const all = this.#rest + text;
    this.#rest = '';
    for (let at = 0; at < all.length;) {
      const left = all.slice(at);
      if (left.startsWith('\u001b')) {
        const sequence = /^(?:\[([?<>=]?[\d;]*)([A-Za-z])|[()][A-Z0-9]|[78=>])/.exec(left.slice(1));
        if (sequence === null) {
          if (left.length > 16) throw new Error(`unknown sequence ${JSON.stringify(left.slice(0, 16))}`);
          this.#rest = left;
          return;
        }
        if (sequence[2] !== undefined) this.#control(sequence[1] ?? '', sequence[2]);
        at += 1 + sequence[0].length;
      } else {
        const char = Array.from(left.slice(0, 2))[0] ?? '';
        this.#put(char);
        at += char.length;
      }
    }
  }

  /** All lines, also those that have scrolled away, without blanks at their ends. */
  text(): string {
    return this.#lines
      .map((line) =>
        Array.from(line, (char) => char ?? ' ')
          .join('')
          .trimEnd(),
      )
      .join('\n');
  }

  #put(char: string): void {
    if (char === '\n') this.#row += 1;
    else if (char === '\r') this.#column = 0;
    else if (char === '\b') this.#column = Math.max(0, this.#column - 1);
    else if (char >= ' ') {
      if (this.#column >= this.#columns) {
        this.wrapped += 1;
        this.#row += 1;
        this.#column = 0;
      }
      this.#line()[this.#column] = char;
      this.#column += 1;
    }
    this.#line();
  }

  #control(parameters: string, command: string): void {
    const count = Number(parameters) || 1;
    switch (command) {
      case 'A':
        this.#row = Math.max(0, this.#row - count);
        return;
      case 'B':
        this.#row += count;
        return;
      case 'C':
        this.#column += count;
        return;
      case 'D':
        this.#column = Math.max(0, this.#column - count);
        return;
      case 'G':
        this.#column = count - 1;
        return;
      case 'J':
        this.#lines.splice(this.#row + 1);
        this.#line().splice(this.#column);
        return;
      case 'K':
        if (parameters === '2') this.#line().splice(0);
        else this.#line().splice(this.#column);
        return;
      case 'm':
        if (parameters !== '' && parameters !== '0') this.colored = true;
        return;
      case 'h':
      case 'l':
        return; // cursor and modes
      default:
        throw new Error(`unknown sequence ESC [ ${parameters} ${command}`);
    }
  }

  #line(): string[] {
    while (this.#lines.length <= this.#row) this.#lines.push([]);
    return this.#lines[this.#row] ?? [];
  }
}
