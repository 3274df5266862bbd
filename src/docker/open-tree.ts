import type { TreeMount } from '../domain/plan.ts';
import type { TreeSource, OpenTreeOptions } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { openArchiveTree } from './archive-tree.ts';
import { HelperContainer, UnfitImageError, type HelperMount } from './helper-container.ts';
import { openHelperTree } from './helper-tree.ts';
import { openPipeFolder } from './pipe-folder.ts';
import { nameOfMount, toHelperMount, type TreeContext } from './tree-context.ts';

const PURPOSE = 'tree';

/** What `Engine.openTree` promises: pipe, attach, archive, the first that works unless one is insisted upon. */
export async function openTree(context: TreeContext, mount: TreeMount, options: OpenTreeOptions, signal: AbortSignal): Promise<TreeSource> {
  const { transport } = options;
  const name = mount.type === 'bind' ? mount.hostPath.replace(/\/+$/, '').split('/').pop() || 'root' : 'data';
  const source = await toHelperMount(context.client, mount, `/mcads/source/${name}`, signal);
  if (transport === 'archive') return openArchiveTree(context, mount, PURPOSE, signal);
  for await (const image of context.images.candidates(options.helperImage, options.projectImages, signal)) {
    try {
      return await openWith(context, image, mount, source, transport, signal);
    } catch (error) {
      if (!(error instanceof UnfitImageError)) throw error;
      context.images.markUnfit(image, error.message);
    }
  }
  if (transport !== 'auto') {
    throw new McadsError(
      'component-failed',
      `${nameOfMount(mount)}: no image with GNU tar and find is at hand for the ${transport} transport`,
      {
        hint: 'Name one with --helper-image (nothing is pulled unasked), or leave the transport to `auto`.',
      },
    );
  }
  return openArchiveTree(context, mount, PURPOSE, signal);
}

async function openWith(
  context: TreeContext,
  image: string,
  mount: TreeMount,
  source: HelperMount,
  transport: 'auto' | 'pipe' | 'attach',
  signal: AbortSignal,
): Promise<TreeSource> {
  const { client, owner, log } = context;
  const mayPipe = transport === 'pipe' || (transport === 'auto' && (context.info.sharesFilesystem || context.own !== null));
  const pipes = mayPipe ? await openPipeFolder(context.environment, context.own) : null;
  if (pipes === null && transport === 'pipe')
    throw new McadsError('component-failed', 'no folder can be shared with the engine for the pipe transport');
  const spec = { image, purpose: PURPOSE, mounts: [source], owner, log };
  let helper: HelperContainer;
  try {
    helper = await HelperContainer.start(client, spec, pipes, signal);
  } catch (error) {
    await pipes?.[Symbol.asyncDispose]();
    const refused =
      pipes !== null && error instanceof McadsError && error.code === 'component-failed' && error.message.includes(pipes.mount.source);
    if (!refused || transport === 'pipe') throw error;
    log('debug', `the engine cannot mount the pipe folder: ${error.message}`);
    return openWith(context, image, mount, source, 'attach', signal);
  }
  try {
    return await openHelperTree(
      context,
      helper,
      { mount, target: source.target, pipe: transport === 'auto' ? null : transport === 'pipe' },
      signal,
    );
  } catch (error) {
    await helper[Symbol.asyncDispose]();
    throw error;
  }
}
