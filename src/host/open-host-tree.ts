import type { TreeSource } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { openLocalTree } from './local-tree.ts';
import { openNodeTree } from './node-tree.ts';

/** By GNU tar and find where they are, else by tar-fs. Rejects `component-failed` where the path cannot be looked at. */
export async function openHostTree(
  path: string,
  options: { readonly temporaryDirectory: string; readonly prune: readonly string[] },
  signal: AbortSignal,
): Promise<TreeSource> {
  try {
    return await openLocalTree(path, options, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!isWithoutPrograms(error)) throw error;
    return openNodeTree(path, options.prune);
  }
}

/** GNU's programs are not here, or not even a shell. */
export function isWithoutPrograms(error: unknown): boolean {
  if (error instanceof McadsError) return error.code === 'usage';
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
