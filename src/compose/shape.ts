import type { Where } from '../domain/compose-model.ts';
import { pathText } from './problems.ts';
import type { Problem } from './problems.ts';
import { isNull, list, map, withEntry } from './tree.ts';
import type { MapEntry, ScalarType, TreeNode } from './tree.ts';

/** What may stand at a place of a Compose file, and how Compose prints it. */
export interface Shape {
  /** Reports what Compose's schema refuses. */
  check(node: TreeNode, path: readonly string[], problems: Problem[]): void;
  /** The form that `docker compose config` prints of a canonical value; undefined where it prints nothing. */
  render(node: TreeNode): TreeNode | undefined;
  /** What is printed where the key is missing. */
  readonly absent?: (where: Where) => TreeNode;
}

const NAMES: Readonly<Record<ScalarType | 'list' | 'map', string>> = {
  string: 'a string',
  int: 'an integer',
  float: 'a number',
  bool: 'a boolean',
  null: 'empty',
  time: 'a string',
  list: 'a list',
  map: 'a mapping',
};

export function typeOf(node: TreeNode): ScalarType | 'list' | 'map' {
  return node.kind === 'scalar' ? node.type : node.kind;
}

export function report(problems: Problem[], node: TreeNode, path: readonly string[], message: string): void {
  problems.push({ where: node.where, message: `${pathText(path)}: ${message}` });
}

/** A scalar of certain types. An integer counts as a float, a time as a string. */
export function scalar(types: readonly ScalarType[], render: Shape['render'], refine?: (node: TreeNode) => string | undefined): Shape {
  return {
    check(node, path, problems) {
      const type = typeOf(node);
      const fits = types.some(
        (allowed) => allowed === type || (allowed === 'float' && type === 'int') || (allowed === 'string' && type === 'time'),
      );
      if (!fits) {
        report(problems, node, path, `must be ${namesOf(types)}`);
        return;
      }
      const wrong = refine?.(node);
      if (wrong !== undefined) report(problems, node, path, wrong);
    },
    render,
  };
}

function namesOf(types: readonly (ScalarType | 'list' | 'map')[]): string {
  return [...new Set(types.map((type) => NAMES[type]))].join(' or ');
}

export interface ListOptions {
  readonly unique?: boolean;
}

/** A list of one shape; printed only with something in it. */
export function listOf(item: Shape, { unique = false }: ListOptions = {}): Shape {
  return {
    check(node, path, problems) {
      if (node.kind !== 'list') {
        report(problems, node, path, `must be ${NAMES.list}`);
        return;
      }
      const seen = new Set<unknown>();
      for (const [index, child] of node.items.entries()) {
        item.check(child, [...path, String(index)], problems);
        if (!unique || child.kind !== 'scalar') continue;
        if (seen.has(child.value)) report(problems, child, path, `${JSON.stringify(String(child.value))} is listed twice`);
        seen.add(child.value);
      }
    },
    render(node) {
      if (node.kind !== 'list') return undefined;
      const items = node.items.flatMap((child) => item.render(child) ?? []);
      return items.length === 0 ? undefined : list(items, node.where);
    },
  };
}

/** Different shapes by what is written there: a text, a list, a mapping. */
export function either(shapes: Partial<Record<ScalarType | 'list' | 'map', Shape>>): Shape {
  const shapeOf = (node: TreeNode): Shape | undefined => shapes[typeOf(node)];
  const absent = Object.values(shapes).find((shape) => shape.absent !== undefined)?.absent;
  return {
    check(node, path, problems) {
      const shape = shapeOf(node);
      const types = (Object.keys(NAMES) as (keyof typeof NAMES)[]).filter((type) => shapes[type] !== undefined);
      if (shape === undefined) report(problems, node, path, `must be ${namesOf(types)}`);
      else shape.check(node, path, problems);
    },
    render: (node) => shapeOf(node)?.render(node),
    ...(absent === undefined ? {} : { absent }),
  };
}

export interface FieldsOptions {
  readonly required?: readonly string[];
  /** `x-…` keys are allowed unless this is false; they are never printed. */
  readonly extensions?: boolean;
  readonly nullable?: boolean;
  /** Printed as `{}` where the key is missing. */
  readonly always?: boolean;
  /** Go prints some fields under other names. */
  readonly printAs?: Readonly<Record<string, string>>;
}

