import type { RawPath } from '../domain/tree.ts';

/** The path and the folders that it lies in, the outermost first; the root is none of them. */
export function upwards(path: RawPath): readonly RawPath[] {
  const names = path.split('/');
  return names.map((_, at) => names.slice(0, at + 1).join('/'));
}

/** A path as people write it: its bytes in UTF-8. */
export function toRaw(path: string): RawPath {
  return Buffer.from(path, 'utf8').toString('latin1');
}

/** For what takes text only. Bytes that are no UTF-8 are lost. */
export function toText(path: RawPath): string {
  return Buffer.from(path, 'latin1').toString('utf8');
}

/** The same text by itself: a slice would keep the whole piece that it was cut from. */
export function detached(path: RawPath): RawPath {
  return Buffer.from(path, 'latin1').toString('latin1');
}
