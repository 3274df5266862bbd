import type { RawPath } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { toText } from './raw-path.ts';

/** Paths below a folder, relative to it, on which something else is mounted; folder and result are read as `mountinfo` was, one character a byte or as text. */
export function mountsBelow(mountinfo: readonly string[], folder: string): readonly string[] {
  return mountinfo
    .map(targetOfMount)
    .filter((target) => target.startsWith(`${folder}/`))
    .map((target) => target.slice(folder.length + 1));
}

/** Where the filesystem of a line of `mountinfo` is mounted. */
export function targetOfMount(line: string): string {
  return (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/**
 * Rejects where something is mounted on or below one of the paths (relative, `./` or not): it would be moved away with them, and removed with them
 * later, the disk or share of somebody else's that it is.
 */
export function assertNothingMounted(mounts: readonly RawPath[], paths: readonly string[], name: string, doing: string): void {
  const plain = paths.map((path) => path.replace(/^(?:\.\/)+/, ''));
  const held = mounts.find((mount) => plain.some((path) => path === '.' || mount === path || mount.startsWith(`${path}/`)));
  if (held === undefined) return;
  throw new McadsError('component-failed', `${name} cannot be ${doing}: something has been mounted at ${toText(held)} in it since`, {
    hint: 'unmount it and try again',
  });
}
