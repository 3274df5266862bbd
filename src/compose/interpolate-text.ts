/** Looks a variable up; undefined where it is not set. */
export type Lookup = (name: string) => string | undefined;

export interface Interpolation {
  readonly lookup: Lookup;
  /** Told of every plain `$NAME` that is not set and becomes empty. */
  readonly onUnset?: (name: string) => void;
}

/** Why a text cannot be interpolated; the caller knows where it was written. */
export class InterpolationError extends Error {}

const MAX_NESTING = 100;
const OPERATORS = [':?', '?', ':-', '-', ':+', '+'] as const;
type Operator = (typeof OPERATORS)[number];

/**
 * Substitutes `$NAME`, `${NAME}`, `${NAME:-default}`, `-`, `:?`, `?`, `:+`, `+` as Compose does: operands are substituted
 * in turn, `$$` is a dollar, and a dollar before anything else stays. Throws an InterpolationError.
 * Compose takes the text up to the last brace of the line and then looks for the one that closes the first, counting
 * every brace; the same is done here, because values hold JSON.
 */
export function interpolateText(template: string, interpolation: Interpolation): string {
  return substitute(template, interpolation, 0);
}

function substitute(template: string, interpolation: Interpolation, depth: number): string {
  if (depth > MAX_NESTING) throw new InterpolationError(`more than ${MAX_NESTING} nested variables`);
  let result = '';
  let position = 0;
  for (;;) {
    const dollar = template.indexOf('$', position);
    if (dollar === -1) return result + template.slice(position);
    result += template.slice(position, dollar);
    const next = template[dollar + 1];
    if (next === '$') {
      result += '$';
      position = dollar + 2;
    } else if (next === '{') {
      const braced = readBraced(template, dollar);
      result += evaluate(braced, interpolation, depth);
      position = braced.end;
    } else {
      const name = nameAt(template, dollar + 1);
      result += name === '' ? '$' : lookUp(name, interpolation);
      position = dollar + 1 + name.length;
    }
  }
}

interface Braced {
  readonly name: string;
  readonly operator: Operator | undefined;
  readonly operand: string;
  readonly end: number;
}

function readBraced(template: string, dollar: number): Braced {
  const name = nameAt(template, dollar + 2);
  const after = dollar + 2 + name.length;
  if (name !== '' && template[after] === '}') return { name, operator: undefined, operand: '', end: after + 1 };
  const operator = OPERATORS.find((candidate) => template.startsWith(candidate, after));
  const newline = template.indexOf('\n', after);
  const lastBrace = template.lastIndexOf('}', newline === -1 ? template.length : newline);
  if (name === '' || operator === undefined || lastBrace < after) throw invalid(template);
  const closing = closingBrace(template, dollar, lastBrace) ?? lastBrace;
  return { name, operator, operand: template.slice(after + operator.length, closing), end: closing + 1 };
}

function closingBrace(template: string, from: number, to: number): number | undefined {
  let open = 0;
  for (let index = from; index <= to; index += 1) {
    if (template[index] === '}') {
      open -= 1;
      if (open === 0) return index;
    } else if (template[index] === '{') {
      open += 1;
      index += 1;
    }
  }
  return undefined;
}

function evaluate({ name, operator, operand }: Braced, interpolation: Interpolation, depth: number): string {
  if (operator === undefined) return lookUp(name, interpolation);
  const substituted = substitute(operand, interpolation, depth + 1);
  const value = interpolation.lookup(name);
  const counts = value !== undefined && (value !== '' || !operator.startsWith(':'));
  switch (operator) {
    case ':-':
    case '-':
      return counts ? value : substituted;
    case ':+':
    case '+':
      return counts ? substituted : (value ?? '');
    case ':?':
    case '?':
      if (counts) return value;
      throw new InterpolationError(`required variable ${name} is missing a value${substituted === '' ? '' : `: ${substituted}`}`);
  }
}

function lookUp(name: string, { lookup, onUnset }: Interpolation): string {
  const value = lookup(name);
  if (value === undefined) onUnset?.(name);
  return value ?? '';
}

function nameAt(template: string, position: number): string {
  const pattern = /[_a-zA-Z][_a-zA-Z0-9]*/y;
  pattern.lastIndex = position;
  return pattern.exec(template)?.[0] ?? '';
}

function invalid(template: string): InterpolationError {
  const shown = template.length > 200 ? `${template.slice(0, 200)}…` : template;
  return new InterpolationError(`invalid interpolation format: ${shown}\n(write $$ where a dollar is meant)`);
}
