/** Text from labels, variables and flags → the YAML-like values that the schema checks. What does not convert stays text, so that the schema complains about it. */

export type TextKind = 'text' | 'flag' | 'number' | 'list' | 'command';

export function fromText(value: string, kind: TextKind): unknown {
  switch (kind) {
    case 'text':
      return value;
    case 'flag':
      return (
        { true: true, yes: true, on: true, '1': true, false: false, no: false, off: false, '0': false }[value.trim().toLowerCase()] ?? value
      );
    case 'number':
      return /^\d+$/.test(value.trim()) ? Number(value) : value;
    case 'list':
      return jsonList(value) ?? splitList(value);
    case 'command':
      return jsonList(value) ?? value;
  }
}

/** `["a","b"]`; null where the text is no such thing (`[ab]*.log` is a glob). */
function jsonList(value: string): readonly string[] | null {
  if (!value.trimStart().startsWith('[')) return null;
  try {
    const parsed: unknown = JSON.parse(value);
    return Array.isArray(parsed) && parsed.every((item) => typeof item === 'string') ? parsed : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Commas and line ends separate, except inside `{a,b}` of a glob. */
function splitList(value: string): readonly string[] {
  const items: string[] = [];
  let depth = 0;
  let item = '';
  for (const char of value) {
    if (char === '{') depth += 1;
    if (char === '}') depth = Math.max(0, depth - 1);
    if ((char === ',' && depth === 0) || char === '\n') {
      items.push(item);
      item = '';
    } else {
      item += char;
    }
  }
  return [...items, item].map((one) => one.trim()).filter((one) => one !== '');
}
