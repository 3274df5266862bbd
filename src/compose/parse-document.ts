import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, visit } from 'yaml';
import type { Alias, Document, Node, Pair, YAMLMap, YAMLSeq } from 'yaml';
import type { Where } from '../domain/compose-model.ts';
import { plainScalar } from './go-values.ts';
import { configError } from './problems.ts';
import type { Problem } from './problems.ts';
import { list, map, nothing, text } from './tree.ts';
import type { MapEntry, TreeNode } from './tree.ts';

/** One YAML document of a Compose file: aliases and merge keys resolved, custom tags taken out. */
export interface ParsedDocument {
  readonly tree: TreeNode;
  /** Paths under `!reset` or `!override`: what earlier files said there no longer counts. */
  readonly resetPaths: readonly (readonly string[])[];
}

// Far above any Compose file that people write; alias bombs and nesting attacks end here.
const MAX_NODES = 100_000;
const MAX_DEPTH = 100;

/**
 * Reads every document of a YAML file the way Compose's reader does; empty documents are left out.
 * Rejects with 'config' and all syntax problems of the file.
 */
export function parseDocuments(content: string, file: string): readonly ParsedDocument[] {
  const lines = new LineCounter();
  const whereAt = (offset: number): Where => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  const parsed = parseYaml(content, lines, file);
  const problems = parsed.flatMap((document) =>
    document.errors.map((error) => ({ where: whereAt(error.pos[0]), message: describeSyntaxError(error.code, error.message) })),
  );
  if (problems.length > 0) throw configError(problems);
  return parsed.flatMap((document) => (document.contents === null ? [] : [new DocumentReader(document, whereAt).read()]));
}

function parseYaml(content: string, lines: LineCounter, file: string): readonly Document.Parsed[] {
  try {
    // The failsafe schema leaves scalars as text: what they mean is decided by `plainScalar`.
    const parsed = parseAllDocuments(content.replace(/^\uFEFF/, ''), { schema: 'failsafe', lineCounter: lines, prettyErrors: false });
    return Array.isArray(parsed) ? parsed : [];
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw configError([{ where: { file, line: 1, column: 1 }, message: 'the file is nested too deeply to be read' }], error);
  }
}

function describeSyntaxError(code: string, message: string): string {
  return code === 'DUPLICATE_KEY' ? 'this key is already defined in the same mapping' : message;
}

/** Turns one parsed document into a tree; lives for one call of `read`. */
class DocumentReader {
  readonly #document: Document.Parsed;
  readonly #whereAt: (offset: number) => Where;
  readonly #targets = new Map<Alias, Node>();
  readonly #open = new Set<Node>();
  readonly #resetPaths: (readonly string[])[] = [];
  readonly #problems: Problem[] = [];
  #count = 0;

  constructor(document: Document.Parsed, whereAt: (offset: number) => Where) {
    this.#document = document;
    this.#whereAt = whereAt;
  }

