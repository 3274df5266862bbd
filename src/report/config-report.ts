import type { JsonObject, JsonValue } from '../domain/byte-stream.ts';
import { printable } from './escape.ts';
import type { Style } from './style.ts';
import { renderTable } from './table.ts';

/** One setting as `config show` prints it. */
export interface ShownSetting {
  /** `keep.last`, `services.db.quiesce` */
  readonly name: string;
  readonly value: JsonValue;
  /** `--keep-last`, `MCADS_REPOSITORY`, `mcads.yaml:3:5`, `default` */
  readonly origin: string;
}

export function settingsJson(settings: readonly ShownSetting[]): JsonObject {
  return { settings: Object.fromEntries(settings.map(({ name, value, origin }) => [name, { value, origin }])) };
}

export function settingsText(settings: readonly ShownSetting[], style: Style): string {
  return renderTable(
    [
      { title: 'SETTING', shrinkTo: 16 },
      { title: 'VALUE', shrinkTo: 16 },
      { title: 'FROM', shrinkTo: 12 },
    ],
    settings.map(({ name, value, origin }) => [printable(name), printable(valueText(value)), printable(origin)]),
    style.width,
    (text, row, column) => (row === -1 || (column === 2 && settings[row]?.origin === 'default') ? style.dim(text) : text),
  );
}

function valueText(value: JsonValue): string {
  if (value === null) return '-';
  if (typeof value === 'string') return value;
  if (Array.isArray(value))
    return value.length === 0 ? '-' : value.map((item) => (typeof item === 'string' ? item : JSON.stringify(item))).join(', ');
  return JSON.stringify(value);
}
