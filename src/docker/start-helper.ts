import type { HelperWeights, OpenTreeOptions } from '../domain/tree.ts';
import { McadsError } from '../errors.ts';
import { HelperContainer, UnfitImageError, type HelperMount } from './helper-container.ts';
import { openPipeFolder } from './pipe-folder.ts';
import type { TreeContext } from './tree-context.ts';

export interface HelperWish {
  readonly purpose: string;
  readonly source: HelperMount;
  readonly capabilities?: readonly string[];
  readonly transport: 'auto' | 'pipe' | 'attach';
  readonly weights?: HelperWeights | undefined;
}

/** Tries images until one is fit. Null where none is at hand; nothing is ever pulled. */
export async function withFirstFit<T>(
  context: TreeContext,
  options: OpenTreeOptions,
  signal: AbortSignal,
  open: (image: string) => Promise<T>,
): Promise<T | null> {
  for await (const image of context.images.candidates(options.helperImage, options.projectImages, signal)) {
    try {
      return await open(image);
    } catch (error) {
      if (!(error instanceof UnfitImageError)) throw error;
      context.images.markUnfit(image, error.message);
    }
  }
  return null;
}

/** Starts a helper, with a pipe folder where one can be shared and is wanted. */
export async function startHelper(context: TreeContext, image: string, wish: HelperWish, signal: AbortSignal): Promise<HelperContainer> {
  const { client, owner, log } = context;
  const { purpose, source, capabilities, transport, weights } = wish;
  const mayPipe = transport === 'pipe' || (transport === 'auto' && (context.info.sharesFilesystem || context.own !== null));
  const pipes = mayPipe ? await openPipeFolder(context.environment, context.own) : null;
  if (pipes === null && transport === 'pipe')
    throw new McadsError('component-failed', 'no folder can be shared with the engine for the pipe transport');
  const spec = {
    image,
    purpose,
    mounts: [source],
    owner,
    log,
    weights,
    unifiedGroups: context.info.unifiedGroups,
    ...(capabilities === undefined ? {} : { capabilities }),
  };
  try {
    return await HelperContainer.start(client, spec, pipes, signal);
  } catch (error) {
    await pipes?.[Symbol.asyncDispose]();
    const refused =
      pipes !== null && error instanceof McadsError && error.code === 'component-failed' && error.message.includes(pipes.mount.source);
    if (!refused || transport === 'pipe') throw error;
    log('debug', `the engine cannot mount the pipe folder: ${error.message}`);
    return startHelper(context, image, { ...wish, transport: 'attach' }, signal);
  }
}
