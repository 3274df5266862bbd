import { McadsError } from '../errors.ts';
import type { Style } from '../report/style.ts';
import type { Announcer } from './announcer.ts';
import type { Io } from './context.ts';

export interface SignalWatch {
  /** Aborts with `cancelled` (SIGINT) or `terminated` (SIGTERM). */
  readonly signal: AbortSignal;
  /** The work is over: a signal from now on changes nothing but the output. */
  finish(): void;
  /** Work that watches for signals itself. */
  leave<T>(work: () => Promise<T>): Promise<T>;
  stop(): void;
}

/** The first signal cancels and says so; the second one ends the process at once, after a warning. */
export function watchSignals(io: Io, announcer: Announcer, style: Style, quiet: boolean): SignalWatch {
  const controller = new AbortController();
  let finished = false;
  const onSignal = (name: 'SIGINT' | 'SIGTERM'): void => {
    const code = name === 'SIGINT' ? 130 : 143;
    if (finished) return io.exitNow(code);
    if (controller.signal.aborted) {
      announcer.release();
      announcer.say(`${style.red('Stopped at once.')} Services may still be stopped or paused: run \`mcads-orchestrate recover\`.`);
      return io.exitNow(code);
    }
    if (!quiet) {
      announcer.say(
        `${style.yellow('Cancelling')}: ending what runs and bringing services back. The same signal again stops at once and leaves that to \`recover\`.`,
      );
    }
    controller.abort(
      name === 'SIGINT'
        ? new McadsError('cancelled', 'cancelled; nothing was committed and everything was undone')
        : new McadsError('terminated', 'terminated; nothing was committed and everything was undone'),
    );
  };
  let stop = io.onSignal(onSignal);
  return {
    signal: controller.signal,
    finish: () => (finished = true),
    leave: async (work) => {
      stop();
      try {
        return await work();
      } finally {
        stop = io.onSignal(onSignal);
      }
    },
    stop: () => stop(),
  };
}
