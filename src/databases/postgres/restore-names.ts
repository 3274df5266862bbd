import { createHash } from 'node:crypto';

/** Longest name that PostgreSQL keeps. */
const NAME_BYTES = 63;
const OURS = /__mcads_(?:new|old)_[0-9a-f]{12}$/;

/** The same as a pattern of the server's, quoted. */
export const OURS_IN_SQL = `'__mcads_(new|old)_[0-9a-f]{12}$'`;

/** True for a database that a restore made or keeps; no user's database is called so. */
export function isRestoreName(database: string): boolean {
  return OURS.test(database);
}

/** What a restore calls a database while it is built, and the replaced one afterwards: at most 63 bytes, distinct for distinct databases. `run`: 12 hexadecimal digits. */
export function restoreNames(database: string, run: string): { readonly temporary: string; readonly kept: string } {
  return { temporary: marked(database, `__mcads_new_${run}`), kept: marked(database, `__mcads_old_${run}`) };
}

function marked(database: string, mark: string): string {
  const room = NAME_BYTES - mark.length;
  if (Buffer.byteLength(database) <= room) return `${database}${mark}`;
  // Databases may share a long beginning.
  const hash = `~${createHash('sha256').update(database).digest('hex').slice(0, 8)}`;
  return `${cut(database, room - hash.length)}${hash}${mark}`;
}

/** The longest beginning of whole characters that fits. */
function cut(text: string, bytes: number): string {
  let kept = '';
  let used = 0;
  for (const character of text) {
    used += Buffer.byteLength(character);
    if (used > bytes) break;
    kept += character;
  }
  return kept;
}