/** A mapping with known keys. */
export function fields(known: Readonly<Record<string, Shape>>, options: FieldsOptions = {}): Shape {
  const shapes = new Map(Object.entries(known));
  const extensions = options.extensions ?? true;
  const render = (node: TreeNode): TreeNode | undefined => {
    if (node.kind !== 'map') return options.always === true ? render(map([], node.where)) : undefined;
    const entries = new Map<string, MapEntry>();
    for (const [key, shape] of shapes) {
      const entry = node.entries.get(key);
      const value = entry === undefined ? shape.absent?.(node.where) : (shape.render(entry.node) ?? shape.absent?.(entry.where));
      if (value !== undefined) entries.set(options.printAs?.[key] ?? key, { where: entry?.where ?? node.where, node: value });
    }
    return map(entries, node.where);
  };
  return {
    check(node, path, problems) {
      if (options.nullable === true && isNull(node)) return;
      if (node.kind !== 'map') {
        report(problems, node, path, `must be ${NAMES.map}`);
        return;
      }
      for (const [key, entry] of node.entries) {
        const shape = shapes.get(key);
        if (shape !== undefined) {
          shape.check(entry.node, [...path, key], problems);
        } else if (!extensions || !key.startsWith('x-')) {
          problems.push({
            where: entry.where,
            message: `${pathText(path)}: additional property ${JSON.stringify(key)} is not allowed`,
            hint: nearestKey(key, shapes.keys()),
          });
        }
      }
      for (const key of options.required ?? []) {
        if (!node.entries.has(key)) report(problems, node, path, `${key} is required`);
      }
    },
    render,
    ...(options.always === true ? { absent: (where: Where): TreeNode => render(map([], where)) ?? map([], where) } : {}),
  };
}

function nearestKey(key: string, known: Iterable<string>): string | undefined {
  const near = [...known].map((candidate) => ({ candidate, edits: editsBetween(key, candidate) })).filter(({ edits }) => edits <= 2);
  const [best] = near.toSorted((a, b) => a.edits - b.edits);
  return best === undefined ? undefined : `did you mean ${best.candidate}?`;
}

/** How many letters to change, add or drop; capped for long names. */
function editsBetween(left: string, right: string): number {
  if (Math.abs(left.length - right.length) > 2 || left.length > 40) return 3;
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (const [i, letter] of left.split('').entries()) {
    const next = [i + 1];
    for (const [j, other] of right.split('').entries()) {
      next.push(Math.min((row[j] ?? 0) + (letter === other ? 0 : 1), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 3;
}

export interface NamedOptions {
  readonly pattern?: RegExp;
  readonly nullable?: boolean;
  /** Entries that render to nothing are printed as null. */
  readonly keepEmpty?: boolean;
}

/** A mapping whose keys are names that the user chooses; printed only with something in it. */
export function named(value: Shape, options: NamedOptions = {}): Shape {
  return {
    check(node, path, problems) {
      if (options.nullable === true && isNull(node)) return;
      if (node.kind !== 'map') {
        report(problems, node, path, `must be ${NAMES.map}`);
        return;
      }
      for (const [key, entry] of node.entries) {
        if (options.pattern !== undefined && !options.pattern.test(key)) {
          problems.push({ where: entry.where, message: `${pathText(path)}: additional property ${JSON.stringify(key)} is not allowed` });
        } else {
          value.check(entry.node, [...path, key], problems);
        }
      }
    },
    render(node) {
      if (node.kind !== 'map' || node.entries.size === 0) return undefined;
      let rendered = map([], node.where);
      for (const [key, entry] of node.entries) {
        const printed = value.render(entry.node) ?? (options.keepEmpty === true ? entry.node : undefined);
        if (printed !== undefined) rendered = withEntry(rendered, key, printed, entry.where);
      }
      return rendered;
    },
  };
}

/** Anything; printed as it stands. */
export const anything: Shape = { check: () => undefined, render: (node) => node };

/** The same shape, never printed. */
export function unprinted(shape: Shape): Shape {
  return { check: (node, path, problems) => shape.check(node, path, problems), render: () => undefined };
}
