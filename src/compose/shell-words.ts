/**
 * Splits a command line into words as Compose does (its shell-words package, not a shell): quotes and backslashes count,
 * variables do not, and an unquoted `;`, `&`, `|`, `<` or `>` ends the command. Undefined where it cannot be split.
 */
export function splitShellWords(line: string): readonly string[] | undefined {
  const words: string[] = [];
  let word = '';
  let hasWord = false;
  let isEscaped = false;
  const open = { double: false, single: false, backtick: false, dollar: false };
  for (const character of line) {
    const isQuoted = open.single || open.double || open.backtick || open.dollar;
    if (isEscaped) {
      word += character;
      isEscaped = false;
      hasWord = true;
    } else if (character === '\\') {
      if (open.single) word += character;
      else isEscaped = true;
    } else if (' \t\r\n'.includes(character)) {
      if (isQuoted) {
        word += character;
      } else if (hasWord) {
        words.push(word);
        word = '';
        hasWord = false;
      }
    } else if (character === '"' && !open.single && !open.dollar) {
      if (open.double) hasWord = true;
      open.double = !open.double;
    } else if (character === "'" && !open.double && !open.dollar) {
      if (open.single) hasWord = true;
      open.single = !open.single;
    } else if (character === '(' && !open.single && !open.double && !open.backtick) {
      if (open.dollar || !word.endsWith('$')) return undefined;
      open.dollar = true;
      word += character;
    } else if (';&|<>'.includes(character) && !isQuoted) {
      if (character === '>' && /^\d/.test(word)) hasWord = false;
      break;
    } else {
      if (character === '`' && !open.single && !open.double && !open.dollar) open.backtick = !open.backtick;
      if (character === ')' && !open.single && !open.double && !open.backtick) open.dollar = !open.dollar;
      word += character;
      hasWord = true;
    }
  }
  if (isEscaped || open.single || open.double || open.backtick || open.dollar) return undefined;
  return hasWord ? [...words, word] : words;
}
