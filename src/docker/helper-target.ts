import type { TreePlace } from '../domain/restore.ts';
import { ScriptTarget } from '../stream/script-target.ts';
import type { HelperContainer } from './helper-container.ts';

const STDERR_BYTES = 8 * 1024 * 1024;

/** A place in a running helper with GNU tar, which it takes over. */
export function helperTarget(helper: HelperContainer, place: TreePlace, piped: boolean, root: string, name: string): ScriptTarget {
  return new ScriptTarget(
    {
      run: (argv, input, signal) => {
        const options = { stderrBytes: STDERR_BYTES, ...(input === undefined ? {} : { input }) };
        return piped ? helper.execPiped(argv, options, signal) : helper.exec(argv, options, signal);
      },
      [Symbol.asyncDispose]: () => helper[Symbol.asyncDispose](),
    },
    { place, transport: piped ? 'pipe' : 'attach', root, name },
  );
}
