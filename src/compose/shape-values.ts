import { parseByteSize } from './byte-size.ts';
import { cut } from './dotenv.ts';
import { formatDuration, parseDuration } from './go-duration.ts';
import { asFloat32, goText } from './go-values.ts';
import { either, listOf, report, scalar } from './shape.ts';
import type { Shape } from './shape.ts';
import { splitShellWords } from './shell-words.ts';
import { bool, entriesOf, integer, isNull, isText, list, map, nothing, text } from './tree.ts';
import type { MapEntry, ScalarNode, TreeNode } from './tree.ts';

function asText(node: TreeNode): TreeNode | undefined {
  if (node.kind !== 'scalar' || isNull(node)) return undefined;
  const value = goText(node);
  return value === '' ? undefined : text(value, node.where);
}

function asNumber(node: TreeNode): number | undefined {
  if (node.kind !== 'scalar' || isNull(node) || node.type === 'bool') return undefined;
  const value = Number(node.value);
  return Number.isFinite(value) ? value : undefined;
}

const numeric = (node: TreeNode): string | undefined =>
  isText(node) && !/^[-+]?\d+(\.\d+)?$/.test(node.value) ? `${JSON.stringify(node.value)} is no number` : undefined;

const booleanText = (node: TreeNode): string | undefined =>
  isText(node) && !/^(true|false|y|yes|n|no|on|off)$/i.test(node.value) ? `invalid boolean ${JSON.stringify(node.value)}` : undefined;

function asBool(node: TreeNode): boolean {
  return node.kind === 'scalar' && (node.value === true || (isText(node) && /^(true|y|yes|on)$/i.test(node.value)));
}

function withinRange(minimum: number, maximum: number) {
  return (node: TreeNode): string | undefined => {
    const value = asNumber(node);
    return (
      numeric(node) ?? (value === undefined || value < minimum || value > maximum ? `must be between ${minimum} and ${maximum}` : undefined)
    );
  };
}

/** A text; printed unless empty. */
export const string: Shape = scalar(['string'], asText);
/** A text that may be written as a number; printed as text. */
export const stringOrNumber: Shape = scalar(['string', 'float'], asText);
export const stringOrInteger: Shape = scalar(['string', 'int'], asText);
export const nullableString: Shape = scalar(['string', 'null'], asText);

export function oneOf(values: readonly string[]): Shape {
  return scalar(['string'], asText, (node) =>
    isText(node) && !values.includes(node.value) ? `must be one of ${values.join(', ')}` : undefined,
  );
}

/** True is printed, false is not. */
export const flag: Shape = scalar(['bool', 'string'], (node) => (asBool(node) ? bool(true, node.where) : undefined), booleanText);
/** Printed whenever it is written. */
export const keptFlag: Shape = scalar(['bool', 'string'], (node) => bool(asBool(node), node.where), booleanText);
/** No text allowed. */
export const strictFlag: Shape = scalar(['bool'], (node) => bool(asBool(node), node.where));

const renderNumber =
  (keepZero: boolean, convert: (value: number) => number): Shape['render'] =>
  (node) => {
    const value = asNumber(node);
    return value === undefined || (value === 0 && !keepZero) ? undefined : integer(convert(value), node.where);
  };

export const whole: Shape = scalar(['int', 'string'], renderNumber(false, Math.trunc), numeric);
export const keptWhole: Shape = scalar(['int', 'string'], renderNumber(true, Math.trunc), numeric);
export const number: Shape = scalar(['float', 'string'], renderNumber(false, Math.trunc), numeric);
export const keptNumber: Shape = scalar(['float', 'string'], renderNumber(true, Math.trunc), numeric);
export const fraction: Shape = scalar(['float', 'string'], renderNumber(false, asFloat32), numeric);
export const keptRawNumber: Shape = scalar(
  ['float'],
  renderNumber(false, (value) => value),
);

export function wholeBetween(minimum: number, maximum: number): Shape {
  return scalar(['int', 'float', 'string'], renderNumber(false, Math.trunc), withinRange(minimum, maximum));
}

/** Printed in Go's form: `1m30s`. */
export const duration: Shape = durationShape(true);
export const durationUnlessZero: Shape = durationShape(false);

function durationShape(keepZero: boolean): Shape {
  return scalar(
    ['string'],
    (node) => {
      const value = isText(node) ? parseDuration(node.value) : undefined;
      return value === undefined || (value === 0n && !keepZero) ? undefined : text(formatDuration(value), node.where);
    },
    (node) => (isText(node) && parseDuration(node.value) === undefined ? `invalid duration ${JSON.stringify(node.value)}` : undefined),
  );
}

/** Printed as text in bytes. */
export const bytes: Shape = scalar(
  ['string', 'float'],
  (node) => {
    const value = isText(node) ? parseByteSize(node.value) : asNumber(node);
    return value === undefined || value === 0 ? undefined : text(String(Math.trunc(value)), node.where);
  },
  (node) => (isText(node) && parseByteSize(node.value) === undefined ? `invalid size ${JSON.stringify(node.value)}` : undefined),
);

