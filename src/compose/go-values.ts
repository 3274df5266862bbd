import type { Where } from '../domain/compose-model.ts';
import type { ScalarNode } from './tree.ts';

/**
 * Scalars as Go sees them, because Compose's YAML reader and its printing are Go's: `0777` is octal, `1_000` a thousand,
 * `yes` a string, and a number used as a label prints as `%v` does.
 */

const NULLS = new Set(['', '~', 'null', 'Null', 'NULL']);
const TRUE = new Set(['true', 'True', 'TRUE']);
const FALSE = new Set(['false', 'False', 'FALSE']);
const INFINITIES = new Map([
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map((name) => [name, Infinity] as const),
  ...['-.inf', '-.Inf', '-.INF'].map((name) => [name, -Infinity] as const),
  ...['.nan', '.NaN', '.NAN'].map((name) => [name, NaN] as const),
]);
const FLOAT = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/;
const TIME = /^(\d{4})-(\d{1,2})-(\d{1,2})(?:(?:[Tt]|[ ])(\d{1,2}):(\d{1,2}):(\d{1,2})(\.\d+)?(Z|[-+]\d{2}:\d{2})?)?$/;
const UINT64_MAX = 2n ** 64n - 1n;
const INT64_MIN = -(2n ** 63n);

/** What a plain (unquoted, untagged) scalar means. */
export function plainScalar(source: string, where: Where): ScalarNode {
  const make = (type: ScalarNode['type'], value: ScalarNode['value']): ScalarNode => ({ kind: 'scalar', type, value, where });
  if (NULLS.has(source)) return make('null', null);
  if (TRUE.has(source)) return make('bool', true);
  if (FALSE.has(source)) return make('bool', false);
  const infinity = INFINITIES.get(source);
  if (infinity !== undefined) return make('float', infinity);
  if (!/^[-+.0-9]/.test(source)) return make('string', source);
  if (source.startsWith('.')) return FLOAT.test(source) ? make('float', Number(source)) : make('string', source);
  const time = parseTime(source);
  if (time !== undefined) return make('time', time);
  const plain = source.replaceAll('_', '');
  const int = parseInteger(plain);
  if (int !== undefined) return make('int', int);
  return FLOAT.test(plain) ? make('float', Number(plain)) : make('string', source);
}

/** `fmt.Sprint` of a scalar. */
export function goText(node: ScalarNode): string {
  switch (node.type) {
    case 'null':
      return '<nil>';
    case 'float':
      return goFloat(Number(node.value));
    case 'time':
      return goTime(String(node.value));
    case 'string':
    case 'int':
    case 'bool':
      return String(node.value);
  }
}

/** `%v` of a float64: the shortest digits, with an exponent below 1e-4 and from a million on. */
export function goFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (Object.is(value, -0)) return '-0';
  if (value === 0) return '0';
  const [mantissa = '', exponentText = '0'] = value.toExponential().split('e');
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 6) {
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  return exponent < 0 ? value.toFixed(Math.min(100, mantissa.replace(/[-.]/g, '').length - 1 - exponent)) : String(value);
}

/** The number that a float32 holding `value` prints as. */
export function asFloat32(value: number): number {
  const rounded = Math.fround(value);
  for (let digits = 1; digits <= 9; digits += 1) {
    const shorter = Number(rounded.toPrecision(digits));
    if (Math.fround(shorter) === rounded) return shorter;
  }
  return rounded;
}

/** Go's `ParseInt(text, 0, 64)` and, above it, `ParseUint`; undefined for anything else. */
export function parseInteger(text: string): number | bigint | undefined {
  const found = /^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))$/.exec(text);
  if (found === null) return undefined;
  const [, sign, hex, binary, octal, decimal] = found;
  const digits = hex !== undefined ? `0x${hex}` : binary !== undefined ? `0b${binary}` : octal !== undefined ? `0o${octal}` : decimal;
  if (digits === undefined || digits.length > 80) return undefined;
  const magnitude = BigInt(digits);
  const value = sign === '-' ? -magnitude : magnitude;
  if (value > UINT64_MAX || value < INT64_MIN || (sign === '+' && value > UINT64_MAX / 2n)) return undefined;
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

function parseTime(source: string): string | undefined {
  const found = TIME.exec(source);
  if (found === null) return undefined;
  const [, year = '', month = '', day = '', hour = '0', minute = '0', second = '0', fraction = '', zone = 'Z'] = found;
  if ((found[4] !== undefined && !source.includes(' ')) !== (found[8] !== undefined)) return undefined;
  const numbers = [month, day, hour, minute, second].map(Number);
  const [m = 0, d = 0, h = 0, min = 0, s = 0] = numbers;
  const days = new Date(Date.UTC(Number(year), m, 0)).getUTCDate();
  if (m < 1 || m > 12 || d < 1 || d > days || h > 23 || min > 59 || s > 59) return undefined;
  const two = (value: string): string => value.padStart(2, '0');
  const digits = fraction.slice(0, 10).replace(/0+$/, '').replace(/^\.$/, '');
  return `${year}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:${two(second)}${digits}${zone === '+00:00' ? 'Z' : zone}`;
}

function goTime(rfc3339: string): string {
  const found = /^([^T]+)T([\d:.]+)(Z|([-+])(\d{2}):(\d{2}))$/.exec(rfc3339);
  if (found === null) return rfc3339;
  const [, date = '', time = '', zone = '', sign = '', hours = '', minutes = ''] = found;
  if (zone === 'Z') return `${date} ${time} +0000 UTC`;
  return `${date} ${time} ${sign}${hours}${minutes} ${sign}${hours}${minutes}`;
}
