const BILLION = 1_000_000_000n;

/** Seconds with their fraction, as a pax record has them. */
export function secondsOf(nanoseconds: bigint): string {
  const [sign, absolute] = nanoseconds < 0n ? ['-', -nanoseconds] : ['', nanoseconds];
  const fraction = String(absolute % BILLION)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${sign}${absolute / BILLION}${fraction === '' ? '' : `.${fraction}`}`;
}

/** A time as Node's `utimes` takes it: it takes a negative number for now, a date as it is. */
export function utimeOf(seconds: number): number | Date {
  return seconds < 0 ? new Date(seconds * 1000) : seconds;
}
