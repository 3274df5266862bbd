import type { TreeMount } from '../domain/plan.ts';
import type { OpenTreeOptions, TreeSource } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { openArchiveTree } from './archive-tree.ts';
import { openHelperTree } from './helper-tree.ts';
import { startHelper, withFirstFit } from './start-helper.ts';
import { nameOfMount, toHelperMount, type TreeContext } from './tree-context.ts';

const PURPOSE = 'tree';

/** What `Engine.openTree` promises: pipe, attach, archive, the first that works unless one is insisted upon. */
export async function openTree(context: TreeContext, mount: TreeMount, options: OpenTreeOptions, signal: AbortSignal): Promise<TreeSource> {
  const { transport, weights } = options;
  const name = mount.type === 'bind' ? mount.hostPath.replace(/\/+$/, '').split('/').pop() || 'root' : 'data';
  const source = await toHelperMount(context.client, mount, `/mcads/source/${name}`, signal);
  if (transport === 'archive') return openArchiveTree(context, mount, PURPOSE, signal);
  const opened = await withFirstFit(context, options, signal, async (image) => {
    const helper = await startHelper(context, image, { purpose: PURPOSE, source, transport, weights }, signal);
    try {
      const spec = { mount, target: source.target, pipe: transport === 'auto' ? null : transport === 'pipe' };
      return await openHelperTree(context, helper, spec, signal);
    } catch (error) {
      await helper[Symbol.asyncDispose]();
      throw error;
    }
  });
  if (opened !== null) return opened;
  if (transport !== 'auto') throw noImage(nameOfMount(mount), transport);
  return openArchiveTree(context, mount, PURPOSE, signal);
}

export function noImage(name: string, transport: string): McadsError {
  return new McadsError('component-failed', `${name}: no image with GNU tar and find is at hand for the ${transport} transport`, {
    hint: 'Name one with --helper-image (nothing is pulled unasked), or leave the transport to `auto`.',
  });
}
