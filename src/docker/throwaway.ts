import type { ExecHandle, ThrowawaySpec } from '../domain/ports.ts';
import { McadsError } from '../errors.ts';
import { HelperContainer } from './helper-container.ts';
import { openPipeFolder } from './pipe-folder.ts';
import { isPipeFailure } from './piped-exec.ts';
import { toHelperMount, type TreeContext } from './tree-context.ts';

/**
 * What `Engine.runThrowaway` promises. The command runs beside a waiting shell in the container, its stdin and stdout through
 * FIFOs where a folder can be shared (several times the speed of the engine's stream). Removed as soon as the exit is known.
 */
export async function runThrowaway(context: TreeContext, spec: ThrowawaySpec, signal: AbortSignal): Promise<ExecHandle> {
  const { client, owner, log } = context;
  const mounts = [];
  for (const { mount, target } of spec.mounts ?? []) {
    if (mount.type === 'volume' && mount.subpath !== null) throw new McadsError('unexpected', 'throwaways mount whole volumes');
    mounts.push(await toHelperMount(client, mount, target, signal));
  }
  const helperSpec = { image: spec.image, purpose: spec.purpose, mounts, owner, log };
  const pipes = context.info.sharesFilesystem || context.own !== null ? await openPipeFolder(context.environment, context.own) : null;
  let helper: HelperContainer;
  try {
    helper = await HelperContainer.start(client, helperSpec, pipes, signal);
  } catch (error) {
    await pipes?.[Symbol.asyncDispose]();
    if (pipes === null || !(error instanceof McadsError) || !error.message.includes(pipes.mount.source)) throw error;
    log('debug', `the engine cannot mount the pipe folder: ${error.message}`);
    helper = await HelperContainer.start(client, helperSpec, null, signal);
  }
  try {
    const handle = await run(helper, spec, log, signal);
    const exit = removedAfter(handle.exit, helper);
    exit.catch(() => undefined); // handed out for later
    return { stdout: handle.stdout, exit };
  } catch (error) {
    await helper[Symbol.asyncDispose]();
    throw error;
  }
}

async function removedAfter<T>(work: Promise<T>, helper: HelperContainer): Promise<T> {
  try {
    return await work;
  } finally {
    await helper[Symbol.asyncDispose]();
  }
}

async function run(helper: HelperContainer, spec: ThrowawaySpec, log: TreeContext['log'], signal: AbortSignal): Promise<ExecHandle> {
  const options = {
    ...(spec.input === undefined ? {} : { input: spec.input }),
    ...(spec.user === undefined ? {} : { user: spec.user }),
    ...(spec.environment === undefined ? {} : { environment: spec.environment }),
  };
  if (helper.pipes !== null) {
    try {
      return await helper.execPiped(spec.argv, options, signal);
    } catch (error) {
      // Nothing of the input was read: it starts only after the pipe has proven itself.
      if (!isPipeFailure(error)) throw error;
      log('debug', `${spec.purpose}: ${error instanceof Error ? error.message : ''}; the engine's stream is used instead`);
    }
  }
  return helper.exec(spec.argv, options, signal);
}
