import type { RawPath } from '../domain/tree.ts';

/** The path and the folders that it lies in, the outermost first; the root is none of them. */
export function upwards(path: RawPath): readonly RawPath[] {
  const names = path.split('/');
  return names.map((_, at) => names.slice(0, at + 1).join('/'));
}

/** The same text by itself: a slice would keep the whole piece that it was cut from. */
export function detached(path: RawPath): RawPath {
  return Buffer.from(path, 'latin1').toString('latin1');
}
