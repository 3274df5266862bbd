import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const LARGEST = 64 * 1024;

/** True for the `repository.json` of a repository of this tool, of whatever version. */
export async function isRepository(file: string): Promise<boolean> {
  try {
    if ((await stat(file)).size > LARGEST) return false;
    const json: unknown = JSON.parse(await readFile(file, 'utf8'));
    const isOurs = typeof json === 'object' && json !== null && 'format' in json && 'chunker' in json;
    return isOurs && (await stat(join(dirname(file), 'chunks'))).isDirectory();
  } catch {
    return false; // no JSON, not to be read, or no chunks beside it
  }
}
