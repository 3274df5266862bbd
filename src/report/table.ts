import { displayWidth, shorten } from './escape.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Cut (in the middle) when the table is too wide, not below this width. */
  readonly shrinkTo?: number;
  /** Left out altogether where the table is too wide, lowest first. */
  readonly dropRank?: number;
}

/** Cells must be printable already; `paint` colours a padded cell. Lines have no trailing blanks. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
  paint: (text: string, row: number, column: number) => string = (text) => text,
): string {
  const kept = columnsThatFit(columns, rows, width);
  return renderColumns(
    kept.map((index) => columns[index]).filter((column) => column !== undefined),
    rows.map((row) => kept.map((index) => row[index] ?? '')),
    width,
    (text, row, column) => paint(text, row, kept[column] ?? column),
  );
}

function columnsThatFit(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): readonly number[] {
  const widths = widthsOf(columns, rows);
  let kept = columns.map((_, index) => index);
  const rankOf = (index: number): number => columns[index]?.dropRank ?? Infinity;
  const isTooWide = (): boolean => kept.reduce((sum, index) => sum + (widths[index] ?? 0) + 2, -2) > width;
  for (const index of columns
    .map((_, at) => at)
    .filter((at) => rankOf(at) < Infinity)
    .toSorted((a, b) => rankOf(a) - rankOf(b))) {
    if (isTooWide()) kept = kept.filter((one) => one !== index);
  }
  return kept;
}

function widthsOf(columns: readonly Column[], rows: readonly (readonly string[])[]): number[] {
  return columns.map((column, index) => Math.max(displayWidth(column.title), ...rows.map((row) => displayWidth(row[index] ?? ''))));
}

function renderColumns(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
  paint: (text: string, row: number, column: number) => string,
): string {
  const widths = widthsOf(columns, rows);
  const gaps = 2 * (columns.length - 1);
  for (let excess = widths.reduce((sum, one) => sum + one, gaps) - width; excess > 0;) {
    const index = widestShrinkable(columns, widths);
    if (index === null) break;
    const least = Math.max(columns[index]?.shrinkTo ?? 0, displayWidth(columns[index]?.title ?? ''));
    const cut = Math.min(excess, (widths[index] ?? 0) - least);
    widths[index] = (widths[index] ?? 0) - cut;
    excess -= cut;
  }
  const line = (cells: readonly string[], row: number): string =>
    columns
      .map((column, index) => {
        const text = shorten(cells[index] ?? '', widths[index] ?? 0);
        const blank = ' '.repeat(Math.max(0, (widths[index] ?? 0) - displayWidth(text)));
        const last = index === columns.length - 1 && column.align !== 'right';
        const padded = column.align === 'right' ? blank + text : last ? text : text + blank;
        return paint(padded, row, index);
      })
      .join('  ')
      .trimEnd();
  return [
    line(
      columns.map((column) => column.title),
      -1,
    ),
    ...rows.map((row, index) => line(row, index)),
  ].join('\n');
}

function widestShrinkable(columns: readonly Column[], widths: readonly number[]): number | null {
  let best: number | null = null;
  columns.forEach((column, index) => {
    const least = Math.max(column.shrinkTo ?? Infinity, displayWidth(column.title));
    const own = widths[index] ?? 0;
    if (own > least && (best === null || own > (widths[best] ?? 0))) best = index;
  });
  return best;
}
