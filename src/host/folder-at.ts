import { realpath, stat } from 'node:fs/promises';

/** Where a folder really lies; null for anything else and for nothing. */
export async function folderAt(path: string): Promise<string | null> {
  const real = await realpath(path).catch(() => null);
  if (real === null) return null;
  const info = await stat(real).catch(() => null);
  return info?.isDirectory() === true ? real : null;
}