export const strings: Shape = listOf(string);
export const uniqueStrings: Shape = listOf(string, { unique: true });
export const stringOrStrings: Shape = either({ string: asSingleItem(), list: uniqueStrings });
export const stringsOrNumbers: Shape = listOf(stringOrNumber, { unique: true });

function asSingleItem(): Shape {
  return { check: () => undefined, render: (node) => list([node], node.where) };
}

/** A command line or a list of words; always printed, null where it is not set. */
export const command: Shape = {
  ...either({
    null: { check: () => undefined, render: (node) => nothing(node.where) },
    string: {
      check(node, path, problems) {
        if (isText(node) && splitShellWords(node.value) === undefined) report(problems, node, path, 'invalid command line string');
      },
      render: (node) =>
        list(
          (isText(node) ? (splitShellWords(node.value) ?? []) : []).map((word) => text(word, node.where)),
          node.where,
        ),
    },
    list: { check: (node, path, problems) => strings.check(node, path, problems), render: (node) => node },
  }),
  absent: nothing,
};

export const healthTest: Shape = either({
  string: {
    check: () => undefined,
    render: (node) => list([text('CMD-SHELL', node.where), node], node.where),
  },
  list: { check: (node, path, problems) => strings.check(node, path, problems), render: (node) => node },
});

type PairValue = (value: ScalarNode | undefined, where: TreeNode['where']) => TreeNode;

/** `k: v` or `- k=v`, printed as a mapping of texts; what a missing value becomes differs. */
function pairs(missing: PairValue, types: Shape): Shape {
  return {
    check: (node, path, problems) => types.check(node, path, problems),
    render(node) {
      const entries = new Map<string, MapEntry>();
      for (const [key, value, where] of pairsOf(node)) entries.set(key, { where, node: missing(value, where) });
      return entries.size === 0 ? undefined : map(entries, node.where);
    },
  };
}

/** The pairs of a mapping or a `k=v` list, the last of a name winning. */
export function pairsOf(node: TreeNode): readonly (readonly [key: string, value: ScalarNode | undefined, where: TreeNode['where']])[] {
  if (node.kind === 'list') {
    return node.items.flatMap((item) => {
      if (item.kind !== 'scalar') return [];
      const [key, value] = cut(goText(item), '=');
      return [[key, value === undefined ? undefined : text(value, item.where), item.where] as const];
    });
  }
  return [...entriesOf(node)].flatMap(([key, entry]) =>
    entry.node.kind === 'scalar' ? [[key, isNull(entry.node) ? undefined : entry.node, entry.where] as const] : [],
  );
}

const orNull: PairValue = (value, where) => (value === undefined ? nothing(where) : text(goText(value), where));
const orEmpty: PairValue = (value, where) => text(value === undefined ? '' : goText(value), where);

const pairValue = scalar(['string', 'float', 'bool', 'null'], (node) => node);
const pairMap: Shape = {
  check(node, path, problems) {
    for (const [key, entry] of entriesOf(node)) pairValue.check(entry.node, [...path, key], problems);
  },
  render: (node) => node,
};
const listOrMap = either({ list: uniqueStrings, map: pairMap });

/** Variables: a name without a value stays null. */
export const variables: Shape = pairs(orNull, listOrMap);
/** Labels and such: a name without a value is empty. */
export const labels: Shape = pairs(orEmpty, listOrMap);

const optionValue = scalar(['string', 'float', 'null'], (node) => node);

/** Driver options: a mapping of texts and numbers. */
export const options: Shape = pairs(orEmpty, {
  check(node, path, problems) {
    if (node.kind !== 'map') report(problems, node, path, 'must be a mapping');
    for (const [key, entry] of entriesOf(node)) optionValue.check(entry.node, [...path, key], problems);
  },
  render: (node) => node,
});

/** Always printed as a sorted list `host=address`. */
export const extraHosts: Shape = {
  check(node, path, problems) {
    if (node.kind === 'map') {
      for (const [key, entry] of node.entries) either({ string, list: strings }).check(entry.node, [...path, key], problems);
      return;
    }
    uniqueStrings.check(node, path, problems);
    for (const item of node.kind === 'list' ? node.items : []) {
      if (isText(item) && !/[=:]/.test(item.value)) report(problems, item, path, `${JSON.stringify(item.value)} lacks an address`);
    }
  },
  render(node) {
    const lines: ScalarNode[] = [];
    const add = (host: string, address: string, where: TreeNode['where']): void => {
      lines.push(text(`${host}=${address.replace(/^\[(.+)\]$/, '$1')}`, where));
    };
    for (const [host, entry] of entriesOf(node)) {
      const addresses = entry.node.kind === 'list' ? entry.node.items : [entry.node];
      for (const address of addresses) if (address.kind === 'scalar') add(host, isNull(address) ? '' : goText(address), entry.where);
    }
    for (const item of node.kind === 'list' ? node.items : []) {
      if (item.kind !== 'scalar') continue;
      const line = goText(item);
      const [host, addresses = ''] = cut(line, line.includes('=') ? '=' : ':');
      for (const address of addresses.split(',')) add(host, address, item.where);
    }
    const sorted = lines.toSorted((a, b) => (String(a.value) < String(b.value) ? -1 : 1));
    return sorted.length === 0 ? undefined : list(sorted, node.where);
  },
};
