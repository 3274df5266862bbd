import type { RawPath, TreeEntry } from '../domain/tree.ts';
import { printableRaw } from '../stream/catalogue.ts';

export interface SeenDatabase {
  readonly engine: string;
  readonly path: string;
}

/** Files that only one engine makes, by their last name or names. */
const MARKS: readonly (readonly [suffix: string, engine: string])[] = [
  ['global/pg_control', 'postgres'],
  ['ibdata1', 'mysql'],
  ['WiredTiger', 'mongodb'],
  ['dump.rdb', 'redis'],
  ['appendonlydir', 'redis'],
];
const MOST = 100;

/**
 * Recognises live databases among entries in walk order, by names alone: unchanged files are not read. SQLite: a `-wal` file with
 * content beside the file that it belongs to (an SQLite database that is closed leaves none).
 */
export class DatabaseWatch {
  readonly #seen = new Map<string, SeenDatabase>();
  /** Files whose path the current one begins with. */
  #prefixes: RawPath[] = [];

  see({ path, type, size }: Pick<TreeEntry, 'path' | 'type' | 'size'>): void {
    for (const [suffix, engine] of MARKS) {
      if (!path.endsWith(suffix) || (path.length > suffix.length && path[path.length - suffix.length - 1] !== '/')) continue;
      this.#add(engine, path.slice(0, -suffix.length).replace(/\/$/, ''));
    }
    if (type !== 'f') return;
    this.#prefixes = this.#prefixes.filter((prefix) => path.startsWith(prefix));
    const base = path.endsWith('-wal') && size > 0 ? path.slice(0, -4) : null;
    if (base !== null && this.#prefixes.includes(base)) this.#add('sqlite', base);
    this.#prefixes.push(path);
  }

  list(): readonly SeenDatabase[] {
    return [...this.#seen.values()];
  }

  #add(engine: string, path: RawPath): void {
    if (this.#seen.size < MOST) this.#seen.set(`${engine} ${path}`, { engine, path: printableRaw(path) });
  }
}
