import { isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { JsonValue, Where } from '../domain/compose-model.ts';

export interface YamlProblem {
  readonly message: string;
  readonly where: Where;
}

export interface ParsedYaml {
  /** Null for an empty document or one that does not parse. */
  readonly value: JsonValue;
  readonly problems: readonly YamlProblem[];
  /** Where a path's key was written; the nearest known ancestor otherwise. */
  whereIs(path: readonly string[]): Where;
}

/** One YAML document with the place of every key. Duplicate keys are problems; merge keys work; aliases may expand 100 times. */
export function parseYaml(text: string, file: string): ParsedYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number): Where => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const problems = document.errors.map((error) => ({ message: error.message, where: at(error.pos[0]) }));
  return {
    // YAML's core schema yields JSON values only
    value: problems.length > 0 ? null : (document.toJS({ maxAliasCount: 100 }) as JsonValue),
    problems,
    whereIs: (path) => at(offsetOf(document.contents, path)),
  };
}

function offsetOf(root: unknown, path: readonly string[]): number {
  let node: unknown = root;
  let offset = startOf(root) ?? 0;
  for (const step of path) {
    const next = stepInto(node, step);
    if (next === null) break;
    offset = startOf(next.key) ?? startOf(next.value) ?? offset;
    node = next.value;
  }
  return offset;
}

function stepInto(node: unknown, step: string): { readonly key: unknown; readonly value: unknown } | null {
  if (isSeq(node)) {
    const item: unknown = node.items[Number(step)];
    return item === undefined ? null : { key: item, value: item };
  }
  if (!isMap(node)) return null;
  const pair = node.items.find((item) => isPair(item) && (isScalar(item.key) ? String(item.key.value) : String(item.key)) === step);
  return pair === undefined ? null : { key: pair.key, value: pair.value };
}

function startOf(node: unknown): number | null {
  return isNode(node) && node.range ? node.range[0] : null;
}