  read(): ParsedDocument {
    this.#bindAliases();
    const root: Node | null = this.#document.contents;
    const tree = root === null ? nothing(this.#whereAt(0)) : this.#convert(root, [], 0);
    if (this.#problems.length > 0) throw configError(this.#problems);
    return { tree: tree ?? nothing(this.#whereAt(0)), resetPaths: this.#resetPaths };
  }

  /** An alias means the nearest anchor of that name before it. */
  #bindAliases(): void {
    const anchors = new Map<string, Node>();
    visit(this.#document, {
      Node: (_key, node) => {
        if (isAlias(node)) {
          const target = anchors.get(node.source);
          if (target !== undefined) this.#targets.set(node, target);
        } else if (node.anchor !== undefined) {
          anchors.set(node.anchor, node);
        }
      },
    });
  }

  /** Undefined where `!reset` takes the node out. */
  #convert(node: Node, path: readonly string[], depth: number): TreeNode | undefined {
    const where = this.#where(node);
    this.#count += 1;
    if (this.#count > MAX_NODES) throw configError([{ where, message: `aliases make this document larger than ${MAX_NODES} values` }]);
    if (depth > MAX_DEPTH) throw configError([{ where, message: `more than ${MAX_DEPTH} levels of nesting` }]);
    if (isAlias(node)) {
      const target = this.#targets.get(node);
      if (target === undefined) throw configError([{ where, message: `unknown anchor *${node.source}` }]);
      if (this.#open.has(target)) throw configError([{ where, message: `*${node.source} contains itself` }]);
      return this.#convert(target, path, depth + 1);
    }
    const tag = node.tag;
    if (tag === '!reset') {
      this.#resetPaths.push(path);
      return undefined;
    }
    if (tag === '!override') this.#resetPaths.push(path);
    this.#open.add(node);
    try {
      if (isMap(node)) return map(this.#entries(node, path, depth), where);
      if (isSeq(node)) return this.#list(node, path, depth, where);
      return this.#scalar(node, where);
    } finally {
      this.#open.delete(node);
    }
  }

  #list(node: YAMLSeq, path: readonly string[], depth: number, where: Where): TreeNode {
    const items = node.items.flatMap((item, index) => {
      if (!isNode(item)) return [nothing(where)];
      const converted = this.#convert(item, [...path, String(index)], depth + 1);
      return converted === undefined ? [] : [converted];
    });
    return list(items, where);
  }

  /** What the mapping itself says wins over merged mappings; of those the first to name a key wins. */
  #entries(node: YAMLMap, path: readonly string[], depth: number): ReadonlyMap<string, MapEntry> {
    const own = new Map<string, MapEntry>();
    const merges: { readonly value: Node; readonly where: Where }[] = [];
    for (const pair of node.items) {
      const key = this.#key(pair, path);
      if (key === undefined) continue;
      const value = isNode(pair.value) ? pair.value : undefined;
      if (key.isMerge) {
        if (value !== undefined) merges.push({ value, where: key.where });
        continue;
      }
      const converted = value === undefined ? nothing(key.where) : this.#convert(value, [...path, key.name], depth + 1);
      if (converted !== undefined) own.set(key.name, { where: key.where, node: converted });
    }
    for (const { value, where } of merges) {
      for (const [name, entry] of this.#merged(value, path, depth + 1, where)) if (!own.has(name)) own.set(name, entry);
    }
    return own;
  }

  #merged(node: Node, path: readonly string[], depth: number, where: Where): ReadonlyMap<string, MapEntry> {
    const target = isAlias(node) ? (this.#targets.get(node) ?? node) : node;
    if (isSeq(target)) {
      const merged = new Map<string, MapEntry>();
      for (const item of target.items) {
        if (!isNode(item)) continue;
        for (const [name, entry] of this.#merged(item, path, depth + 1, this.#where(item))) if (!merged.has(name)) merged.set(name, entry);
      }
      return merged;
    }
    const converted = this.#convert(node, path, depth);
    if (converted?.kind === 'map') return converted.entries;
    this.#problems.push({ where, message: 'a merge key (<<) needs a mapping or a list of mappings' });
    return new Map();
  }

  #key(pair: Pair, path: readonly string[]): { readonly name: string; readonly isMerge: boolean; readonly where: Where } | undefined {
    let node = isNode(pair.key) ? pair.key : undefined;
    const where = node === undefined ? this.#whereAt(0) : this.#where(node);
    if (isAlias(node)) node = this.#targets.get(node);
    if (!isScalar(node)) {
      this.#problems.push({ where, message: `${inPath(path)}: keys must be strings` });
      return undefined;
    }
    const source = scalarText(node.value);
    const isPlain = node.type === 'PLAIN' || node.type === undefined;
    if (isPlain && node.tag === undefined && source === '<<') return { name: source, isMerge: true, where };
    if (isPlain && node.tag === undefined && plainScalar(source, where).type !== 'string') {
      this.#problems.push({ where, message: `${inPath(path)}: non-string key ${source}`, hint: `write "${source}" in quotes` });
      return undefined;
    }
    return { name: source, isMerge: false, where };
  }

  #scalar(node: Node, where: Where): TreeNode {
    const source = isScalar(node) ? scalarText(node.value) : '';
    const isPlain = isScalar(node) && (node.type === 'PLAIN' || node.type === undefined);
    switch (node.tag) {
      case undefined:
        return isPlain ? plainScalar(source, where) : text(source, where);
      case 'tag:yaml.org,2002:str':
        return text(source, where);
      case 'tag:yaml.org,2002:binary':
        return text(Buffer.from(source, 'base64').toString('utf8'), where);
      case 'tag:yaml.org,2002:float': {
        const number = plainScalar(source, where);
        return number.type === 'int' ? { ...number, type: 'float', value: Number(number.value) } : number;
      }
      default:
        return isPlain || node.tag.startsWith('tag:yaml.org,2002:') ? plainScalar(source, where) : text(source, where);
    }
  }

  #where(node: Node): Where {
    return this.#whereAt(node.range?.[0] ?? 0);
  }
}

function isNode(value: unknown): value is Node {
  return isMap(value) || isSeq(value) || isScalar(value) || isAlias(value);
}

function scalarText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function inPath(path: readonly string[]): string {
  return path.length === 0 ? 'at top level' : path.join('.');
}
