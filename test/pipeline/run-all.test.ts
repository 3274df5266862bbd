import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { runAll } from '../../src/pipeline/run-all.ts';

const never = new AbortController().signal;

it('gives results in the order of the work and runs no more than so many at a time', async () => {
  let running = 0;
  let most = 0;
  const work = [5, 1, 3, 2, 4].map((turns) => async (): Promise<number> => {
    running += 1;
    most = Math.max(most, running);
    for (let i = 0; i < turns; i += 1) await turn();
    running -= 1;
    return turns;
  });
  expect(await runAll(work, 2, never)).toEqual([5, 1, 3, 2, 4]);
  expect(most).toBe(2);
});

it('aborts the others at the first error, waits for their ends, and begins nothing more', async () => {
  const ended: string[] = [];
  const untilAborted =
    (name: string) =>
    async (signal: AbortSignal): Promise<void> => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      await turn();
      ended.push(name);
      throw new Error(`${name} was aborted`);
    };
  const failing = async (): Promise<void> => {
    throw new Error('first');
  };
  const work = [untilAborted('a'), untilAborted('b'), failing, untilAborted('never begun')];
  await expect(runAll(work, 3, never)).rejects.toThrow('first');
  expect(ended.toSorted()).toEqual(['a', 'b']);
});

it('throws the reason of a cancelled run, not what the work made of it', async () => {
  const stop = new AbortController();
  const work = async (signal: AbortSignal): Promise<void> => {
    stop.abort(new Error('cancelled by the user'));
    signal.throwIfAborted();
  };
  await expect(runAll([work], 1, stop.signal)).rejects.toThrow('cancelled by the user');
});
