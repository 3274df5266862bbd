const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** `90` (seconds), `500ms`, `1m30s`, `7d`. Null where the text is no duration. */
export function parseDuration(text: string): number | null {
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  return sumOf(text, /(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/gy, UNITS_MS);
}

/** As restic's `--keep-within`: `2y5m7d3h`; `m` is a month of 30 days, `y` 365 days. Null where the text is none. */
export function parsePeriod(text: string): number | null {
  return sumOf(text, /(\d+)(h|d|w|m|y)/gy, { ...UNITS_MS, m: 30 * 86_400_000, y: 365 * 86_400_000 });
}

function sumOf(text: string, pattern: RegExp, units: Readonly<Record<string, number>>): number | null {
  let total = 0;
  let end = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    total += Number(match[1]) * (units[match[2] ?? ''] ?? Number.NaN);
    end = pattern.lastIndex;
  }
  return end === text.length && end > 0 && Number.isSafeInteger(Math.round(total)) ? Math.round(total) : null;
}
