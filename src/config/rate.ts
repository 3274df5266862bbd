const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };
/** Less would take days for anything, and is a forgotten unit rather than a wish. */
const SMALLEST = 64 * 1024;

/** Bytes a second of `20M`, `512K`, `1.5G` or a plain number of bytes; null for anything else and for less than 64 KiB. */
export function parseRate(text: string): number | null {
  const [, digits, unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?(?:\/s)?\s*$/i.exec(text) ?? [];
  if (digits === undefined) return null;
  const bytes = Math.round(Number(digits) * (UNITS[unit.toUpperCase()] ?? 1));
  return bytes >= SMALLEST && Number.isSafeInteger(bytes) ? bytes : null;
}
