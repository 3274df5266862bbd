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

it('runs what has the same lane one after another, and lets nobody else wait for it', async () => {
  const lanes = ['sda', 'sda', 'sda', 'sdb', null, null];
  const running = new Set<number>();
  const order: number[] = [];
  const free = Promise.withResolvers<void>();
  const work = lanes.map((_, index) => async (): Promise<number> => {
    expect([...running].some((other) => lanes[index] !== null && lanes[other] === lanes[index])).toBe(false);
    running.add(index);
    order.push(index);
    // The first one of sda takes as long as all that is on no rotating disk, or on another one.
    if (index === 0) await free.promise;
    if (index === 5) free.resolve();
    await turn();
    running.delete(index);
    return index;
  });
  expect(await runAll(work, 2, never, (index) => lanes[index] ?? null)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(order).toEqual([0, 3, 4, 5, 1, 2]);
});

it('goes on with a lane after an error no more than with anything else', async () => {
  const begun: number[] = [];
  const work = [0, 1, 2].map((index) => async (): Promise<void> => {
    begun.push(index);
    throw new Error(`${index} failed`);
  });
  await expect(runAll(work, 2, never, () => 'sda')).rejects.toThrow('0 failed');
  expect(begun).toEqual([0]);
});
