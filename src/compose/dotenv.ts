import type { Where } from '../domain/compose-model.ts';
import { InterpolationError, interpolateText } from './interpolate-text.ts';
import type { Lookup } from './interpolate-text.ts';
import { refuse } from './problems.ts';

export interface DotenvOptions {
  readonly file: string;
  /** Values from outside win over what the file says earlier. */
  readonly lookup: Lookup;
  readonly onUnset?: ((name: string, where: Where) => void) | undefined;
}

const ESCAPES = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['"', '"'],
  ['\\', '\\'],
  ['$', '$$'],
]);
const LINE_SPACE = new Set(['\t', '\v', '\f', '\r', ' ', '\u0085', '\u00a0']);

/**
 * Reads `.env` syntax as Compose does: `KEY=v` or `KEY: v`, `export`, comments, quotes over several lines, variables in
 * unquoted and double-quoted values. A bare `KEY` is taken from `lookup` or stays unset. Rejects with 'config'.
 */
export function parseDotenv(content: string, options: DotenvOptions): ReadonlyMap<string, string> {
  return new DotenvReader(content.replace(/^\uFEFF/, ''), options).read();
}

/** `format: raw`, as `docker run --env-file`: values as they stand, no quotes, no variables. */
export function parseRawEnv(content: string, options: DotenvOptions): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [index, raw] of content
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const line = raw.replace(/\r$/, '').replace(/^[ \t\v\f]+/, '');
    if (line === '' || line.startsWith('#')) continue;
    const where = { file: options.file, line: index + 1, column: 1 };
    const [name, value] = cut(line, '=');
    if (/[ \t]/.test(name)) refuse(where, `variable ${JSON.stringify(name)} contains whitespace`);
    if (name === '') refuse(where, 'a line without a variable name');
    const taken = value ?? options.lookup(name);
    if (taken !== undefined) values.set(name, taken);
  }
  return values;
}

/** Splits at the first separator; the second part is undefined where there is none. */
export function cut(value: string, separator: string): readonly [string, string | undefined] {
  const index = value.indexOf(separator);
  return index === -1 ? [value, undefined] : [value.slice(0, index), value.slice(index + separator.length)];
}

/** One pass over one file; lives for one call of `read`. */
class DotenvReader {
  readonly #content: string;
  readonly #options: DotenvOptions;
  readonly #values = new Map<string, string>();
  #position = 0;

  constructor(content: string, options: DotenvOptions) {
    this.#content = content;
    this.#options = options;
  }

  read(): ReadonlyMap<string, string> {
    while (this.#skipToStatement()) {
      const start = this.#position;
      const key = this.#readKey();
      if (key.name.includes(' ')) this.#refuse(start, `the name ${JSON.stringify(key.name)} contains a space`);
      const value = key.inherited ? this.#options.lookup(key.name) : this.#readValue();
      if (value !== undefined) this.#values.set(key.name, value);
    }
    return this.#values;
  }

  #skipToStatement(): boolean {
    for (;;) {
      while (this.#position < this.#content.length && /\s|\u0085/.test(this.#content.charAt(this.#position))) this.#position += 1;
      if (this.#position >= this.#content.length) return false;
      if (this.#content[this.#position] !== '#') return true;
      const newline = this.#content.indexOf('\n', this.#position);
      this.#position = newline === -1 ? this.#content.length : newline;
    }
  }

  #readKey(): { readonly name: string; readonly inherited: boolean } {
    const exported = /export\s+/y;
    exported.lastIndex = this.#position;
    if (exported.test(this.#content)) {
      this.#position += 'export'.length;
      this.#skipLineSpace();
    }
    const start = this.#position;
    for (let index = start; index < this.#content.length;) {
      const character = String.fromCodePoint(this.#content.codePointAt(index) ?? 0);
      if (character === '=' || character === ':' || character === '\n') {
        const name = this.#content.slice(start, index).trimEnd();
        this.#position = index + 1;
        this.#skipLineSpace();
        return { name, inherited: character === '\n' };
      }
      if (!LINE_SPACE.has(character) && !/[\p{L}\p{N}_.\-[\]]/u.test(character)) {
        const [line] = cut(this.#content.slice(start, start + 200), '\n');
        this.#refuse(index, `unexpected character ${JSON.stringify(character)} in variable name ${JSON.stringify(line)}`);
      }
      index += character.length;
    }
    const name = this.#content.slice(start).trimEnd();
    this.#position = this.#content.length;
    return { name, inherited: true };
  }

  #readValue(): string | undefined {
    const start = this.#position;
    const quote = this.#content[start];
    if (quote !== '"' && quote !== "'") {
      const newline = this.#content.indexOf('\n', start);
      const end = newline === -1 ? this.#content.length : newline;
      this.#position = newline === -1 ? end : end + 1;
      const [value] = cut(this.#content.slice(start, end), ' #');
      return this.#expand(value.replace(/[\s\u0085]+$/, ''), start);
    }
    let value = '';
    for (let index = start + 1; index < this.#content.length; index += 1) {
      const character = this.#content.charAt(index);
      if (character === quote) {
        this.#position = index + 1;
        return quote === '"' ? this.#expand(expandEscapes(value), start) : value;
      }
      const next = this.#content[index + 1];
      if (character === '\\' && next !== undefined) {
        value += next === quote ? quote : `\\${next}`;
        index += 1;
      } else {
        value += character;
      }
    }
    return this.#refuse(start, 'a quoted value does not end');
  }

  #expand(value: string, offset: number): string {
    const { lookup, onUnset } = this.#options;
    try {
      return interpolateText(value, {
        lookup: (name) => lookup(name) ?? this.#values.get(name),
        onUnset: (name) => onUnset?.(name, this.#where(offset)),
      });
    } catch (error) {
      if (!(error instanceof InterpolationError)) throw error;
      return this.#refuse(offset, error.message);
    }
  }

  #skipLineSpace(): void {
    while (LINE_SPACE.has(this.#content.charAt(this.#position))) this.#position += 1;
  }

  #where(offset: number): Where {
    const before = this.#content.slice(0, offset);
    return { file: this.#options.file, line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
  }

  #refuse(offset: number, message: string): never {
    return refuse(this.#where(offset), message);
  }
}

function expandEscapes(value: string): string {
  return value.replace(/\\(?:([abcfnrtv$"\\])|0(\d{0,3}))/g, (match, letter: string | undefined, octal: string | undefined) => {
    if (letter !== undefined) return ESCAPES.get(letter) ?? match;
    if (octal === undefined || !/^[0-3][0-7]{2}$/.test(octal)) return match;
    return String.fromCodePoint(Number.parseInt(octal, 8));
  });
}
