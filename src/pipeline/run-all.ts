import PQueue from 'p-queue';

/** Runs the work, so many at a time. The first error aborts the others and is thrown once all of them have ended. Results are in the order of the work. */
export async function runAll<T>(
  work: readonly ((signal: AbortSignal) => Promise<T>)[],
  concurrency: number,
  signal: AbortSignal,
): Promise<readonly T[]> {
  const queue = new PQueue({ concurrency });
  const stop = new AbortController();
  const inner = AbortSignal.any([signal, stop.signal]);
  const errors: unknown[] = [];
  const results: T[] = [];
  await Promise.all(
    work.map((one, index) =>
      queue.add(async () => {
        if (errors.length > 0) return;
        try {
          results[index] = await one(inner);
        } catch (error) {
          errors.push(error);
          stop.abort(error);
        }
      }),
    ),
  );
  if (errors.length > 0) throw signal.aborted ? signal.reason : errors[0];
  return results;
}
