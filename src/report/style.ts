import picocolors from 'picocolors';

type Paint = (text: string) => string;

/** Colours (or none) and the terminal's width. */
export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly cyan: Paint;
  readonly width: number;
}

export function createStyle(colored: boolean, width = 100): Style {
  const { bold, dim, red, green, yellow, cyan } = picocolors.createColors(colored);
  return { bold, dim, red, green, yellow, cyan, width };
}

/** NO_COLOR and --no-color win, then FORCE_COLOR, then whether it is a terminal. */
export function wantsColor(
  stream: { readonly isTTY?: boolean | undefined },
  allowed: boolean,
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  if (!allowed || (environment['NO_COLOR'] ?? '') !== '') return false;
  const forced = environment['FORCE_COLOR'];
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  return stream.isTTY === true && environment['TERM'] !== 'dumb';
}
