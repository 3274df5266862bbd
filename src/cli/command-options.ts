import type { TextLayer } from '../config/text-layer.ts';
import { GLOBAL_ROWS } from '../config/global-rows.ts';

/** Commander's untyped options, read by their camel-case names. */
export class CommandOptions {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  text(name: string): string | null {
    const value = this.#values[name];
    return typeof value === 'string' ? value : null;
  }

  list(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  /** Those that are settings too, by dotted path. */
  settings(): TextLayer['values'] {
    const values: Record<string, string | boolean> = {};
    for (const row of GLOBAL_ROWS) {
      const value = this.#values[camelCase(row.flag)];
      if (typeof value === 'string' || typeof value === 'boolean') values[row.path.join('.')] = value;
    }
    return values;
  }
}

function camelCase(flag: string): string {
  return flag.replace(/^--/, '').replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
