export interface RememberedBytes extends AsyncIterable<Uint8Array> {
  /** What the source threw; undefined where it has not. */
  readonly failure: unknown;
}

/** The same bytes: whoever consumed them and failed can be told from a source that failed. */
export function remembering(source: AsyncIterable<Uint8Array>): RememberedBytes {
  const state: { failure: unknown } = { failure: undefined };
  async function* read(): AsyncGenerator<Uint8Array> {
    try {
      yield* source;
    } catch (error) {
      state.failure = error;
      throw error;
    }
  }
  return {
    [Symbol.asyncIterator]: read,
    get failure() {
      return state.failure;
    },
  };
}
