/**
 * As much of Python's grammar as settings are written in, for reading them without running them: where an expression ends, and what a dict's
 * entries are.
 */

const OPENING = '([{';
const CLOSING = ')]}';

/** The expression that begins at `start`: to the end of its line, or of the line where its last bracket closes. Without comments. */
export function expressionAt(text: string, start: number): string {
  let depth = 0;
  let expression = '';
  for (let at = start; at < text.length;) {
    const token = tokenAt(text, at);
    at += token.length;
    if (token.startsWith('#')) continue;
    if (token === '\n' && depth <= 0) break;
    depth += depthOf(token);
    expression += token;
  }
  return expression.trim();
}

/** The parts of `text` between separators that no bracket or string holds. */
export function splitOutside(text: string, separator: string): readonly string[] {
  const parts: string[] = [''];
  let depth = 0;
  for (let at = 0; at < text.length;) {
    const token = tokenAt(text, at);
    at += token.length;
    depth += depthOf(token);
    if (depth === 0 && token === separator) parts.push('');
    else parts.push(`${parts.pop() ?? ''}${token}`);
  }
  return parts.map((part) => part.trim());
}

/** The entries of `{'a': …, 'b': …}`; null for any other expression. A key that is no plain string, and `**rest`, have the key ''. */
export function dictEntries(expression: string): readonly (readonly [key: string, value: string])[] | null {
  const body = /^\{(.*)\}$/s.exec(expression)?.[1];
  if (body === undefined) return null;
  return splitOutside(body, ',').flatMap((entry) => {
    if (entry === '') return [];
    const [key = '', ...value] = splitOutside(entry, ':');
    return [[stringOf(key) ?? '', value.length === 0 ? entry : value.join(':')] as const];
  });
}

/** What a plain string literal says. */
export function stringOf(expression: string): string | null {
  return /^(['"])([^'"\\]*)\1$/.exec(expression.trim())?.[2] ?? null;
}

/** A string, a comment or one other sign. */
function tokenAt(text: string, at: number): string {
  const matching = /"""[^]*?"""|'''[^]*?'''|"(?:\\[^]|[^"\\\n])*"|'(?:\\[^]|[^'\\\n])*'|#[^\n]*|[^]/y;
  matching.lastIndex = at;
  return matching.exec(text)?.[0] ?? text.charAt(at);
}

function depthOf(token: string): number {
  if (token.length !== 1) return 0;
  return OPENING.includes(token) ? 1 : CLOSING.includes(token) ? -1 : 0;
}
