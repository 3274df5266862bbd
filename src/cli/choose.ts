import { createInterface } from 'node:readline';
import type { Key } from 'node:readline';
import { McadsError } from '../errors.ts';
import { shorten } from '../report/escape.ts';
import type { Style } from '../report/style.ts';
import type { CommandContext } from './context.ts';

export interface Choice<T> {
  readonly value: T;
  /** One printable line. */
  readonly label: string;
}

export interface ChoiceQuestion<T> {
  readonly message: string;
  /** Above the choices, in line with them. */
  readonly heading?: string;
  readonly choices: readonly Choice<T>[];
  /** What Esc does: `leave`. */
  readonly escape: string;
  /** Where the cursor stands first. */
  readonly first?: number;
}

/** How long after an escape character a terminal may still send the rest of a key's code: long enough for a slow connection. */
const ESCAPE_CODE_TIMEOUT_MS = 150;

/** Lines around the choices: message, heading, the line about keys. */
const OTHER_LINES = 4;

/**
 * One of several on the terminal, by arrow keys or numbers. With nine or fewer a digit chooses at once, with more the digits move the cursor.
 * Null for Esc. Rejects `cancelled` for Ctrl-C and where the terminal goes away, or with the reason of the context's signal.
 * Decision: our own, because the select of @clack/prompts knows no numbers, and its signs are not on every terminal that ssh comes from.
 */
export async function choose<T>(context: CommandContext, question: ChoiceQuestion<T>): Promise<T | null> {
  context.signal.throwIfAborted();
  const list = new ChoiceList(context, question);
  const { promise, resolve, reject } = Promise.withResolvers<T | null>();
  const { stdin } = context.io;
  // It turns raw mode on, and off again however this ends; without an output it prints nothing itself.
  const reader = createInterface({ input: stdin, terminal: true, escapeCodeTimeout: ESCAPE_CODE_TIMEOUT_MS });
  const cancel = (): void => reject(new McadsError('cancelled', 'cancelled by answer; nothing was changed'));
  const abort = (): void => reject(context.signal.reason as Error); // ours: see signals.ts
  const onKey = (text: string | undefined, key: Key): void => {
    const answer = list.press(text, key);
    if (answer !== undefined) resolve(answer);
  };
  reader.on('SIGINT', cancel);
  reader.on('close', cancel);
  stdin.on('keypress', onKey);
  context.signal.addEventListener('abort', abort, { once: true });
  list.draw();
  let chosen: T | null = null;
  try {
    chosen = await promise;
    return chosen;
  } finally {
    context.signal.removeEventListener('abort', abort);
    stdin.off('keypress', onKey);
    reader.close();
    list.finish(chosen);
  }
}

/** What stands on the screen and where the cursor is. */
class ChoiceList<T> {
  readonly #context: CommandContext;
  readonly #question: ChoiceQuestion<T>;
  #cursor: number;
  /** Digits typed one after the other. */
  #typed = '';
  #drawn = 0;

  constructor(context: CommandContext, question: ChoiceQuestion<T>) {
    this.#context = context;
    this.#question = question;
    this.#cursor = question.first ?? 0;
  }

  /** The answer, null for going back, undefined while there is none. */
  press(text: string | undefined, key: Key): T | null | undefined {
    const { choices } = this.#question;
    if (key.ctrl === true || key.meta === true) return key.name === 'escape' ? null : undefined;
    if (text !== undefined && /^\d$/.test(text)) return this.#number(text);
    this.#typed = '';
    switch (key.name) {
      case 'return':
      case 'enter':
        return choices[this.#cursor]?.value;
      case 'escape':
      case 'q':
        return null;
      case 'up':
        return this.#move(this.#cursor - 1);
      case 'down':
        return this.#move(this.#cursor + 1);
      case 'pageup':
        return this.#move(Math.max(0, this.#cursor - this.#room()));
      case 'pagedown':
        return this.#move(Math.min(choices.length - 1, this.#cursor + this.#room()));
      case 'home':
        return this.#move(0);
      case 'end':
        return this.#move(choices.length - 1);
      default:
        return undefined;
    }
  }

  draw(): void {
    const style = this.#style();
    const { message, heading, choices, escape } = this.#question;
    const width = style.width - 1; // a full line would wrap on some terminals
    const digits = String(choices.length).length;
    const room = this.#room();
    const from = Math.min(Math.max(0, this.#cursor - Math.floor(room / 2)), Math.max(0, choices.length - room));
    const rows = choices.slice(from, from + room).map(({ label }, index) => {
      const at = from + index;
      const line = shorten(`${at === this.#cursor ? '>' : ' '} ${String(at + 1).padStart(digits)}  ${label}`, width);
      return at === this.#cursor ? style.cyan(line) : line;
    });
    const hidden = choices.length > room ? `, ${room} of ${choices.length} shown` : '';
    const lines = [
      style.bold(shorten(message, width)),
      ...(heading === undefined ? [] : [style.dim(shorten(`${' '.repeat(digits + 4)}${heading}`, width))]),
      ...rows,
      style.dim(shorten(`  arrow keys or a number, Enter; Esc to ${escape}${hidden}`, width)),
    ];
    this.#write(`${this.#erase()}${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }

  /** Leaves one line behind: the question with its answer. */
  finish(chosen: T | null): void {
    const style = this.#style();
    const answer = chosen === null ? '-' : (this.#question.choices.find(({ value }) => value === chosen)?.label ?? '');
    this.#write(`${this.#erase()}${shorten(`${this.#question.message} ${answer}`, style.width - 1)}\n`);
  }

  #number(digit: string): T | undefined {
    const { choices } = this.#question;
    const at = (typed: string): number => Number(typed) - 1;
    this.#typed = choices[at(this.#typed + digit)] === undefined ? digit : this.#typed + digit;
    const choice = choices[at(this.#typed)];
    if (choice === undefined) {
      this.#typed = '';
      return undefined;
    }
    this.#cursor = at(this.#typed);
    if (choices.length <= 9) return choice.value;
    this.draw();
    return undefined;
  }

  /** Over either end it goes on at the other. */
  #move(to: number): undefined {
    const { length } = this.#question.choices;
    this.#cursor = (to + length) % length;
    this.draw();
  }

  #room(): number {
    return Math.max(3, (this.#context.io.stderr.rows ?? 24) - OTHER_LINES);
  }

  #style(): Style {
    return this.#context.noteStyle;
  }

  #erase(): string {
    return this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A\r\u001b[J`;
  }

  #write(text: string): void {
    this.#context.io.stderr.write(text);
  }
}
