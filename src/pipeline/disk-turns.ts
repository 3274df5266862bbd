/**
 * Who reads from a rotating disk: one tree at a time, because two make its heads go back and forth between them. Nobody waits to scan, nor where
 * nothing has changed. The whole of a backup shares one.
 */
export class DiskTurns {
  /** By disk: settles when the last one who asked is done. */
  readonly #last = new Map<string, Promise<void>>();

  /** Waits until everybody who asked before is done with that disk; whoever gets the turn disposes it. Null is no such disk. Rejects with the signal's reason. */
  async take(disk: string | null, signal: AbortSignal): Promise<Disposable> {
    const { promise, resolve: done } = Promise.withResolvers<void>();
    const turn = { [Symbol.dispose]: done };
    if (disk === null) return turn;
    const before = this.#last.get(disk) ?? Promise.resolve();
    this.#last.set(
      disk,
      before.then(() => promise),
    );
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      signal.throwIfAborted();
      await Promise.race([before, aborted.promise]);
      return turn;
    } catch (error) {
      done();
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }
}
