/** A time as Node's `utimes` takes it: it takes a negative number for now, a date as it is. */
export function utimeOf(seconds: number): number | Date {
  return seconds < 0 ? new Date(seconds * 1000) : seconds;
}
