import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

const MAGIC = Buffer.from('SQLite format 3\0', 'latin1');
const SMALLEST_PAGE = 512;

/** What SQLite keeps beside a database while it is open, and after a crash. */
export const SQLITE_COMPANIONS = ['-wal', '-shm', '-journal'] as const;

/** What databases are called. */
const USUAL_NAME = /\.(?:sqlite3?|s3db|db3?)$/i;

/** Whole pages, or a database's name: one that was cut off is still one. Spares looking into almost every other file. */
export function mayBeSqlite(path: string, bytes: number): boolean {
  return bytes >= MAGIC.length && ((bytes >= SMALLEST_PAGE && bytes % SMALLEST_PAGE === 0) || USUAL_NAME.test(path));
}

/** By its first bytes; false where it cannot be read. */
export async function isSqliteFile(path: string): Promise<boolean> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, 0);
    return bytesRead === MAGIC.length && MAGIC.equals(buffer);
  } catch {
    return false;
  }
}
