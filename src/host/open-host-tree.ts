import { access, constants, lstat } from 'node:fs/promises';
import type { OpenHostTree } from '../domain/host.ts';
import type { TreeSource } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { openLocalTree } from './local-tree.ts';

/** By GNU tar and find where they are, else by tar-fs. Rejects `component-failed` where the path cannot be looked at. */
export async function openHostTree(path: string, options: OpenHostTree, signal: AbortSignal): Promise<TreeSource> {
  await assertReadable(path);
  try {
    return await openLocalTree(path, options, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof McadsError) || error.code !== 'usage') throw error; // no GNU programs
    const { openNodeTree } = await import('./node-tree.ts');
    return await openNodeTree(path, options.prune, options.exclude);
  }
}

/** A program that is started in a folder which may not be entered says only that it could not be started. */
async function assertReadable(path: string): Promise<void> {
  try {
    if ((await lstat(path)).isDirectory()) await access(path, constants.R_OK | constants.X_OK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'EACCES' && code !== 'EPERM') return; // told where it is opened
    throw new McadsError('component-failed', `no permission to read the directory ${path}`, {
      hint: 'run with sudo, or as the user of the application; a part may be left out with `host: paths:`',
      cause: error,
    });
  }
}
