import PQueue from 'p-queue';

/**
 * Runs the work, so many at a time, and of what has the same lane (null is none) one after another: who waits for that keeps nobody else from being run.
 * The first error aborts the others and is thrown once all of them have ended. Results are in the order of the work.
 */
export async function runAll<T>(
  work: readonly ((signal: AbortSignal) => Promise<T>)[],
  concurrency: number,
  signal: AbortSignal,
  laneOf: (index: number) => string | null = () => null,
): Promise<readonly T[]> {
  const queue = new PQueue({ concurrency });
  const stop = new AbortController();
  const inner = AbortSignal.any([signal, stop.signal]);
  const errors: unknown[] = [];
  const results: T[] = [];
  const lanes = new Map<string, Promise<void>>();
  await Promise.all(
    work.map(async (one, index) => {
      const run = async (): Promise<void> =>
        queue.add(async () => {
          if (errors.length > 0) return;
          try {
            results[index] = await one(inner);
          } catch (error) {
            errors.push(error);
            stop.abort(error);
          }
        });
      const lane = laneOf(index);
      if (lane === null) return run();
      const ended = lanes.get(lane)?.then(run) ?? run();
      lanes.set(lane, ended);
      return ended;
    }),
  );
  if (errors.length > 0) throw signal.aborted ? signal.reason : errors[0];
  return results;
}
