/** Control characters, bidirectional overrides and lone surrogates, which could rewrite the terminal or the meaning of a line. */
const UNSAFE = /[\p{Cc}\p{Cs}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;
const UNSAFE_BUT_LINES = /(?!\n)[\p{Cc}\p{Cs}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

/** A name for one line of a terminal: `\n`, `\t`, `\x1b`, `\u202e` instead of what they stand for. */
export function printable(text: string): string {
  return text.replace(UNSAFE, escapeOf);
}

/** A message that may have lines. */
export function printableLines(text: string): string {
  return text.replace(UNSAFE_BUT_LINES, escapeOf);
}

function escapeOf(char: string): string {
  if (char === '\n') return '\\n';
  if (char === '\r') return '\\r';
  if (char === '\t') return '\\t';
  const code = char.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

/** Columns that printable text takes: wide East Asian characters and emoji two, combining marks none. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const char of text) width += /\p{M}/u.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  return width;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u;

/** Cuts the middle out of text that is wider than `width`: ids differ at both ends. */
export function shorten(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width <= 1) return '…'.slice(0, Math.max(0, width));
  const chars = Array.from(text); // whole code points; a mark may lose its letter at the cut
  let head = Math.ceil((width - 1) / 2);
  let tail = width - 1 - head;
  const cut = (): string => chars.slice(0, head).join('') + '…' + (tail > 0 ? chars.slice(-tail).join('') : '');
  while (displayWidth(cut()) > width && head + tail > 0) {
    if (head > tail) head -= 1;
    else tail -= 1;
  }
  return cut();
}
