import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';

const CHECKOUT = join(import.meta.dirname, '../..');
/** An empty folder that every Debian has; only the one process sees what is mounted there. */
const SHOWN_AT = '/mnt';

/**
 * The command line that runs a program of this checkout as another user (`setpriv` options). Where a folder above the checkout keeps others
 * out (a clone in root's own temporary folder), the process sees the checkout under another path, in a mount namespace of its own.
 */
export function asUser(identity: readonly string[], argv: readonly string[]): readonly [program: string, ...args: string[]] {
  if (everybodyMayEnter(CHECKOUT)) return ['setpriv', ...identity, ...argv];
  const moved = argv.map((word) => word.replaceAll(CHECKOUT, SHOWN_AT));
  const script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';
  return ['unshare', '--mount', 'sh', '-c', script, 'sh', CHECKOUT, SHOWN_AT, 'setpriv', ...identity, ...moved];
}

function everybodyMayEnter(folder: string): boolean {
  if ((statSync(folder).mode & 0o001) === 0) return false;
  return folder === '/' || everybodyMayEnter(dirname(folder));
}
